"""Each command has a file in ``cli/`` and in ``jobs/``, and a group in --help."""

from pathlib import Path

import pytest

import fastdefect
from fastdefect.cli import app
from fastdefect.cli.session import DATA, DECIDE, JUDGE, TRAIN, USE

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


def test_there_is_no_file_without_a_command() -> None:
    stems = {path.stem for path in (ROOT / "cli").glob("*.py")}
    assert stems - {name.replace("-", "_") for name in COMMANDS} == {
        "__init__",
        "session",  # shared by all commands
        "series",  # shared by the commands that train
        "ci",  # shared by the commands of a pipeline
    }
