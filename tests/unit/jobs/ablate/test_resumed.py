"""An ablation that a budget or Ctrl-C ended: what is kept, left and trained again."""

from pathlib import Path
from typing import Any

import pytest
from helpers.played import Played
from helpers.played_ablation import N_VALID, content_of, start_ablation

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.errors import RunError, UsageError
from fastdefect.events import silent
from fastdefect.files import read_csv
from fastdefect.jobs import ablate as job
from fastdefect.reporting.tables.ablate import ablation_table
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_run, list_runs, open_run, summarise

# ---- budget, interruption, resuming ------------------------------------------------------


def test_the_budget_is_kept_and_leaves_whole_seeds(
    config: RunConfig, played: Played, three: None, tmp_path: Path, asked: list[Any]
) -> None:
    """Ten seconds each: three trainings fit into 35, the fourth would end at 40."""
    report = start_ablation(config, tmp_path, budget_minutes=35 / 60)
    assert report.series.reason == RunStatus.OUT_OF_BUDGET
    assert (list(report.figures), asked) == (["old", "arch"], [])  # nor time for predictions
    assert played.begun == ["old-seed-7", "arch-seed-7", "old-seed-8"]
    assert [member.name for member in report.series.left] == ["arch-seed-8"]
    assert (sorted(report.figures["old"]), sorted(report.figures["arch"])) == ([7, 8], [7])
    # Seed 8 has no pair: it must not count.
    assert report.gains["arch"]["accuracy"].by_seed == pytest.approx((3 / 12,))
    assert (content_of(tmp_path)["left"], content_of(tmp_path)["seconds_left"]) == (
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
    report = start_ablation(config, tmp_path, budget_minutes=12 / 60)
    assert played.begun == ["old-seed-7"]
    assert list(report.figures) == ["old"]
    assert [path.name for path in report.files] == ["ablation.json"]
    assert not (tmp_path / "ab" / "ablation.png").exists()


def test_a_budget_for_nothing_writes_no_figures(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    report = start_ablation(config, tmp_path, budget_minutes=0)
    assert (played.begun, report.figures, report.files) == ([], {}, ())
    assert not (tmp_path / "ab" / "ablation.json").exists()
    assert report.as_json()["seconds_left"] is None


def test_a_finished_ablation_is_reported_again_and_nothing_repeated(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    first = start_ablation(config, tmp_path)
    before, content = list(played.begun), content_of(tmp_path)
    (tmp_path / "ab" / "ablation.json").unlink()
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert played.begun == before
    assert (again.figures, again.gains) == (first.figures, first.gains)
    assert content_of(tmp_path) == content


def test_a_member_that_lacks_is_trained_and_the_others_are_kept(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    import shutil

    first = start_ablation(config, tmp_path)
    shutil.rmtree(tmp_path / "ab" / "arch-seed-7")
    played.begun.clear()
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert played.begun == ["arch-seed-7"]
    assert again.gains == first.gains


def test_ctrl_c_leaves_figures_and_asks_for_no_more_predictions(
    config: RunConfig, played: Played, three: None, tmp_path: Path, asked: list[Any]
) -> None:
    played.stops = "old-seed-8"
    report = start_ablation(config, tmp_path)
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
    report = start_ablation(
        override(config, {"balance": "loss", "augment": "none"}), tmp_path, seeds=1
    )
    before = list(played.begun)
    assert "sampler-seed-7" in before
    again = job.resume(Run(tmp_path / "ab"), budget_minutes=None, on_event=silent)
    assert played.begun == before
    assert again.steps == report.steps


def test_a_rung_that_lacks_takes_its_gains_with_it_and_no_more(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    import shutil

    report = start_ablation(config, tmp_path, seeds=1)
    shutil.rmtree(tmp_path / "ab" / "old-seed-7")
    less = job.resume(Run(tmp_path / "ab"), budget_minutes=0, on_event=silent)
    assert "old" not in less.figures
    assert less.gains["arch"]["f1"].verdict == "not measured"
    table = ablation_table(less.steps, less.figures, less.gains, title="T")
    assert len(table.rows) == len(report.steps) - 1 + 1  # all but the first, and what is together


@pytest.mark.parametrize(
    "plan", [{"steps": "stairs", "seeds": 2}, {"seeds": 2}, {"steps": "ladder", "seeds": "x"}]
)
def test_a_damaged_plan_is_an_error(
    config: RunConfig, played: Played, three: None, tmp_path: Path, plan: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    start_ablation(config, tmp_path, budget_minutes=0)
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
    start_ablation(config, tmp_path, budget_minutes=0)
    with pytest.raises(UsageError) as caught:
        start_ablation(config, tmp_path)
    assert f"fastdefect ablate --resume {tmp_path / 'ab'}" in caught.value.hint


def test_it_is_listed_with_its_trainings(
    config: RunConfig, played: Played, three: None, tmp_path: Path
) -> None:
    start_ablation(config, tmp_path)
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
