"""``ablate`` and ``quick-test`` with real trainings, tiny ones, interrupted and gone on with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import FitResult, invoke
from helpers.compare import assert_same_run
from helpers.interrupts import interrupted_in_the_second_fit

from fastdefect.evaluation.ablation import OLD, Step
from fastdefect.evaluation.predictions import read_predictions
from fastdefect.run import Run

TINY = (
    "--arch squeezenet1_1 --weights none --image-size 32 --epochs 1 --batch-size 8 --device cpu "
    "--workers 0 --seed 7"
).split()
MEMBERS = ("old-seed-7", "arch-seed-7", "old-seed-8", "arch-seed-8")


def _three(plan: str, improved: Any) -> tuple[Step, ...]:
    """The ladder's first two steps, and views of the second."""
    arch = {**OLD, "arch": improved["arch"]}
    return (
        Step("old", "small CNN, no tricks", OLD, None),
        Step("arch", improved["arch"], arch, "old", "accuracy +5 to 8"),
        Step("tta", "test-time augmentation", arch, "arch", views="flips", aside=True),
    )


@pytest.fixture(scope="module", autouse=True)
def three() -> Iterator[None]:
    from fastdefect.jobs import ablate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablate, "plan_steps", _three)
        yield


@pytest.fixture(scope="module")
def ablation(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Two steps and views, two seeds, an epoch each."""
    runs = tmp_path_factory.mktemp("ablation")
    given = ("--runs", str(runs), "--name", "ab", "--seeds", "2", *TINY)
    result = invoke("ablate", str(castings), *given)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return FitResult(runs / "ab", result.output)


@pytest.mark.slow
def test_each_step_is_trained_measured_and_told(ablation: FitResult) -> None:
    folder = ablation.folder
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(MEMBERS)
    steps = {step["name"]: step for step in ablation.json("ablation.json")["steps"]}
    for name, seed in (("old", 7), ("arch", 7), ("old", 8), ("arch", 8)):
        metrics = Run(folder / f"{name}-seed-{seed}").read("metrics.json")
        found = steps[name]["figures"][str(seed)]
        for figure in ("f1", "accuracy", "auc"):
            assert found[figure] == metrics["valid"][figure]
        assert found["gap"] == metrics["train"]["accuracy"] - metrics["valid"]["accuracy"]
    for seed in (7, 8):
        path = Run(folder / f"arch-seed-{seed}").predictions_path("valid", "flips")
        averaged = read_predictions(path, ("defect", "good"), ("good",)).metrics()
        assert steps["tta"]["figures"][str(seed)]["f1"] == averaged.f1
    gains = steps["arch"]["gains"]["accuracy"]["by_seed"]
    assert gains == [
        steps["arch"]["figures"][seed]["accuracy"] - steps["old"]["figures"][seed]["accuracy"]
        for seed in ("7", "8")
    ]
    assert (folder / "ablation.png").read_bytes().startswith(b"\x89PNG")
    for text in ("Ablation, 2 seeds, validation", "small CNN, no tricks", "accuracy +5 to 8"):
        assert text in ablation.output
    assert "Training 4 of 4, arch-seed-8: train " in ablation.output
    assert not list(folder.rglob("openings.json"))


@pytest.mark.slow
def test_the_page_of_a_finished_ablation_needs_no_training(
    ablation: FitResult, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    runs = str(ablation.folder.parent)
    result = invoke("ablate", "--resume", "ab", "--runs", runs, "--report", str(page), "--json")
    assert result.exit_code == 0, result.output
    assert "nothing to train, reporting again" in result.output
    event = json.loads(result.stdout.splitlines()[-1])
    assert event["report"] == str(page)
    text = page.read_text(encoding="utf-8")
    for step in event["steps"]:
        for of in step["figures"].values():
            assert f"<td>{of['accuracy']:.2%}</td>" in text


@pytest.mark.slow
def test_a_finished_ablation_only_reports_again(ablation: FitResult) -> None:
    content = ablation.json("ablation.json")
    before = {path: path.stat().st_mtime_ns for path in ablation.folder.glob("*/*")}
    again = invoke("ablate", "--resume", str(ablation.folder), "--budget", "1m", "--json")
    assert again.exit_code == 0, again.output + repr(again.exception)
    events = [json.loads(line, parse_constant=pytest.fail) for line in again.output.splitlines()]
    assert {event["event"] for event in events} == {"note", "ablate"}
    assert events[-1]["steps"] == content["steps"]
    assert ablation.json("ablation.json") == content
    assert {path: path.stat().st_mtime_ns for path in ablation.folder.glob("*/*")} == before


@pytest.mark.slow
def test_ctrl_c_in_the_second_training_then_resume(
    castings: Path, ablation: FitResult, tmp_path: Path
) -> None:
    given = ("--runs", str(tmp_path), "--name", "ab", "--seeds", "1", *TINY)
    with interrupted_in_the_second_fit():
        stopped = invoke("ablate", str(castings), *given)
    run = tmp_path / "ab"
    assert stopped.exit_code == 130, stopped.output + repr(stopped.exception)
    assert "1 of 2 trainings are done; remaining" in stopped.output
    assert f"Resume with: fastdefect ablate --resume {run}" in stopped.output
    assert not (run / "ablation.png").exists()  # nothing is gained yet

    resumed = invoke("ablate", "--resume", str(run))
    assert resumed.exit_code == 0, resumed.output + repr(resumed.exception)
    assert "1 of 2 trainings are finished and kept" in resumed.output
    assert "one seed" in resumed.output
    for name in MEMBERS[:2]:
        assert_same_run(ablation.folder / name, run / name)


def test_trainings_that_all_diverge_are_an_error(castings: Path, tmp_path: Path) -> None:
    wild = ("--optimizer", "sgd", "--clip", "0", "--learning-rate", "1e30")
    given = ("--runs", str(tmp_path), "--name", "ab", "--seeds", "1", *TINY, *wild)
    result = invoke("ablate", str(castings), *given)
    assert result.exit_code == 1, result.output
    assert "old-seed-7 diverged and is left out" in result.output
    assert "old-seed-7, arch-seed-7 diverged: too few trainings remain" in " ".join(
        result.output.split()
    )
    assert (tmp_path / "ab" / "arch-seed-7" / "run.json").read_text().count('"diverged"') == 1


@pytest.mark.parametrize(
    "extra",
    [["--epochs", "1"], ["--steps", "ladder"], ["--seeds", "2"], ["--name", "x"], ["--no-light"]],
)
def test_resume_takes_no_other_settings(extra: list[str]) -> None:
    result = invoke("ablate", "--resume", "any", *extra)
    assert result.exit_code == 2
    assert f"also got {extra[0].replace('--no-', '--')}." in result.stderr


def test_a_budget_that_is_none_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    result = invoke("ablate", str(tmp_path / "nowhere"), "--budget", "soon")
    assert result.exit_code == 2
    assert "--budget soon: expected minutes" in result.stderr


def test_no_budget_trains_nothing_and_says_what_it_would(castings: Path, tmp_path: Path) -> None:
    given = ("--runs", str(tmp_path), "--budget", "0", *TINY)
    result = invoke("ablate", str(castings), *given)
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert "0 of 6 trainings are done; remaining: old-seed-7, arch-seed-7" in result.output


@pytest.mark.slow
def test_fit_and_quick_test_do_not_resume_it_and_say_who_does(ablation: FitResult) -> None:
    for command in ("fit", "quick-test"):
        result = invoke(command, "--resume", str(ablation.folder))
        assert result.exit_code in (1, 2)
        assert f"fastdefect ablate --resume {ablation.folder}" in " ".join(result.stderr.split())


# ---- quick-test --------------------------------------------------------------------------


def test_quick_test_trains_both_and_shows_one_table(castings: Path, tmp_path: Path) -> None:
    given = ("--runs", str(tmp_path), "--name", "q", "--augment", "basic", *TINY)
    result = invoke("quick-test", str(castings), *given)
    assert result.exit_code == 0, result.output + repr(result.exception)
    run = Run(tmp_path / "q")
    content = json.loads(run.path("quick_test.json").read_text("utf-8"), parse_constant=pytest.fail)
    metrics = {name: run.member(name).read("metrics.json") for name in ("before", "after")}
    assert content["metrics"] == metrics
    change = content["comparison"]["figures"]["f1"]
    assert change["before"] == metrics["before"]["valid"]["f1"]
    assert change["after"] == metrics["after"]["valid"]["f1"]
    assert run.member("before").read_config().model.arch == "small-cnn"
    assert run.member("before").read_config().data.augment == "none"
    for text in ("Before and after, on", "training accuracy", "escape rate", "not met"):
        assert text in result.output
    again = invoke("quick-test", "--resume", "q", "--runs", str(tmp_path))
    assert again.exit_code == 0, again.output + repr(again.exception)
    assert "nothing to train" in again.output
    refused = invoke("quick-test", "--resume", "q", "--runs", str(tmp_path), "--epochs", "2")
    assert refused.exit_code == 2
    assert "--budget" not in refused.stderr  # which it has none of


@pytest.mark.slow
def test_both_kinds_are_listed(ablation: FitResult, castings: Path, tmp_path: Path) -> None:
    given = ("--runs", str(ablation.folder.parent), "--name", "quick", *TINY)
    assert invoke("quick-test", str(castings), *given).exit_code == 0
    listed = invoke("runs", "--runs", str(ablation.folder.parent), "--json")
    rows = {row["name"]: row for row in json.loads(listed.output.splitlines()[-1])["runs"]}
    assert (rows["ab"]["trainings"], rows["quick"]["trainings"]) == (4, 2)
    shown = invoke("runs", "--runs", str(ablation.folder.parent)).output
    assert "4 trainings" in shown
    assert "2 trainings" in shown


# ---- all of it ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("plan", ["ladder", "leave-one-out"])
def test_every_step_of_a_plan_trains(castings: Path, tmp_path: Path, plan: Any) -> None:
    from fastdefect.evaluation.ablation import plan_steps
    from fastdefect.jobs import ablate

    given = ("--runs", str(tmp_path), "--name", "ab", "--seeds", "1", "--steps", plan, *TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablate, "plan_steps", plan_steps)
        result = invoke("ablate", str(castings), *given)
    assert result.exit_code == 0, result.output + repr(result.exception)
    content = json.loads((tmp_path / "ab" / "ablation.json").read_text(encoding="utf-8"))
    assert len(content["steps"]) > 8
    assert all(step["figures"] for step in content["steps"])
    assert content["left"] == []
