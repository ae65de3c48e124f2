"""``fastdefect quick-test``: train the old small CNN and the improved pipeline on one split."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.data.settle import as_read, whole_unless_asked
from fastdefect.errors import UsageError
from fastdefect.evaluation.ablation import OLD
from fastdefect.evaluation.compare import Answers, Comparison, SharedPhotos, compare
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.targets import LEGACY, Verdict, judge
from fastdefect.events import OnEvent
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Series,
    SeriesReport,
    create_series,
    read_plan,
    refuse_members,
    resume_series,
    run_series,
    settle,
)
from fastdefect.jobs.trained.decision import Judged, judge_validation
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.one_epoch import refuse_one_epoch
from fastdefect.recipes import RECIPES
from fastdefect.run import Run, RunKind

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class QuickReport:
    """Both trainings on one split: their figures, and their comparison on validation.

    ``metrics`` by member and split, as in metrics.json. ``comparison`` and ``verdicts`` (the
    mission's targets, for the improved pipeline) are empty until both trainings are finished.
    """

    series: SeriesReport
    metrics: dict[str, dict[str, Any]]
    comparison: Comparison | None
    verdicts: tuple[Verdict, ...]
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``; without ``run``, the content of quick_test.json."""
        return {
            "run": str(self.series.run.folder),
            "reason": self.series.reason,
            "diverged": [member.name for member in self.series.diverged],
            "left": [member.name for member in self.series.left],
            "seconds": {each.member.name: each.seconds for each in self.series.finished},
            "metrics": self.metrics,
            "comparison": self.comparison.as_json() if self.comparison else None,
            "targets": [
                {
                    "target": verdict.target.label,
                    "low": verdict.target.low,
                    "high": verdict.target.high,
                    "value": verdict.value,
                    "met": verdict.met,
                }
                for verdict in self.verdicts
            ],
        }


def start(config: RunConfig, new_run: NewRun, *, on_event: OnEvent) -> QuickReport:
    """Train both on the split of the config's seed, in a new run."""
    if config.report.folds is not None:
        raise UsageError(
            "A quick test compares on one validation split, but the config has "
            f"{config.report.folds} folds.",
            "Remove folds from the config file.",
        )
    refuse_members(config)
    refuse_one_epoch(config)
    log = Log(on_event)
    photos = SeriesPhotos.read(whole_unless_asked(config), log)
    config = as_read(config, photos.manifest)
    config = settle(config, photos, log)
    members = members_of(config)
    run = create_series(RunKind.QUICK_TEST, config, members, photos, new_run, {})
    return _close(run_series(Series(run, members, photos, log), Budget(None)), log)


def resume(run: Run, *, on_event: OnEvent) -> QuickReport:
    """Train what is left of a quick test; if nothing is left, only report again."""
    read_plan(run, RunKind.QUICK_TEST)
    log = Log(on_event)
    members = members_of(run.read_config())
    return _close(resume_series(run, members, budget=Budget(None), log=log), log)


def members_of(config: RunConfig) -> list[Member]:
    """The old pipeline and the user's settings, both for all epochs and at one image size."""
    patient = replace(config, training=replace(config.training, patience=0))
    old, recipe = dict(OLD), config.training.recipe
    if config.training.learning_rate == RECIPES.get(recipe, {}).get("learning_rate"):
        # The rate is the recipe's, not the user's: random weights need that of the old pipeline.
        old["learning_rate"] = RECIPES["legacy"]["learning_rate"]
    return [Member(BEFORE, override(patient, old)), Member(AFTER, patient)]


def _close(series: SeriesReport, log: Log) -> QuickReport:
    metrics = {each.member.name: dict(each.metrics) for each in series.finished}
    series.require(2)
    if series.left:
        return QuickReport(series, metrics, None, (), ())
    runs = {each.member.name: each.run for each in series.finished}
    training = series.run.read_config().training
    before, after = (
        judge_validation(runs[name], "none", training.device, log) for name in (BEFORE, AFTER)
    )
    comparison = _compared(before, after, training.seed)
    verdicts = tuple(judge(LEGACY, metrics[AFTER]))
    files = (series.run.path("quick_test.json"),)
    report = QuickReport(series, metrics, comparison, verdicts, files)
    content = {key: value for key, value in report.as_json().items() if key != "run"}
    series.run.write("quick_test.json", content)
    return report


def _compared(before: Judged, after: Judged, seed: int) -> Comparison:
    """Compare the decisions by the most probable class: neither run has a threshold."""
    of = after.predictions
    photos = SharedPhotos(of.names, after.parts, of.y_true, of.classes, of.good)
    return compare(photos, _answers(before.predictions), _answers(of), seed=seed)


def _answers(predictions: Predictions) -> Answers:
    return Answers(predictions.y_prob, np.asarray(predictions.y_prob.argmax(axis=1)))
