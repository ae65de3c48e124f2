"""All runs of a folder: their names, the latest one, and their list."""

import errno
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from helpers.new_runs import CONFIG, new_run

from fastdefect.config_resolve import resolve
from fastdefect.errors import RunError, UsageError
from fastdefect.machine import MachineError
from fastdefect.run import SCHEMA, RunKind, RunStatus
from fastdefect.run_registry import (
    LATEST,
    create_run,
    list_runs,
    open_run,
    summarise,
)


def test_the_resume_command_can_be_pasted_into_a_shell(runs: Path) -> None:
    plain, spaced = new_run(runs, "a"), new_run(runs, "a b")
    assert plain.resume_command == f"fastdefect fit --resume {plain.folder}"
    assert spaced.resume_command == f'fastdefect fit --resume "{spaced.folder}"'
    with pytest.raises(RunError) as caught:
        spaced.require_model()
    assert caught.value.hint.endswith(f'--resume "{spaced.folder}"')


def test_an_existing_name_gives_a_resume_command_to_paste(tmp_path: Path) -> None:
    runs = tmp_path / "a b"
    new_run(runs, "x")
    with pytest.raises(UsageError) as caught:
        create_run(runs, "x", CONFIG, "", kind=RunKind.ABLATION)
    assert caught.value.hint.endswith(f'fastdefect ablate --resume "{runs / "x"}"')


@pytest.fixture(params=["symlink", "text file"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of pointing to the latest run: as on Unix, and as on a locked-down Windows."""
    if request.param == "text file":

        def refuse(self: Path, *args: Any, **kwargs: Any) -> None:
            raise OSError("A required privilege is not held by the client")

        monkeypatch.setattr(Path, "symlink_to", refuse)
    return str(request.param)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs; the tests stand elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path / "runs"


def test_a_new_run_has_its_config_and_its_command(runs: Path) -> None:
    run = new_run(runs, "first")

    assert run.folder == runs / "first"
    assert run.name == "first"
    assert run.read_config() == CONFIG
    state = run.read_state()
    assert state["schema"] == SCHEMA
    assert state["status"] == RunStatus.RUNNING
    assert state["command"] == "fastdefect fit"
    assert "+00:00" in state["started"]


def test_the_default_name_is_the_time_and_the_architecture(runs: Path) -> None:
    first, second, third = new_run(runs), new_run(runs), new_run(runs)
    assert first.name.endswith("-resnet18")
    assert len({first.name, second.name, third.name}) == 3


def test_an_architecture_with_a_slash_makes_one_folder(runs: Path) -> None:
    run = create_run(runs, None, resolve({"arch": "timm/resnet10t.c3_in1k"}), "")
    assert run.folder.parent == runs


def test_an_existing_name_is_refused_and_the_run_unchanged(runs: Path) -> None:
    first = new_run(runs, "x")
    with pytest.raises(UsageError, match="--name x: .* already exists") as caught:
        create_run(runs, "x", resolve({}), "other")
    assert "--resume" in caught.value.hint
    assert first.read_config() == CONFIG


@pytest.mark.parametrize(
    "name",
    [
        LATEST,
        "Latest",  # one file with latest on Windows and macOS
        "LATEST",
        "a/b",
        "a\\b",
        "..",
        ".",
        ".hidden",
        "../x",
        "-x",
        "x.",
        "x ",
        " x",
        "a:b",
        "a\nb",
        "a\n",
        "what?",
        "a*",
        "/",
        "~",
        "C:x",
    ],
)
def test_names_that_cannot_be_a_folders_are_refused(name: str, runs: Path) -> None:
    with pytest.raises(UsageError, match="--name"):
        new_run(runs, name)
    assert not runs.exists()


@pytest.mark.parametrize(
    "name", ["a", "7", "v1.2", "line 3", "a_b-c+d", "Gießerei", "première", "latest2", "試験"]
)
def test_other_names_are_not_changed(name: str, runs: Path) -> None:
    new_run(runs, name)
    assert open_run(name, runs).name == name


def test_a_file_in_the_place_of_the_folder_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder", encoding="utf-8")
    with pytest.raises(UsageError, match="--runs"):
        new_run(tmp_path / "runs", "x")


def test_latest_is_the_newest(runs: Path, links: str) -> None:
    new_run(runs, "first")
    assert open_run(None, runs).name == "first"
    new_run(runs, "second")
    assert open_run(None, runs).name == "second"
    assert open_run(LATEST, runs).name == "second"
    assert open_run(str(runs / LATEST), runs).name == "second"
    assert (runs / LATEST).is_symlink() == (links == "symlink")
    assert {path.name for path in runs.iterdir()} == {"first", "second", LATEST}


def test_a_moved_folder_of_runs_still_has_its_latest(runs: Path, links: str) -> None:
    new_run(runs, "first")
    moved = runs.rename(runs.parent / "moved")
    assert open_run(None, moved).folder == (moved / "first").resolve()


def test_an_opened_run_is_named_after_its_folder_not_the_link(runs: Path, links: str) -> None:
    new_run(runs, "first")
    assert open_run(LATEST, runs).name == "first"
    assert open_run(LATEST, runs).folder.is_absolute()


def test_a_link_can_follow_a_text_file_and_the_other_way_round(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *args: Any, **kwargs: Any) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refuse)
        new_run(runs, "first")
    new_run(runs, "second")
    assert open_run(None, runs).name == "second"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refuse)
        new_run(runs, "third")
    assert open_run(None, runs).name == "third"


def test_when_the_latest_was_deleted_it_is_the_newest_existing_run(runs: Path, links: str) -> None:
    new_run(runs, "first")
    gone = new_run(runs, "second")
    for file in gone.folder.iterdir():
        file.unlink()
    gone.folder.rmdir()
    assert open_run(None, runs).name == "first"


def test_a_folder_called_latest_where_one_stands_is_not_the_latest_run(
    runs: Path, tmp_path: Path
) -> None:
    new_run(runs, "right")
    new_run(tmp_path / "other", "wrong").folder.rename(Path(LATEST))
    assert open_run(None, runs).name == "right"


def test_a_run_is_found_by_path_and_by_name(runs: Path) -> None:
    run = new_run(runs, "first")
    new_run(runs, "second")
    assert open_run(str(run.folder), runs).name == "first"
    assert open_run("first", runs).name == "first"
    assert open_run(str(run.folder), Path("nowhere")).name == "first"


def test_no_runs_yet_is_an_error(runs: Path) -> None:
    with pytest.raises(RunError, match="No run in .*runs yet") as caught:
        open_run(None, runs)
    assert "fastdefect fit" in caught.value.hint
    assert list_runs(runs) == []


def test_an_unknown_run_names_both_places(runs: Path) -> None:
    new_run(runs, "first")
    with pytest.raises(RunError, match=r"No run at nope nor at .*nope"):
        open_run("nope", runs)


def test_an_empty_folder_is_not_a_run(runs: Path) -> None:
    (runs / "empty").mkdir(parents=True)
    with pytest.raises(RunError, match="No run at empty"):
        open_run("empty", runs)
    assert list_runs(runs) == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b"[]", b"null", b'"x"'])
def test_a_damaged_run_is_an_error_that_names_the_file(content: bytes, runs: Path) -> None:
    run = new_run(runs, "broken")
    (run.folder / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json"):
        open_run("broken", runs)


def test_one_unreadable_run_does_not_hide_the_others(runs: Path) -> None:
    new_run(runs, "good")
    (new_run(runs, "damaged").folder / "run.json").write_text("{", encoding="utf-8")
    new_run(runs, "foreign").update_state(schema=99)
    (new_run(runs, "edited").folder / "config.toml").write_text("[nope]", encoding="utf-8")

    rows = {row["name"]: row for row in map(summarise, list_runs(runs))}

    assert rows.keys() == {"good", "damaged", "foreign", "edited"}
    assert rows["good"]["arch"] == "resnet18"
    assert {name for name, row in rows.items() if row["status"] == "unreadable"} == {
        "damaged",
        "foreign",
        "edited",
    }


def test_runs_are_listed_oldest_first(runs: Path, links: str) -> None:
    for name, started in (("b", "2025-01-02T00:00:00"), ("a", "2025-01-03"), ("c", "2025-01-01")):
        new_run(runs, name).update_state(started=started)
    (runs / "notes.txt").write_text("mine", encoding="utf-8")
    assert [run.name for run in list_runs(runs)] == ["c", "b", "a"]


def test_the_summary_of_a_run(runs: Path) -> None:
    run = new_run(runs, "x")
    run.write("history.csv", [{"epoch": 1}, {"epoch": 2}], ["epoch"])
    run.put("metrics.json", "valid", {"f1": 0.9})
    row = summarise(run)
    assert row["started"] == run.read_state()["started"]
    del row["started"]
    assert row == {
        "name": "x",
        "status": RunStatus.RUNNING,
        "epochs": 2,
        "folds": None,
        "trainings": None,
        "arch": "resnet18",
        "valid": {"f1": 0.9},
    }


def test_a_run_that_was_killed_while_it_was_made_is_made_again(runs: Path) -> None:
    half = runs / "a"
    half.mkdir(parents=True)
    (half / "config.toml").write_text("", encoding="utf-8")
    (half / ".run.json-abcdefgh.json").write_text("{", encoding="utf-8")
    assert new_run(runs, "a").read_state()["status"] == RunStatus.RUNNING
    with pytest.raises(UsageError, match="already exists"):
        new_run(runs, "a")


def test_a_folder_with_other_files_is_no_run_that_was_killed(runs: Path) -> None:
    (runs / "a").mkdir(parents=True)
    (runs / "a" / "photo.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="already exists"):
        new_run(runs, "a")
    assert [path.name for path in (runs / "a").iterdir()] == ["photo.jpg"]


def test_a_link_that_was_being_made_at_a_kill_goes(runs: Path) -> None:
    new_run(runs, "a")
    (runs / ".latest-1").write_text("a", encoding="utf-8")
    new_run(runs, "b")
    assert sorted(path.name for path in runs.iterdir()) == ["a", "b", "latest"]


def test_a_clock_that_is_set_back_loses_no_run_and_moves_latest(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = create_run(runs, None, resolve({}), "fit")

    class EarlierClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "EarlierClock":
            return cls(1999, 1, 1, tzinfo=tz)

    monkeypatch.setattr("fastdefect.run_registry.datetime", EarlierClock)
    made = [create_run(runs, None, resolve({}), "fit") for _ in range(2)]  # in the same second
    assert len({first.name, *(run.name for run in made)}) == 3
    assert open_run(None, runs).name == made[-1].name


def test_a_full_disk_is_not_the_fault_of_the_folder(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(MachineError, match="the disk is full"):
        new_run(runs, "a")


def test_a_name_that_is_too_long_is_refused_with_the_reason(runs: Path) -> None:
    with pytest.raises(UsageError, match="can't be created: File name too long"):
        new_run(runs, "x" * 300)
    assert not runs.exists() or list(runs.iterdir()) == []
