"""The run folder: created, opened and listed."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from fastdefect.config_resolve import resolve
from fastdefect.errors import RunError, UsageError
from fastdefect.files import read_csv
from fastdefect.run import SCHEMA, Run, RunKind, RunStatus
from fastdefect.run_registry import (
    LATEST,
    create_fold,
    create_member,
    create_run,
    list_runs,
    open_run,
    summarise,
)

CONFIG = resolve({"arch": "resnet18", "epochs": 3, "data": "photos"})


def _create(runs: Path, name: str | None = None) -> Run:
    return create_run(runs, name, CONFIG, "fastdefect fit")


def test_the_resume_command_can_be_pasted_into_a_shell(runs: Path) -> None:
    plain, spaced = _create(runs, "a"), _create(runs, "a b")
    assert plain.resume_command == f"fastdefect fit --resume {plain.folder}"
    assert spaced.resume_command == f'fastdefect fit --resume "{spaced.folder}"'
    with pytest.raises(RunError) as caught:
        spaced.require_model()
    assert caught.value.hint.endswith(f'--resume "{spaced.folder}"')


def test_an_existing_name_gives_a_resume_command_to_paste(tmp_path: Path) -> None:
    runs = tmp_path / "a b"
    _create(runs, "x")
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
    run = _create(runs, "first")

    assert run.folder == runs / "first"
    assert run.name == "first"
    assert run.read_config() == CONFIG
    state = run.read_state()
    assert state["schema"] == SCHEMA
    assert state["status"] == RunStatus.RUNNING
    assert state["command"] == "fastdefect fit"
    assert "+00:00" in state["started"]


def test_the_default_name_is_the_time_and_the_architecture(runs: Path) -> None:
    first, second, third = _create(runs), _create(runs), _create(runs)
    assert first.name.endswith("-resnet18")
    assert len({first.name, second.name, third.name}) == 3


def test_an_architecture_with_a_slash_makes_one_folder(runs: Path) -> None:
    run = create_run(runs, None, resolve({"arch": "timm/resnet10t.c3_in1k"}), "")
    assert run.folder.parent == runs


def test_an_existing_name_is_refused_and_the_run_unchanged(runs: Path) -> None:
    first = _create(runs, "x")
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
        _create(runs, name)
    assert not runs.exists()


@pytest.mark.parametrize(
    "name", ["a", "7", "v1.2", "line 3", "a_b-c+d", "Gießerei", "première", "latest2", "試験"]
)
def test_other_names_are_not_changed(name: str, runs: Path) -> None:
    _create(runs, name)
    assert open_run(name, runs).name == name


def test_a_file_in_the_place_of_the_folder_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder", encoding="utf-8")
    with pytest.raises(UsageError, match="--runs"):
        _create(tmp_path / "runs", "x")


def test_latest_is_the_newest(runs: Path, links: str) -> None:
    _create(runs, "first")
    assert open_run(None, runs).name == "first"
    _create(runs, "second")
    assert open_run(None, runs).name == "second"
    assert open_run(LATEST, runs).name == "second"
    assert open_run(str(runs / LATEST), runs).name == "second"
    assert (runs / LATEST).is_symlink() == (links == "symlink")
    assert {path.name for path in runs.iterdir()} == {"first", "second", LATEST}


def test_a_moved_folder_of_runs_still_has_its_latest(runs: Path, links: str) -> None:
    _create(runs, "first")
    moved = runs.rename(runs.parent / "moved")
    assert open_run(None, moved).folder == (moved / "first").resolve()


def test_an_opened_run_is_named_after_its_folder_not_the_link(runs: Path, links: str) -> None:
    _create(runs, "first")
    assert open_run(LATEST, runs).name == "first"
    assert open_run(LATEST, runs).folder.is_absolute()


def test_a_link_can_follow_a_text_file_and_the_other_way_round(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *args: Any, **kwargs: Any) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refuse)
        _create(runs, "first")
    _create(runs, "second")
    assert open_run(None, runs).name == "second"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refuse)
        _create(runs, "third")
    assert open_run(None, runs).name == "third"


def test_when_the_latest_was_deleted_it_is_the_newest_existing_run(runs: Path, links: str) -> None:
    _create(runs, "first")
    gone = _create(runs, "second")
    for file in gone.folder.iterdir():
        file.unlink()
    gone.folder.rmdir()
    assert open_run(None, runs).name == "first"


def test_a_folder_called_latest_where_one_stands_is_not_the_latest_run(
    runs: Path, tmp_path: Path
) -> None:
    _create(runs, "right")
    _create(tmp_path / "other", "wrong").folder.rename(Path(LATEST))
    assert open_run(None, runs).name == "right"


def test_a_run_is_found_by_path_and_by_name(runs: Path) -> None:
    run = _create(runs, "first")
    _create(runs, "second")
    assert open_run(str(run.folder), runs).name == "first"
    assert open_run("first", runs).name == "first"
    assert open_run(str(run.folder), Path("nowhere")).name == "first"


def test_no_runs_yet_is_an_error(runs: Path) -> None:
    with pytest.raises(RunError, match="No run in .*runs yet") as caught:
        open_run(None, runs)
    assert "fastdefect fit" in caught.value.hint
    assert list_runs(runs) == []


def test_an_unknown_run_names_both_places(runs: Path) -> None:
    _create(runs, "first")
    with pytest.raises(RunError, match=r"No run at nope nor at .*nope"):
        open_run("nope", runs)


def test_an_empty_folder_is_not_a_run(runs: Path) -> None:
    (runs / "empty").mkdir(parents=True)
    with pytest.raises(RunError, match="No run at empty"):
        open_run("empty", runs)
    assert list_runs(runs) == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b"[]", b"null", b'"x"'])
def test_a_damaged_run_is_an_error_that_names_the_file(content: bytes, runs: Path) -> None:
    run = _create(runs, "broken")
    (run.folder / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json"):
        open_run("broken", runs)


@pytest.mark.parametrize("schema", [SCHEMA + 1, None, "1"])
def test_another_schema_is_refused(schema: Any, runs: Path) -> None:
    run = _create(runs, "foreign")
    run.update_state(schema=schema)
    with pytest.raises(RunError, match=f"expected schema {SCHEMA}, but got {schema}") as caught:
        open_run("foreign", runs)
    assert "version" in caught.value.hint


def test_one_unreadable_run_does_not_hide_the_others(runs: Path) -> None:
    _create(runs, "good")
    (_create(runs, "damaged").folder / "run.json").write_text("{", encoding="utf-8")
    _create(runs, "foreign").update_state(schema=99)
    (_create(runs, "edited").folder / "config.toml").write_text("[nope]", encoding="utf-8")

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
        _create(runs, name).update_state(started=started)
    (runs / "notes.txt").write_text("mine", encoding="utf-8")
    assert [run.name for run in list_runs(runs)] == ["c", "b", "a"]


def test_state_changes_keep_the_rest(runs: Path) -> None:
    run = _create(runs, "x")
    run.update_state(status=RunStatus.FINISHED, best_epoch=2)
    state = run.read_state()
    assert (state["status"], state["best_epoch"]) == (RunStatus.FINISHED, 2)
    assert state["command"] == "fastdefect fit"


def test_a_folder_without_run_json_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run: it has no run.json"):
        Run(tmp_path).read_state()


def test_history_comes_back_as_numbers(runs: Path) -> None:
    run = _create(runs, "x")
    assert run.read_history() == []
    run.write(
        "history.csv", [{"epoch": 1, "f1": 1 / 3}, {"epoch": 2, "f1": math.nan}], ["epoch", "f1"]
    )
    rows = run.read_history()
    assert rows[0] == {"epoch": 1.0, "f1": 1 / 3}
    assert math.isnan(rows[1]["f1"])


def test_metrics_gather_by_split(runs: Path) -> None:
    run = _create(runs, "x")
    assert run.read("metrics.json") == {}
    run.put("metrics.json", "valid", {"f1": 0.5})
    run.put("metrics.json", "test", {"f1": math.nan})
    run.put("metrics.json", "valid", {"f1": 0.75})
    assert run.read("metrics.json") == {"valid": {"f1": 0.75}, "test": {"f1": None}}


def test_tta_results_gather_by_split_and_views(runs: Path) -> None:
    run = _create(runs, "x")
    run.put("tta.json", ("valid", "flips"), {"f1": 1})
    run.put("tta.json", ("valid", "dihedral"), {"f1": 2})
    run.put("tta.json", ("test", "flips"), {"f1": 3})
    assert json.loads((run.folder / "tta.json").read_text(encoding="utf-8")) == {
        "valid": {"flips": {"f1": 1}, "dihedral": {"f1": 2}},
        "test": {"flips": {"f1": 3}},
    }


def test_predictions_are_named_by_split_and_views(runs: Path) -> None:
    run = _create(runs, "x")
    assert run.predictions_path("valid").name == "predictions-valid.csv"
    assert run.predictions_path("test", "dihedral").name == "predictions-test-dihedral.csv"
    # No colon: Windows would take what follows it for a stream of the file.
    assert run.predictions_path("valid", "random:4").name == "predictions-valid-random-4.csv"
    run.write_predictions("valid", [{"path": "a.png", "p_ok": 0.1}], ["path", "p_ok"], "none")
    assert read_csv(run.predictions_path("valid")) == [{"path": "a.png", "p_ok": "0.1"}]


def test_findings_have_a_row_per_photo(runs: Path) -> None:
    run = _create(runs, "x")
    finding = {
        "kind": "duplicate",
        "severity": "warning",
        "message": "2 photos are one",
        "value": 2.0,
        "interval": (1.0, 3.0),
        "paths": ("a.png", "b.png"),
    }
    bare = {**finding, "kind": "layout", "interval": None, "paths": (), "value": None}
    run.write_findings([finding, bare])

    rows = read_csv(run.folder / "findings.csv")
    assert [(row["kind"], row["path"], row["low"]) for row in rows] == [
        ("duplicate", "a.png", "1.0"),
        ("duplicate", "b.png", "1.0"),
        ("layout", "", ""),
    ]
    kept = json.loads((run.folder / "findings.json").read_text(encoding="utf-8"))
    assert [len(entry["paths"]) for entry in kept] == [2, 0]


def test_the_summary_of_a_run(runs: Path) -> None:
    run = _create(runs, "x")
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


def test_openings_of_the_test_are_counted(runs: Path) -> None:
    run = _create(runs, "x")
    assert run.read_openings() == []
    assert [run.note_opening(f"command {n}", "a look") for n in (1, 2)] == [1, 2]
    assert [entry["command"] for entry in run.read_openings()] == ["command 1", "command 2"]


@pytest.mark.parametrize("content", ["{", "{}", "null"])
def test_damaged_openings_are_an_error(content: str, runs: Path) -> None:
    run = _create(runs, "x")
    (run.folder / "openings.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"openings\.json"):
        run.note_opening("command", "a look")
    assert (run.folder / "openings.json").read_text(encoding="utf-8") == content


def test_a_run_of_an_older_version_is_a_training(runs: Path) -> None:
    run = _create(runs, "x")
    assert run.read_kind() == RunKind.TRAINING
    state = run.read_state()
    del state["kind"]
    (run.folder / "run.json").write_text(json.dumps(state), encoding="utf-8")
    assert run.read_kind() == RunKind.TRAINING


def test_a_kind_of_another_version_is_refused(runs: Path) -> None:
    run = _create(runs, "x")
    run.update_state(kind="siamese")
    with pytest.raises(RunError, match=r"run\.json: expected one of the kinds trai.*'siamese'"):
        run.read_kind()
    assert summarise(run)["status"] == "unreadable"


def test_run_json_has_the_values_of_older_runs(runs: Path) -> None:
    run = create_run(runs, "x", CONFIG, "", kind=RunKind.LEARNING_CURVE)
    run.update_state(status=RunStatus.EARLY_STOPPING)
    text = run.path("run.json").read_text(encoding="utf-8")
    assert '"kind": "learning curve"' in text
    assert '"status": "early stopping"' in text
    assert [str(status) for status in RunStatus] == [
        *("running", "finished", "early stopping", "interrupted", "failed", "diverged"),
        "out of budget",
    ]
    assert [str(kind) for kind in RunKind] == [
        *("training", "cross-validation", "fold", "learning curve", "ablation", "quick test"),
        *("tuning", "member", "ensemble"),
    ]


def _cross_validation(runs: Path, k: int = 3) -> Run:
    config = resolve({"arch": "resnet18", "folds": k})
    return create_run(runs, "cv", config, "fastdefect fit --folds 3", kind=RunKind.CROSS_VALIDATION)


def test_a_fold_is_a_run_with_the_settings_of_its_parent(runs: Path) -> None:
    parent = _cross_validation(runs)
    own = create_fold(parent, 2)
    assert own == parent.fold(2)
    assert own.read_kind() == RunKind.FOLD
    assert own.read_config() == parent.read_config()
    assert own.read_state()["command"] == "fastdefect fit --folds 3"
    assert open_run(None, runs).name == "cv"  # not the fold
    assert open_run("cv/fold-2", runs).folder == own.folder.resolve()
    assert [run.name for run in list_runs(runs)] == ["cv"]


def test_an_existing_fold_is_restarted(runs: Path) -> None:
    parent = _cross_validation(runs)
    create_fold(parent, 1).update_state(status="failed")
    assert create_fold(parent, 1).read_state()["status"] == RunStatus.RUNNING


def test_a_moved_fold_counts_its_own_openings(runs: Path) -> None:
    parent = _cross_validation(runs)
    moved = create_fold(parent, 1).folder.rename(runs.parent / "moved")
    assert Run(moved).note_opening("command", "a look") == 1
    assert parent.read_openings() == []


def test_a_cross_validation_has_no_model_and_names_a_fold(runs: Path) -> None:
    parent = _cross_validation(runs)
    with pytest.raises(
        RunError, match="cv has no single model: it is a cross-validation"
    ) as caught:
        parent.require_model()
    assert str(parent.fold(1).folder) in caught.value.hint
    own = create_fold(parent, 1)
    with pytest.raises(RunError, match="fold-1 has no model yet"):
        own.require_model()
    own.path("model.safetensors").write_bytes(b"weights")
    own.require_model()


def test_the_summary_of_a_cross_validation_is_out_of_fold(runs: Path) -> None:
    parent = _cross_validation(runs, 5)
    assert summarise(parent)["valid"] == {}
    parent.put("metrics.json", "oof", {"f1": 0.8})
    parent.put("metrics.json", "fold-1", {"f1": 0.1})
    row = summarise(parent)
    assert (row["folds"], row["valid"]) == (5, {"f1": 0.8})


def _ensemble(runs: Path) -> tuple[Run, Run, Run]:
    """An ensemble without a model yet, and its two trainings."""
    parent = create_run(runs, "e", CONFIG, "fastdefect fit --members 2", kind=RunKind.ENSEMBLE)
    first, second = (create_member(parent, f"member-{n}", CONFIG) for n in (1, 2))
    return parent, first, second


def test_an_ensemble_has_a_model_once_all_its_networks_are_trained(runs: Path) -> None:
    parent, first, _ = _ensemble(runs)
    with pytest.raises(RunError, match="no model yet: not all of its networks") as caught:
        parent.require_model()
    assert caught.value.hint == f"Resume it with: fastdefect fit --resume {parent.folder}"
    with pytest.raises(RunError, match="no epoch is finished"):
        first.require_model()
    parent.path("model.safetensors").write_bytes(b"weights")
    parent.require_model()


def test_the_history_of_an_ensemble_is_that_of_its_networks(runs: Path) -> None:
    parent, first, second = _ensemble(runs)
    first.write("history.csv", [{"epoch": 1, "seconds": 2}], ["epoch", "seconds"])
    second.write("history.csv", [{"epoch": n, "seconds": 3} for n in (1, 2)], ["epoch", "seconds"])
    assert [row["seconds"] for row in parent.read_whole_history()] == [2, 3, 3]
    assert first.read_whole_history() == first.read_history() == [{"epoch": 1, "seconds": 2}]
    parent.put("metrics.json", "valid", {"f1": 0.9})
    row = summarise(parent)
    assert (row["trainings"], row["epochs"], row["valid"]) == (2, 3, {"f1": 0.9})


def test_an_ensemble_and_its_networks_have_one_test(runs: Path) -> None:
    parent, first, second = _ensemble(runs)
    assert [run.note_opening("command", "a look") for run in (first, parent, second)] == [1, 2, 3]
    assert len(parent.read_openings()) == 3


def test_decisions_for_an_older_model_are_deleted(runs: Path) -> None:
    run = _create(runs)
    run.write("operating_point.json", {"threshold": 0.3})
    run.put("calibration.json", "none", {"value": 0.5})
    for views in ("none", "flips"):
        run.write_predictions("valid", [{"path": "a"}], ["path"], views)

    forgotten = run.forget_decisions()

    assert forgotten == (
        "operating_point.json",
        "calibration.json",
        "predictions-valid-flips.csv",
    )
    assert run.read("operating_point.json") == {}
    assert run.read("calibration.json") == {}
    assert run.predictions_path("valid").exists()
    assert run.forget_decisions() == ()


def test_a_data_root_of_an_earlier_version_is_the_place_of_the_data(runs: Path) -> None:
    run = _create(runs, "x")
    run.write("data_root.json", {"root": "photos/june", "names": {}})
    known = run.read_data_root()
    assert known is not None
    assert known.data == known.folder == Path("photos/june")
    run.write("data_root.json", {"root": "photos/june", "data": None, "names": {}})
    known = run.read_data_root()
    assert known is not None
    assert known.data is None
