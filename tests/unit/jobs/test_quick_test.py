"""A quick test's two trainings, played: what is trained, compared and written."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.played import Played, play

from fastdefect.config import RunConfig
from fastdefect.config_resolve import apply_recipe, override, resolve
from fastdefect.errors import RunError, UsageError
from fastdefect.evaluation.ablation import OLD
from fastdefect.events import silent
from fastdefect.jobs import quick_test as job
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.recipes import RECIPES
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_run, list_runs, summarise

N_VALID = 12


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty parts, two photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(30, 2), "part")


@pytest.fixture(scope="module")
def config(castings: Path) -> RunConfig:
    return resolve(
        {
            **{"data": castings, "image_size": 16, "arch": "mobilenet_v3_small"},
            **{
                "weights": "none",
                "device": "cpu",
                "workers": 0,
                "seed": 7,
                "epochs": 3,
                "valid": 0.2,
            },
        }
    )


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Of 12 validation photos the old network gets 7 wrong, the new one 1."""
    return play(monkeypatch, wrong=lambda name, config: 7 if name == job.BEFORE else 1)


def _start(config: RunConfig, runs: Path) -> job.QuickReport:
    return job.start(config, NewRun(runs, "q", "c"), on_event=silent)


def test_old_and_new_get_the_same_photos_and_epochs(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    settings = {"patience": 0, "tiles": "none"}  # random weights, whole photos
    patient = apply_recipe(override(config, settings), "full")
    _start(override(config, {"light": True}), tmp_path)
    assert played.begun == ["before", "after"]
    assert played.configs["before"] == override(patient, OLD)
    assert played.configs["after"] == override(patient, {"light": True})
    assert played.data["before"].split == played.data["after"].split
    assert played.data["before"].store is played.data["after"].store


def test_the_old_network_learns_at_the_old_rate_unless_the_user_gave_one(
    config: RunConfig,
) -> None:
    plain = apply_recipe(config, "plain")
    before, after = (member.config for member in job.members_of(plain))
    assert before.training.learning_rate == RECIPES["legacy"]["learning_rate"]
    assert after.training.learning_rate == RECIPES["plain"]["learning_rate"] < 8e-4
    assert (before.model.head, before.training.batch_norm) == ("mlp", "train")
    own = override(plain, {"learning_rate": 0.003})
    assert [m.config.training.learning_rate for m in job.members_of(own)] == [0.003, 0.003]


def test_what_changed_by_hand(config: RunConfig, played: Played, tmp_path: Path) -> None:
    """Six of twelve photos became right; each pair of photos shows one part."""
    report = _start(config, tmp_path)
    assert report.comparison is not None
    change = report.comparison.figures["accuracy"].difference
    assert (change.before, change.after) == (pytest.approx(5 / 12), pytest.approx(11 / 12))
    photos, parts = report.comparison.by_photo, report.comparison.by_part
    assert (photos.n, photos.became_right, photos.became_wrong) == (N_VALID, 6, 0)
    assert (parts.n, parts.became_wrong) == (6, 0)
    assert report.comparison.n_parts == 6
    for member, split in (("before", "valid"), ("after", "train")):
        own = Run(tmp_path / "q" / member).read("metrics.json")
        assert report.metrics[member][split] == own[split]
    figures = report.comparison.figures
    for name in ("f1", "auc", "escape_rate", "overkill_rate"):
        assert figures[name].difference.before == report.metrics["before"]["valid"][name]
        assert figures[name].difference.after == report.metrics["after"]["valid"][name]


def test_targets_are_of_the_new_one(config: RunConfig, played: Played, tmp_path: Path) -> None:
    played.train_accuracy = 0.99
    report = _start(config, tmp_path)
    verdicts = {(v.target.metric, v.target.split): v for v in report.verdicts}
    assert verdicts["accuracy", "valid"].value == pytest.approx(11 / 12)
    assert verdicts["accuracy", "train"].value == 0.99
    assert verdicts["gap", "valid"].value == pytest.approx(0.99 - 11 / 12)
    assert all(verdict.met for verdict in report.verdicts)


def test_the_file_is_the_report_without_the_folder(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    report = _start(config, tmp_path)
    (file,) = report.files
    assert file == tmp_path / "q" / "quick_test.json"
    content, told = json.loads(file.read_text(encoding="utf-8")), report.as_json()
    assert told.pop("run") == str(tmp_path / "q")
    assert content == json.loads(json.dumps(told, allow_nan=False))
    assert content["seconds"] == {"before": 10.0, "after": 10.0}
    assert {entry["target"] for entry in content["targets"]} >= {"F1", "AUC"}
    assert content["comparison"]["mcnemar"]["photos"]["became_right"] == 6


def test_no_figure_is_nan_in_the_file_where_no_class_is_good(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(monkeypatch)
    report = _start(override(config, {"good": "none"}), tmp_path)
    assert report.comparison is not None
    (file,) = report.files
    content = json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["comparison"]["figures"]["escape_rate"]["before"] is None


def test_ctrl_c_in_the_second_then_resume(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    played.stops = "after"
    report = _start(config, tmp_path)
    assert report.series.reason == RunStatus.INTERRUPTED
    assert (report.comparison, report.verdicts, report.files) == (None, (), ())
    assert list(report.metrics) == ["before"]
    json.dumps(report.as_json(), allow_nan=False)
    played.stops = ""
    again = job.resume(Run(tmp_path / "q"), on_event=silent)
    assert again.series.reason == RunStatus.FINISHED
    assert played.begun == ["before", "after", "after"]
    assert again.comparison is not None


def test_a_finished_one_is_reported_again(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    first = _start(config, tmp_path)
    again = job.resume(Run(tmp_path / "q"), on_event=silent)
    assert played.begun == ["before", "after"]
    assert (again.comparison, again.metrics) == (first.comparison, first.metrics)


def test_folds_are_refused_and_other_kinds_are_not_resumed(
    config: RunConfig, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="folds"):
        _start(override(config, {"folds": 3}), tmp_path)
    other = create_run(tmp_path, "a", config, "c", kind=RunKind.ABLATION)
    with pytest.raises(RunError, match="kind quick test, but .* is of the kind") as caught:
        job.resume(other, on_event=silent)
    assert "fastdefect ablate --resume" in caught.value.hint


def test_it_is_listed_with_its_trainings(config: RunConfig, played: Played, tmp_path: Path) -> None:
    _start(config, tmp_path)
    (run,) = list_runs(tmp_path)
    row: dict[str, Any] = summarise(run)
    assert (row["name"], row["trainings"], row["status"], row["valid"]) == (
        "q",
        2,
        RunStatus.FINISHED,
        {},
    )
