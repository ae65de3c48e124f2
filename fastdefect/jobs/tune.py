"""``fastdefect tune``: search settings inside train, then measure the winner on unseen photos.

A trial trains on some folds of train and is scored on the held-out fold
(``evaluation/tuning/halving.py``). The winner's score is the best of many, and therefore too good.
No trial uses a photo of valid: the winner, trained on all of train to its last epoch, is measured
on valid once, and nothing is chosen by that figure. The test stays sealed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastdefect.aliases import Interval
from fastdefect.config import RunConfig
from fastdefect.data.settle import as_read
from fastdefect.data.splitting.folds import fold_rows, folds_of_train
from fastdefect.errors import UsageError
from fastdefect.evaluation.predictions import read_predictions
from fastdefect.evaluation.statistics.intervals import bootstrap_intervals
from fastdefect.evaluation.tuning.effects import Effect, effects
from fastdefect.evaluation.tuning.halving import BEGUN, Rung, Trial, plan_rungs, ranked
from fastdefect.evaluation.tuning.search import require_optuna
from fastdefect.events import Note, OnEvent
from fastdefect.files import finite
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.members import Finished
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import create_series, read_plan
from fastdefect.jobs.training.failing import failing_run
from fastdefect.jobs.training.interrupt import stop_on_interrupt
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.one_epoch import refuse_one_epoch
from fastdefect.jobs.tuning.plan import TunePlan, plan_from_json, read_trials
from fastdefect.jobs.tuning.search import BEST, Limits, Study, read_best
from fastdefect.jobs.tuning.space import (
    configured,
    fields_of,
    fit_sizes,
    known_points,
    settle_archs,
    settle_recipe,
)
from fastdefect.metrics import HEADLINE, Metrics
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.text import counted
from fastdefect.training.learner import ModelSpec


@dataclass(frozen=True)
class TuneRequest:
    """The user's request for a search; ``space`` None: all settings that were not given."""

    minutes: float
    trials: int | None = None
    folds: int = 3
    space: tuple[str, ...] | None = None
    archs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unseen:
    """The winner's figures on valid, which the search did not use, and their intervals.

    ``n_leaked`` of the ``n_parts`` parts of valid are in train, too, by the user's own split.
    """

    metrics: Metrics
    intervals: Mapping[str, Interval | None]
    n_parts: int
    n_leaked: int


@dataclass(frozen=True)
class TuneReport:
    """The result of a search.

    ``ranking``: trials with the score of their last rung; those that reached the highest rung come
    first, and the first is the winner. ``effects`` is empty with too few trials. ``best`` and
    ``unseen`` are None until the winner is trained.
    """

    run: Run
    reason: RunStatus
    plan: TunePlan
    rungs: tuple[Rung, ...]
    trials: tuple[Trial, ...]
    ranking: tuple[tuple[Trial, float], ...]
    effects: tuple[Effect, ...]
    best: Finished | None
    unseen: Unseen | None
    n_test: int
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``; without ``run``, the content of tuning.json."""
        return {
            "run": str(self.run.folder),
            "reason": self.reason,
            "trials": [trial.as_json() for trial in self.trials],
            "ranking": [
                {"trial": trial.number, "rung": trial.reached(self.rungs), "score": score}
                for trial, score in self.ranking
            ],
            "effects": [effect.as_json() for effect in self.effects],
            "winner": dict(self.ranking[0][0].settings) if self.ranking else None,
            "best": str(self.best.run.folder) if self.best else None,
            "valid": _unseen_json(self.unseen) if self.unseen else None,
        }


def start(
    config: RunConfig, request: TuneRequest, new_run: NewRun, *, on_event: OnEvent
) -> TuneReport:
    """Search in a new run; nothing is written before the first trainings are checked.

    Raises ``UsageError`` for settings and ``DataError`` for photos that allow no search.
    """
    require_optuna()
    _check(config)
    archs = tuple(dict.fromkeys(request.archs)) or (config.model.arch,)
    fields = fields_of(config, request.space, archs)
    budget, log = Budget(request.minutes), Log(on_event)
    photos = SeriesPhotos.read(config, log)
    config = as_read(config, photos.manifest)
    config = settle_recipe(settle_archs(config, archs, log), fields, log)
    archs = archs if len(archs) > 1 else (config.model.arch,)  # auto is replaced by a name
    fields = fit_sizes(fields, config, archs, log)
    known = known_points(config, fields)
    plan = TunePlan(
        fields, tuple(known), request.folds, request.trials, request.minutes, config.given
    )
    folds = folds_of_train(photos.manifest, photos.base, request.folds, seed=config.training.seed)
    members = [Member(BEST, configured(config, settings)) for _, settings in known[:1]]
    run = create_series(RunKind.TUNING, config, members, photos, new_run, plan.as_json())
    log.to(run.path("log.txt"))
    log(_search_note(plan, plan_rungs(config.training.epochs, request.folds), photos))
    return _search(Study(run, config, plan, photos, folds, log), budget, request.minutes)


def resume(run: Run, *, minutes: float | None, trials: int | None, on_event: OnEvent) -> TuneReport:
    """Resume a search for ``minutes`` more, or for what is left of its budget.

    ``trials``: a new limit on their number. If nothing is left to do, only report again.
    """
    require_optuna()
    plan = plan_from_json(read_plan(run, RunKind.TUNING))
    spent = sum(trial.seconds for trial in read_trials(run)) / 60
    if trials is not None:
        plan = replace(plan, trials=trials)
    if minutes is not None:
        plan = replace(plan, minutes=spent + minutes)
    run.update_state(plan=plan.as_json())
    config = replace(run.read_config(), given=plan.given)
    log = Log(on_event)
    log.to(run.path("log.txt"))
    status = str(run.read_state()["status"])
    if _is_done(run, config, plan, status, asks_for_more=minutes is not None or trials is not None):
        log(Note(f"{run.name} is finished: nothing to train, reporting again."))
        run.update_state(status=RunStatus.FINISHED)
        return _close(run, config, plan, RunStatus.FINISHED)
    left = max(plan.minutes - spent, 0.0)
    budget = Budget(left)
    photos = SeriesPhotos.read_again(run, log)
    folds = folds_of_train(photos.manifest, photos.base, plan.folds, seed=config.training.seed)
    return _search(Study(run, config, plan, photos, folds, log), budget, left)


def _check(config: RunConfig) -> None:
    refuse_one_epoch(config)
    if config.report.folds is not None:
        raise UsageError(
            "tune makes its own folds inside train, but the settings have "
            f"{config.report.folds} folds.",
            "Remove folds; --search-folds sets the number of tune's own.",
        )
    if "keep" in config.given and config.training.keep != "last":
        raise UsageError(
            f"--keep {config.training.keep} chooses an epoch on the photos that measure it, which "
            "tune never does.",
            "Remove --keep: every training keeps its last epoch.",
        )


def _search_note(plan: TunePlan, rungs: Sequence[Rung], photos: SeriesPhotos) -> Note:
    split = photos.base
    parts = counted(len({split.parts[i] for i in split.train}), "part")
    names = ", ".join(field.name for field in plan.fields)
    epochs = ", ".join(str(rung.epochs) for rung in rungs)
    return Note(
        f"Searching {names}: {plan.folds} folds of train ({len(split.train)} photos of {parts}), "
        f"rungs of {epochs} epochs. Valid and test are not used."
    )


def _is_done(
    run: Run, config: RunConfig, plan: TunePlan, status: str, *, asks_for_more: bool
) -> bool:
    """Whether the winner is trained and no trial is left."""
    trials = read_trials(run)
    standing = ranked(trials, plan_rungs(config.training.epochs, plan.folds))
    if not standing or read_best(run, config, standing[0][0]) is None:
        return False
    all_done = plan.trials is not None and len(trials) >= plan.trials
    if all_done and trials[-1].state != BEGUN:
        return True
    return status == RunStatus.FINISHED and not asks_for_more


def _search(study: Study, budget: Budget, minutes: float) -> TuneReport:
    """Search while the budget lasts, then train the winner."""
    run = study.run
    with run.held(), failing_run(run):
        run.update_state(status=RunStatus.RUNNING)
        rows = fold_rows(study.photos.manifest, study.folds)
        run.write("folds.csv", [row for row in rows if row["fold"]])
        reason = RunStatus.INTERRUPTED
        try:
            with stop_on_interrupt() as stop_requested:
                limits = Limits(budget, minutes, stop_requested)
                reason = study.search(limits)
                standing = ranked(read_trials(run), study.rungs)
                if reason != RunStatus.INTERRUPTED and standing:
                    # Out of budget is the normal end of a search.
                    reason = study.train_best(standing[0][0], limits)
        except KeyboardInterrupt:  # a second one ends the current step at once
            reason = RunStatus.INTERRUPTED
        run.update_state(status=reason)
        return _close(run, study.config, study.plan, reason)


# ---- the result --------------------------------------------------------------------------


def _close(run: Run, config: RunConfig, plan: TunePlan, reason: RunStatus) -> TuneReport:
    """Combine the trials and write the result; it depends on the files alone."""
    rungs, trials = plan_rungs(config.training.epochs, plan.folds), read_trials(run)
    standing = ranked(trials, rungs)
    best = read_best(run, config, standing[0][0]) if standing else None
    seed = config.training.seed
    rows = run.read("split.csv")
    report = TuneReport(
        run,
        reason,
        plan,
        rungs,
        tuple(trials),
        tuple(standing),
        effects(plan.fields, trials, rungs, seed=seed),
        best,
        _unseen(best, seed) if best else None,
        sum(row["split"] == "test" for row in rows),
        (),
    )
    if not trials:
        return report
    content = {key: value for key, value in report.as_json().items() if key != "run"}
    columns = [*_COLUMNS[:2], *(field.name for field in plan.fields), *_COLUMNS[2:]]
    table = run.write("trials.csv", [_row(trial, rungs) for trial in trials], columns)
    return replace(report, files=(run.write("tuning.json", content), table))


_COLUMNS = ("trial", "known", "state", "rung", "trainings", "score", "auc", "log_loss", "seconds")


def _row(trial: Trial, rungs: Sequence[Rung]) -> dict[str, Any]:
    """A row of trials.csv: a trial with the figures of the last rung that it completed."""
    reached = trial.reached(rungs)
    on = trial.on(rungs[reached - 1], rungs) if reached else ()
    return {
        "trial": trial.number,
        "known": trial.known,
        **trial.settings,
        "state": trial.state,
        "rung": reached,
        "trainings": len(trial.trainings),
        "score": trial.score(rungs[reached - 1], rungs) if reached else None,
        "auc": sum(each.auc for each in on) / len(on) if on else None,
        "log_loss": sum(each.log_loss for each in on) / len(on) if on else None,
        "seconds": trial.seconds,
    }


def _unseen(best: Finished, seed: int) -> Unseen:
    spec = ModelSpec.from_json(best.run.read("model.json"))
    predictions = read_predictions(best.predictions_path, spec.classes, spec.good)
    rows = best.run.read("split.csv")
    part_of = {row["path"]: row["part"] for row in rows}
    parts = [part_of[name] for name in predictions.names]
    leaked = set(parts) & {row["part"] for row in rows if row["split"] == "train"}
    intervals = bootstrap_intervals(predictions, parts, seed=seed)
    return Unseen(predictions.metrics(), intervals, len(set(parts)), len(leaked))


def _unseen_json(unseen: Unseen) -> dict[str, Any]:
    figures = {name: getattr(unseen.metrics, name) for name in HEADLINE}
    return {
        "n": unseen.metrics.n,
        "n_parts": unseen.n_parts,
        "n_leaked": unseen.n_leaked,
        "figures": finite(figures),
        "intervals": dict(unseen.intervals),
    }
