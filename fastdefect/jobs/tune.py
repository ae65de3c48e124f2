"""``fastdefect tune``: a search over settings inside train, and a figure that it can't flatter.

The search trains on some folds of train and is scored on the one held out
(``evaluation/tuning/halving.py``). The score of its winner is the best of many, and so too good.
Valid's parts are neither trained on nor looked at by any trial: the winner, trained on all of
train to its last epoch, is measured on them once, and nothing is chosen by that figure. The test
stays sealed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastdefect.aliases import Interval
from fastdefect.config import RunConfig
from fastdefect.data.load import with_scale
from fastdefect.data.splitting.folds import fold_rows, folds_of_train
from fastdefect.errors import FastdefectError, UsageError
from fastdefect.evaluation.predictions import read_predictions
from fastdefect.evaluation.statistics.intervals import bootstrap_intervals
from fastdefect.evaluation.tuning.effects import Effect, effects
from fastdefect.evaluation.tuning.halving import BEGUN, Rung, Trial, plan_rungs, ranked
from fastdefect.evaluation.tuning.search import require_optuna
from fastdefect.events import Note, OnEvent
from fastdefect.files import finite
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import Finished, create_series, read_plan
from fastdefect.jobs.training.head_alone import refuse_head_alone
from fastdefect.jobs.training.interrupt import stop_on_interrupt
from fastdefect.jobs.training.log import Log
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
    """What the user asks of a search; ``space`` None is all that was not given."""

    minutes: float
    trials: int | None = None
    folds: int = 3
    space: tuple[str, ...] | None = None
    archs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unseen:
    """The winner's figures on valid, of which the search saw no photo, and their intervals.

    ``n_leaked`` of its ``n_parts`` are in train, too, where the user's own split puts them.
    """

    metrics: Metrics
    intervals: Mapping[str, Interval | None]
    n_parts: int
    n_leaked: int


@dataclass(frozen=True)
class TuneReport:
    """How a search ended.

    ``ranking``: trials with the score of their last rung, the furthest first; its first is the
    winner. ``effects`` is empty with too few trials. ``best`` and ``unseen`` are None until the
    winner is trained.
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
        """The closing event for ``--json``; but for the run, what tuning.json holds."""
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
    config: RunConfig,
    request: TuneRequest,
    *,
    runs: Path,
    name: str | None,
    command: str,
    on_event: OnEvent,
) -> TuneReport:
    """Search in a new run; nothing is written before the first trainings are known to fit.

    Raises ``UsageError`` for settings and ``DataError`` for photos that can't be searched with.
    """
    require_optuna()
    _check(config)
    archs = tuple(dict.fromkeys(request.archs)) or (config.model.arch,)
    fields = fields_of(config, request.space, archs)
    budget, log = Budget(request.minutes), Log(on_event)
    photos = SeriesPhotos.read(config, log)
    config = with_scale(config, photos.manifest)
    config = settle_recipe(settle_archs(config, archs, log), fields, log)
    archs = archs if len(archs) > 1 else (config.model.arch,)  # named now, if it was auto
    fields = fit_sizes(fields, config, archs, log)
    known = known_points(config, fields)
    plan = TunePlan(
        fields, tuple(known), request.folds, request.trials, request.minutes, config.given
    )
    folds = folds_of_train(photos.manifest, photos.base, request.folds, seed=config.training.seed)
    members = [Member(BEST, configured(config, settings)) for _, settings in known[:1]]
    run = create_series(
        RunKind.TUNING,
        config,
        members,
        photos,
        runs=runs,
        name=name,
        command=command,
        plan=plan.as_json(),
    )
    log.to(run.path("log.txt"))
    log(_told(plan, plan_rungs(config.training.epochs, request.folds), photos))
    return _carry_on(Study(run, config, plan, photos, folds, log), budget, request.minutes)


def resume(run: Run, *, minutes: float | None, trials: int | None, on_event: OnEvent) -> TuneReport:
    """Go on with a search: for ``minutes`` more, or for what its trainings left of its budget.

    ``trials``: another limit on their number. Where nothing is left to do it only reports.
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
    return _carry_on(Study(run, config, plan, photos, folds, log), budget, left)


def _check(config: RunConfig) -> None:
    refuse_head_alone(config)
    if config.report.folds is not None:
        raise UsageError(
            "tune makes folds of its own inside train: leave folds out.",
            "--search-folds says how many.",
        )
    if "keep" in config.given and config.training.keep != "last":
        raise UsageError(
            f"--keep {config.training.keep} chooses an epoch by the photos that measure it, which "
            "tune never does.",
            "Leave --keep out: every training keeps its last epoch.",
        )


def _told(plan: TunePlan, rungs: Sequence[Rung], photos: SeriesPhotos) -> Note:
    split = photos.base
    parts = counted(len({split.parts[i] for i in split.train}), "part")
    names = ", ".join(field.name for field in plan.fields)
    epochs = ", ".join(str(rung.epochs) for rung in rungs)
    return Note(
        f"Searching {names}: {plan.folds} folds of train ({len(split.train)} photos of {parts}), "
        f"rungs of {epochs} epochs. Valid and test are not looked at."
    )


def _is_done(
    run: Run, config: RunConfig, plan: TunePlan, status: str, *, asks_for_more: bool
) -> bool:
    """Whether the winner is trained, and no more is to be searched."""
    trials = read_trials(run)
    standing = ranked(trials, plan_rungs(config.training.epochs, plan.folds))
    if not standing or read_best(run, config, standing[0][0]) is None:
        return False
    all_done = plan.trials is not None and len(trials) >= plan.trials
    if all_done and trials[-1].state != BEGUN:
        return True
    return status == RunStatus.FINISHED and not asks_for_more


def _carry_on(study: Study, budget: Budget, minutes: float) -> TuneReport:
    """Search while the budget lasts, then train the winner, whatever is left by then."""
    run = study.run
    run.update_state(status=RunStatus.RUNNING)
    rows = fold_rows(study.photos.manifest, study.folds)
    run.write("folds.csv", [row for row in rows if row["fold"]])
    reason = RunStatus.INTERRUPTED
    try:
        with stop_on_interrupt() as asked:
            limits = Limits(budget, minutes, asked)
            reason = study.search(limits)
            standing = ranked(read_trials(run), study.rungs)
            if reason != RunStatus.INTERRUPTED and standing:
                # The end of its budget is where a search is meant to end.
                reason = study.train_best(standing[0][0], limits)
    except KeyboardInterrupt:  # a second one: whatever was running ended at once
        reason = RunStatus.INTERRUPTED
    except FastdefectError as error:
        run.update_state(status=RunStatus.FAILED, error=error.message)
        raise
    run.update_state(status=reason)
    return _close(run, study.config, study.plan, reason)


# ---- what came out -----------------------------------------------------------------------


def _close(run: Run, config: RunConfig, plan: TunePlan, reason: RunStatus) -> TuneReport:
    """Put the trials together and write them; all of it follows from the files."""
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
    """A trial for people: the score and figures of the last rung behind it."""
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
    intervals = bootstrap_intervals(
        predictions.y_true, predictions.y_prob, parts, spec.classes, spec.good, seed=seed
    )
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
