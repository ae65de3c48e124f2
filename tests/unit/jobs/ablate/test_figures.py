"""An ablation's trainings, played: which are begun, and what is made of their figures."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.played import Played
from helpers.played_ablation import (
    N_VALID,
    content_of,
    job_predictions,
    play_ablation,
    start_ablation,
)

from fastdefect.config import RunConfig
from fastdefect.config_resolve import apply_recipe, override
from fastdefect.data.splitting.split import read_split
from fastdefect.errors import ModelError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.jobs import ablate as job
from fastdefect.metrics import score
from fastdefect.run import Run, RunStatus


@pytest.fixture(scope="module")
def ladder(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> "Ladder":
    """All steps of the ladder with two seeds; for tests that only read it."""
    runs = tmp_path_factory.mktemp("ladder")
    with pytest.MonkeyPatch.context() as patch:
        played = play_ablation(patch, [])
        return Ladder(runs, start_ablation(config, runs), played)


@dataclass(frozen=True)
class Ladder:
    """An ablation that was played to its end."""

    runs: Path
    report: job.AblationReport
    played: Played


# ---- which trainings ---------------------------------------------------------------------


def test_all_steps_of_a_seed_come_before_those_of_the_next(ladder: Ladder) -> None:
    done = ladder.report
    trained = [step.name for step in done.steps if step.views == "none"]
    assert ladder.played.begun == [f"{name}-seed-{seed}" for seed in (7, 8) for name in trained]
    assert len(trained) > 10
    assert not {"pretrained", "freeze", "tta"} & set(trained)  # no weights were asked for
    assert done.series.reason == RunStatus.FINISHED


def test_a_seed_has_one_split_and_its_own(ladder: Ladder) -> None:
    splits = {name: data.split for name, data in ladder.played.data.items()}
    of_seven = [split for name, split in splits.items() if name.endswith("-7")]
    assert all(split == of_seven[0] for split in of_seven)
    assert splits["old-seed-8"].valid != of_seven[0].valid
    # What is sealed for one seed must not be validated on with the next.
    assert splits["old-seed-8"].test == of_seven[0].test != ()
    parts = of_seven[0].parts
    assert not {parts[i] for i in of_seven[0].train} & {parts[i] for i in of_seven[0].valid}
    kept = Run(ladder.runs / "ab").path("split.csv")
    assert read_split(kept, ladder.played.data["old-seed-7"].manifest) == of_seven[0]


def test_each_training_has_its_steps_settings_and_all_its_epochs(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    report = start_ablation(config, tmp_path, seeds=1)
    for step in report.steps:
        if step.views == "none":
            own = played.configs[f"{step.name}-seed-7"]
            # The ladder's steps are those of the recipe full, unless another is asked for.
            asked = apply_recipe(config, "full")
            fixed = {"patience": 0, "seed": 7, "tiles": "none"}
            expected = override(asked, {**step.settings, **fixed})
            assert own == expected
            kept = Run(tmp_path / "ab" / f"{step.name}-seed-7").read_config()
            assert kept.training == expected.training
    assert played.configs["larger-seed-7"].data.image_size == 24
    assert played.data["larger-seed-7"].store[0].shape[0] == 24


def test_seeds_continue_at_0_after_the_last(config: RunConfig, played: Played, three: None,
                                         tmp_path: Path) -> None:  # fmt: skip
    report = start_ablation(override(config, {"seed": 2**32 - 1}), tmp_path)
    assert played.begun[::2] == ["old-seed-4294967295", "old-seed-0"]
    assert sorted(report.figures["arch"]) == [0, 2**32 - 1]
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert again.figures == report.figures


def test_folds_and_unknown_networks_are_refused_before_anything_is_written(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="folds"):
        start_ablation(override(config, {"folds": 3}), tmp_path / "runs")
    with pytest.raises(ModelError, match="no_such_net"):
        start_ablation(override(config, {"arch": "no_such_net"}), tmp_path / "runs")
    with pytest.raises(UsageError):
        start_ablation(override(config, {"target": ["f1"]}), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert played.begun == []


def test_photos_that_are_too_large_for_the_network_are_a_step_left_out(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by vit_b_32, which takes 224 px but not 336."""

    def refuse(arch: str, weights: str, image_size: int) -> None:
        assert (arch, weights) == ("mobilenet_v3_small", "none")
        if image_size == 24:
            raise ModelError("can't take photos of 24 px: no.")

    monkeypatch.setattr(job, "build_backbone", refuse)
    told: list[Event] = []
    steps = job.steps_of(config, "ladder", told.append)
    assert "larger" not in [step.name for step in steps]
    assert told == [Note("Left out: larger photos. can't take photos of 24 px: no.")]
    kept = job.steps_of(override(config, {"image_size": 32}), "ladder", silent)
    assert "larger" in [step.name for step in kept]


# ---- figures and gains -------------------------------------------------------------------


def test_figures_and_gains_by_hand(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    """Of 12 photos, old gets 6 and 5 wrong, arch 3 and 3; views get none wrong."""
    played.train_accuracy = 0.95
    report = start_ablation(config, tmp_path)
    accuracy = {
        name: {seed: of["accuracy"] for seed, of in by_seed.items()}
        for name, by_seed in report.figures.items()
    }
    assert accuracy == {
        "old": {7: pytest.approx(6 / N_VALID), 8: pytest.approx(7 / N_VALID)},
        "arch": {7: pytest.approx(9 / N_VALID), 8: pytest.approx(9 / N_VALID)},
        "tta": {7: 1.0, 8: 1.0},
    }
    assert report.figures["old"][7]["gap"] == pytest.approx(0.95 - 6 / N_VALID)
    # The training photos were not asked for their views: nothing to compare with.
    assert math.isnan(report.figures["tta"][8]["gap"])
    assert report.gains["tta"]["gap"].verdict == "not measured"
    assert report.figures["old"][7]["seconds"] == 10.0
    gained = report.gains["arch"]["accuracy"]
    assert gained.by_seed == pytest.approx((3 / 12, 2 / 12))
    # Student's t(1) is 12.7062; the sd of two is their distance over sqrt 2.
    half = 12.7062 * (1 / 12 / 2**0.5) / 2**0.5
    assert gained.interval == pytest.approx((2.5 / 12 - half, 2.5 / 12 + half), abs=1e-5)
    assert report.gains["tta"]["accuracy"].by_seed == pytest.approx((0.25, 0.25))
    assert report.gains["arch"]["gap"].mean == pytest.approx(-2.5 / 12)
    predictions = job_predictions(Run(tmp_path / "ab" / "old-seed-7"))
    expected = score(predictions.y_true, predictions.y_prob, ("defect", "good"), ("good",))
    assert report.figures["old"][7]["f1"] == expected.f1


def test_views_use_the_model_of_the_step_and_train_nothing(
    config: RunConfig, played: Played, three: None, tmp_path: Path, asked: list[Any]
) -> None:
    start_ablation(config, tmp_path)
    assert asked == [("arch-seed-7", "flips", "cpu"), ("arch-seed-8", "flips", "cpu")]
    assert not any(name.startswith("tta") for name in played.begun)
    assert not (tmp_path / "ab" / "tta-seed-7").exists()
    assert not list((tmp_path / "ab").rglob("openings.json"))


def test_the_file_is_the_report_without_the_folder(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    report = start_ablation(config, tmp_path)
    content, told = content_of(tmp_path), report.as_json()
    assert told.pop("run") == str(tmp_path / "ab")
    assert content == json.loads(json.dumps(told, allow_nan=False))
    assert [path.name for path in report.files] == ["ablation.json", "ablation.png"]
    assert report.files[1].read_bytes().startswith(b"\x89PNG")
    first, second, third = content["steps"]
    assert (first["gains"], first["against"], first["settings"]["arch"]) == ({}, None, "small-cnn")
    assert second["gains"]["accuracy"]["by_seed"] == pytest.approx([3 / 12, 2 / 12])
    assert second["gains"]["accuracy"]["verdict"] == "spans zero"
    assert third["gains"]["accuracy"]["verdict"] == "no interval"
    assert (second["claim"], third["views"], third["aside"]) == ("accuracy +5 to 8", "flips", True)
    assert content["together"] == []


def test_a_figure_that_is_not_defined_is_null(
    config: RunConfig, played: Played, three: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Run.put

    def without_auc(self: Run, name: str, split: str, metrics: Any) -> None:
        put(self, name, split, {**metrics, "auc": float("nan")})

    monkeypatch.setattr(Run, "put", without_auc)
    report = start_ablation(config, tmp_path)
    assert report.gains["arch"]["auc"].by_seed == ()
    json.dumps(report.as_json(), allow_nan=False)
    found = content_of(tmp_path)["steps"][1]
    assert found["figures"]["7"]["auc"] is None
    assert found["gains"]["auc"] == {
        **{"by_seed": [], "mean": None, "interval": None, "verdict": "not measured"}
    }


def test_one_seed_has_no_interval(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    report = start_ablation(config, tmp_path, seeds=1)
    gain = report.gains["arch"]["f1"]
    assert (len(gain.by_seed), gain.interval, gain.verdict) == (1, None, "one seed")
    assert content_of(tmp_path)["steps"][1]["gains"]["f1"]["interval"] is None


def test_several_steps_together_are_reported_with_their_gain(ladder: Ladder) -> None:
    """Balancing takes two or one of the three mistakes that the old network's successor makes."""
    found = {each["title"]: each for each in content_of(ladder.runs)["together"]}
    assert found["all of it"]["gains"]["accuracy"]["by_seed"] == pytest.approx([4 / 12, 4 / 12])
    (both,) = (each for title, each in found.items() if title != "all of it")
    assert both["gains"]["f1"]["by_seed"] == [0.0, 0.0]


def test_leave_one_out(config: RunConfig, played: Played, tmp_path: Path) -> None:
    report = start_ablation(config, tmp_path, plan="leave-one-out", seeds=1)
    assert played.begun[0] == "improved-seed-7"
    assert {step.against for step in report.steps[1:]} == {"improved"}
    # Balancing is what these trainings live by: without it two more photos are wrong.
    gained = {name: of["accuracy"].mean for name, of in report.gains.items()}
    assert gained["no-balance"] == pytest.approx(-1 / 12)
    assert gained["no-mixup"] == 0
    plan = Run(tmp_path / "ab").read_state()["plan"]
    assert plan == {"steps": "leave-one-out", "seeds": 1}
