"""Each command has a file in ``cli/`` and in ``jobs/``, and a group in --help."""

from pathlib import Path

import pytest

import fastdefect
from fastdefect.cli import app
from fastdefect.cli.session import DATA, DECIDE, JUDGE, TRAIN, USE

# Commands of a group are in the file of the group.
GROUPS = {
    f"{group.name}-{command.name}": command
    for group in app.registered_groups
    if group.typer_instance is not None
    for command in group.typer_instance.registered_commands
}
ROOT = Path(fastdefect.__file__).parent
COMMANDS = {
    command.name or str(command.callback.__name__): command
    for command in app.registered_commands
    if command.callback is not None
}
NO_JOB = {"runs", "sample"}  # one call to the registry, one to the renderer


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_found_by_its_name(name: str) -> None:
    stem = name.replace("-", "_")
    callback = COMMANDS[name].callback
    assert callback is not None
    assert callback.__module__ == f"fastdefect.cli.{stem}"
    assert (ROOT / "jobs" / f"{stem}.py").exists() != (name in NO_JOB)
    assert COMMANDS[name].rich_help_panel in (TRAIN, DATA, JUDGE, DECIDE, USE)


@pytest.mark.parametrize("name", GROUPS)
def test_a_command_of_a_group_is_found_by_its_name(name: str) -> None:
    group, _, _ = name.partition("-")
    callback = GROUPS[name].callback
    assert callback is not None
    assert callback.__module__ == f"fastdefect.cli.{group}"
    assert (ROOT / "jobs" / f"{name.replace('-', '_')}.py").exists()


def test_there_is_no_file_without_a_command() -> None:
    stems = {path.stem for path in (ROOT / "cli").glob("*.py")}
    groups = {group.name for group in app.registered_groups}
    assert stems - groups - {name.replace("-", "_") for name in COMMANDS} == {
        "__init__",
        "session",  # shared by all commands
        "series",  # shared by the commands that train
        "ci",  # shared by the commands of a pipeline
        "launched",  # any of them in one of several processes
        "cluster",  # the options of predict --engine ray
    }
