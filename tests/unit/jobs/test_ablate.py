"""An ablation's trainings, played: which are begun, kept and left, and what is made of them."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.played import Played, play
from helpers.plots import write_blank_plots

from fastdefect.config import RunConfig
from fastdefect.config_resolve import apply_recipe, override, resolve
from fastdefect.data.splitting.split import read_split
from fastdefect.errors import ModelError, RunError, UsageError
from fastdefect.evaluation.ablation import OLD, Step
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv
from fastdefect.jobs import ablate as job
from fastdefect.jobs.trained.decision import Judged
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.metrics import score
from fastdefect.reporting.tables.ablate import ablation_table
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_run, list_runs, open_run, summarise

N_VALID = 12


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty parts, two photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(30, 2), "part")


@pytest.fixture(scope="module")
def config(castings: Path) -> RunConfig:
    return resolve(
        {
            **{"data": castings, "image_size": 16, "arch": "mobilenet_v3_small", "weights": "none"},
            **{"device": "cpu", "workers": 0, "seed": 7, "epochs": 8, "patience": 3, "valid": 0.2},
        }
    )


@pytest.fixture
def asked() -> list[tuple[str, str, str]]:
    """Run, views and device of each prediction that was made."""
    return []


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, str, str]]) -> Played:
    """Trainings whose mistakes fall with every rung; views get two photos more right."""
    return _play(monkeypatch, asked)


@pytest.fixture(scope="module")
def ladder(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> "Ladder":
    """All steps of the ladder with two seeds; for tests that only read it."""
    runs = tmp_path_factory.mktemp("ladder")
    with pytest.MonkeyPatch.context() as patch:
        write_blank_plots(patch)
        played = _play(patch, [])
        return Ladder(runs, _start(config, runs), played)


@dataclass(frozen=True)
class Ladder:
    """An ablation that was played to its end."""

    runs: Path
    report: job.AblationReport
    played: Played


def _play(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, str, str]]) -> Played:
    played = play(monkeypatch, wrong=_mistakes)

    def judge(run: Run, views: str, device: str, on_event: Any) -> Judged:
        asked.append((run.name, views, device))
        kept = job_predictions(run)
        prob = kept.y_prob.copy()
        wrong = prob.argmax(axis=1) != kept.y_true
        prob[wrong] = prob[wrong][:, ::-1]
        better = type(kept)(kept.names, kept.classes, kept.good, kept.y_true, prob)
        run.write_predictions("valid", better.rows(), better.columns(), views)
        return Judged(better, ())

    monkeypatch.setattr(job, "judge_validation", judge)
    return played


def job_predictions(run: Run) -> Any:
    from fastdefect.evaluation.predictions import read_predictions

    return read_predictions(run.predictions_path("valid"), ("defect", "good"), ("good",))


def _mistakes(name: str, config: RunConfig) -> int:
    seed = config.training.seed
    if name.startswith("old"):
        return 5 + seed % 2
    return 3 if config.data.balance == "none" else 1 + seed % 2


def _start(config: RunConfig, runs: Path, **changes: Any) -> job.AblationReport:
    options: dict[str, Any] = {"plan": "ladder", "seeds": 2, "budget_minutes": None}
    options |= {"on_event": silent}
    return job.start(config, NewRun(runs, "ab", "fastdefect ablate"), **{**options, **changes})


def _three(plan: str, improved: Any) -> tuple[Step, ...]:
    """A ladder of three steps, one of them views."""
    arch = {**OLD, "arch": improved["arch"]}
    return (
        Step("old", "old", OLD, None),
        Step("arch", "new", arch, "old", "accuracy +5 to 8"),
        Step("tta", "views", arch, "arch", views="flips", aside=True),
    )


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "plan_steps", _three)


def _content(runs: Path) -> Any:
    return json.loads((runs / "ab" / "ablation.json").read_text(encoding="utf-8"))


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
    report = _start(config, tmp_path, seeds=1)
    for step in report.steps:
        if step.views == "none":
            own = played.configs[f"{step.name}-seed-7"]
            # The ladder's steps are those of the recipe full, unless another is asked for.
            asked = apply_recipe(config, "full")
            expected = override(asked, {**step.settings, "patience": 0, "seed": 7})
            assert own == expected
            kept = Run(tmp_path / "ab" / f"{step.name}-seed-7").read_config()
            assert kept.training == expected.training
    assert played.configs["larger-seed-7"].data.image_size == 24
    assert played.data["larger-seed-7"].store[0].shape[0] == 24


def test_seeds_continue_at_0_after_the_last(config: RunConfig, played: Played, three: None,
                                         tmp_path: Path) -> None:  # fmt: skip
    report = _start(override(config, {"seed": 2**32 - 1}), tmp_path)
    assert played.begun[::2] == ["old-seed-4294967295", "old-seed-0"]
    assert sorted(report.figures["arch"]) == [0, 2**32 - 1]
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert again.figures == report.figures


def test_folds_and_unknown_networks_are_refused_before_anything_is_written(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="folds"):
        _start(override(config, {"folds": 3}), tmp_path / "runs")
    with pytest.raises(ModelError, match="no_such_net"):
        _start(override(config, {"arch": "no_such_net"}), tmp_path / "runs")
    with pytest.raises(UsageError):
        _start(override(config, {"target": ["f1"]}), tmp_path / "runs")
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
    report = _start(config, tmp_path)
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
    _start(config, tmp_path)
    assert asked == [("arch-seed-7", "flips", "cpu"), ("arch-seed-8", "flips", "cpu")]
    assert not any(name.startswith("tta") for name in played.begun)
    assert not (tmp_path / "ab" / "tta-seed-7").exists()
    assert not list((tmp_path / "ab").rglob("openings.json"))


def test_the_file_is_the_report_without_the_folder(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    report = _start(config, tmp_path)
    content, told = _content(tmp_path), report.as_json()
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
    report = _start(config, tmp_path)
    assert report.gains["arch"]["auc"].by_seed == ()
    json.dumps(report.as_json(), allow_nan=False)
    found = _content(tmp_path)["steps"][1]
    assert found["figures"]["7"]["auc"] is None
    assert found["gains"]["auc"] == {
        **{"by_seed": [], "mean": None, "interval": None, "verdict": "not measured"}
    }


def test_one_seed_has_no_interval(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    report = _start(config, tmp_path, seeds=1)
    gain = report.gains["arch"]["f1"]
    assert (len(gain.by_seed), gain.interval, gain.verdict) == (1, None, "one seed")
    assert _content(tmp_path)["steps"][1]["gains"]["f1"]["interval"] is None


# ---- budget, interruption, resuming ------------------------------------------------------


def test_the_budget_is_kept_and_leaves_whole_seeds(
    config: RunConfig, played: Played, three: None, tmp_path: Path, asked: list[Any]
) -> None:
    """Ten seconds each: three trainings fit into 35, the fourth would end at 40."""
    report = _start(config, tmp_path, budget_minutes=35 / 60)
    assert report.series.reason == RunStatus.OUT_OF_BUDGET
    assert (list(report.figures), asked) == (["old", "arch"], [])  # nor time for predictions
    assert played.begun == ["old-seed-7", "arch-seed-7", "old-seed-8"]
    assert [member.name for member in report.series.left] == ["arch-seed-8"]
    assert (sorted(report.figures["old"]), sorted(report.figures["arch"])) == ([7, 8], [7])
    # Seed 8 has no pair: it must not count.
    assert report.gains["arch"]["accuracy"].by_seed == pytest.approx((3 / 12,))
    assert (_content(tmp_path)["left"], _content(tmp_path)["seconds_left"]) == (
        *(["arch-seed-8"], pytest.approx(10.0)),
    )

    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert played.begun == ["old-seed-7", "arch-seed-7", "old-seed-8", "arch-seed-8"]
    assert again.series.reason == RunStatus.FINISHED
    assert again.gains["arch"]["accuracy"].by_seed == pytest.approx((3 / 12, 2 / 12))
    assert again.figures["old"] == report.figures["old"]


def test_a_budget_for_the_first_step_only_has_figures_but_no_plot(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    report = _start(config, tmp_path, budget_minutes=12 / 60)
    assert played.begun == ["old-seed-7"]
    assert list(report.figures) == ["old"]
    assert [path.name for path in report.files] == ["ablation.json"]
    assert not (tmp_path / "ab" / "ablation.png").exists()


def test_a_budget_for_nothing_writes_no_figures(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    report = _start(config, tmp_path, budget_minutes=0)
    assert (played.begun, report.figures, report.files) == ([], {}, ())
    assert not (tmp_path / "ab" / "ablation.json").exists()
    assert report.as_json()["seconds_left"] is None


def test_a_finished_ablation_is_reported_again_and_nothing_repeated(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    first = _start(config, tmp_path)
    before, content = list(played.begun), _content(tmp_path)
    (tmp_path / "ab" / "ablation.json").unlink()
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert played.begun == before
    assert (again.figures, again.gains) == (first.figures, first.gains)
    assert _content(tmp_path) == content


def test_a_member_that_lacks_is_trained_and_the_others_are_kept(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    import shutil

    first = _start(config, tmp_path)
    shutil.rmtree(tmp_path / "ab" / "arch-seed-7")
    played.begun.clear()
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert played.begun == ["arch-seed-7"]
    assert again.gains == first.gains


def test_ctrl_c_leaves_figures_and_asks_for_no_more_predictions(
    config: RunConfig, played: Played, three: None, tmp_path: Path, asked: list[Any]
) -> None:
    played.stops = "old-seed-8"
    report = _start(config, tmp_path)
    assert report.series.reason == RunStatus.INTERRUPTED
    assert (list(report.figures), asked) == (["old", "arch"], [])
    played.stops = ""
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert again.series.reason == RunStatus.FINISHED
    assert list(again.figures) == ["old", "arch", "tta"]


def test_a_resumed_ablation_has_the_steps_of_its_own_settings(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    """Its config.toml makes the same members again: none is trained anew."""
    report = _start(override(config, {"balance": "loss", "augment": "none"}), tmp_path, seeds=1)
    before = list(played.begun)
    assert "sampler-seed-7" in before
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert played.begun == before
    assert again.steps == report.steps


def test_several_steps_together_are_reported_with_their_gain(ladder: Ladder) -> None:
    """Balancing takes two or one of the three mistakes that the old network's successor makes."""
    found = {each["title"]: each for each in _content(ladder.runs)["together"]}
    assert found["all of it"]["gains"]["accuracy"]["by_seed"] == pytest.approx([4 / 12, 4 / 12])
    (both,) = (each for title, each in found.items() if title != "all of it")
    assert both["gains"]["f1"]["by_seed"] == [0.0, 0.0]


def test_a_rung_that_lacks_takes_its_gains_with_it_and_no_more(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    import shutil

    report = _start(config, tmp_path, seeds=1)
    shutil.rmtree(tmp_path / "ab" / "old-seed-7")
    less = job.resume(Run(tmp_path / "ab"), budget_minutes=0, on_event=silent)
    assert "old" not in less.figures
    assert less.gains["arch"]["f1"].verdict == "not measured"
    table = ablation_table(less.steps, less.figures, less.gains, title="T")
    assert len(table.rows) == len(report.steps) - 1 + 1  # all but the first, and what is together


def test_leave_one_out(config: RunConfig, played: Played, tmp_path: Path) -> None:
    report = _start(config, tmp_path, plan="leave-one-out", seeds=1)
    assert played.begun[0] == "improved-seed-7"
    assert {step.against for step in report.steps[1:]} == {"improved"}
    # Balancing is what these trainings live by: without it two more photos are wrong.
    gained = {name: of["accuracy"].mean for name, of in report.gains.items()}
    assert gained["no-balance"] == pytest.approx(-1 / 12)
    assert gained["no-mixup"] == 0
    plan = Run(tmp_path / "ab").read_state()["plan"]
    assert plan == {"steps": "leave-one-out", "seeds": 1}


@pytest.mark.parametrize(
    "plan", [{"steps": "stairs", "seeds": 2}, {"seeds": 2}, {"steps": "ladder", "seeds": "x"}]
)
def test_a_damaged_plan_is_an_error(
    config: RunConfig, played: Played, three: None, tmp_path: Path, plan: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _start(config, tmp_path, budget_minutes=0)
    monkeypatch.undo()
    Run(tmp_path / "ab").update_state(plan=plan)
    with pytest.raises(RunError, match="is damaged"):
        job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)


# ---- among other runs --------------------------------------------------------------------


def test_another_kind_is_not_resumed_and_its_command_is_named(
    config: RunConfig, tmp_path: Path
) -> None:
    quick = create_run(tmp_path, "quick", config, "c", kind=RunKind.QUICK_TEST)
    with pytest.raises(RunError, match="kind ablation, but .* kind quick test") as caught:
        job.resume(quick, budget_minutes=None, on_event=silent)
    assert f"fastdefect quick-test --resume {quick.folder}" in caught.value.hint
    single = create_run(tmp_path, "single", config, "c")
    with pytest.raises(RunError, match="kind ablation, but .* kind training") as caught:
        job.resume(single, budget_minutes=None, on_event=silent)
    assert f"fastdefect fit --resume {single.folder}" in caught.value.hint


def test_a_name_that_is_taken_is_an_error_with_the_command_to_resume(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    _start(config, tmp_path, budget_minutes=0)
    with pytest.raises(UsageError) as caught:
        _start(config, tmp_path)
    assert f"fastdefect ablate --resume {tmp_path / 'ab'}" in caught.value.hint


def test_it_is_listed_with_its_trainings(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    _start(config, tmp_path)
    assert [run.name for run in list_runs(tmp_path)] == ["ab"]
    row = summarise(open_run(None, tmp_path))
    assert (row["name"], row["trainings"], row["status"], row["valid"]) == (
        "ab",
        4,
        RunStatus.FINISHED,
        {},
    )
    rows = read_csv(tmp_path / "ab" / "split.csv")
    assert sum(entry["split"] == "valid" for entry in rows) == N_VALID
