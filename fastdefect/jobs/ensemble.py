"""``fastdefect fit --members N``: average networks that differ by their seed to one model.

All are trained on the split of the run's seed. Each is a run in its own folder, as in any series.
The parent run gets their average as its model and then behaves like any other run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from fastdefect.config import RunConfig
from fastdefect.data.settle import as_read
from fastdefect.errors import RunError, UsageError
from fastdefect.events import Note, OnEvent, silent
from fastdefect.jobs.report import leave_report
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.members import Finished, read_finished
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Series,
    SeriesReport,
    create_series,
    read_plan,
    run_series,
    seeds_from,
    settle,
)
from fastdefect.jobs.training.assemble import assemble
from fastdefect.jobs.training.failing import failing_run
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.one_epoch import check_one_epoch
from fastdefect.jobs.training.report import FitReport, as_event_data, measure_model, parse_targets
from fastdefect.jobs.training.steps import with_enough_steps
from fastdefect.reporting.tables.ensemble import MemberFigures
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.text import first
from fastdefect.training.checkpoint import read_model
from fastdefect.training.ensemble import joined_state
from fastdefect.training.tensor_file import write_tensors

Measured = TypeVar("Measured")
Measured_co = TypeVar("Measured_co", covariant=True)


@dataclass(frozen=True)
class EnsembleReport:
    """The result of an ensemble; ``average`` reports its model, None while networks are left."""

    series: SeriesReport
    average: FitReport | None

    @property
    def members(self) -> list[MemberFigures]:
        """The finished networks' figures on validation."""
        return [
            MemberFigures(
                each.member.name, each.member.config.training.seed, dict(each.metrics["valid"])
            )
            for each in self.series.finished
        ]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``: that of one training, with the networks' figures."""
        series = self.series
        model = as_event_data(self.average) if self.average else {"metrics": {}, "targets": []}
        return {
            **model,
            "run": str(series.run.folder),
            "reason": series.reason,
            "members": [member.as_json() for member in self.members],
            "diverged": [member.name for member in series.diverged],
            "left": [member.name for member in series.left],
            "seconds_left": series.seconds_left,
        }


@dataclass(frozen=True)
class ModelPlan(Generic[Measured_co]):
    """How the finished networks of a series become the run's model.

    ``fewest``: networks that must finish. ``shipped`` selects those that the model averages.
    ``measure`` gives the figures of the model once it is written.
    """

    fewest: int
    shipped: Callable[[Sequence[Finished]], Sequence[Finished]]
    measure: Callable[[SeriesReport], Measured_co]


def start(config: RunConfig, new_run: NewRun, *, on_event: OnEvent) -> EnsembleReport:
    """Train the networks in a new run; nothing is written before they are checked."""
    if config.report.folds is not None:
        raise UsageError(
            f"--members {config.training.members} and --folds {config.report.folds} exclude each "
            "other: one network predicts each fold.",
            "Cross-validate without --members, or average without --folds.",
        )
    check_one_epoch(config)
    parse_targets(config)
    log = Log(on_event)
    photos = SeriesPhotos.read(config, log)
    config = as_read(config, photos.manifest)
    config = with_enough_steps(config, len(photos.base.train), log)
    config = settle(config, photos, log)
    members = members_of(config)
    run = create_series(RunKind.ENSEMBLE, config, members, photos, new_run, {})
    return _train(Series(run, members, photos, log))


def resume(run: Run, *, on_event: OnEvent) -> EnsembleReport:
    """Train the networks that are not finished; if all are, only report again."""
    read_plan(run, RunKind.ENSEMBLE)
    log = Log(on_event)
    log.to(run.path("log.txt"))
    members = members_of(run.read_config())
    if run.read_state()["status"] == RunStatus.FINISHED:
        log(Note(f"{run.name} is finished: nothing to train, reporting again."))
    return _train(Series(run, members, SeriesPhotos.read_again(run, log), log))


def members_of(config: RunConfig) -> list[Member]:
    """The trainings: the run's settings and split, consecutive seeds from the run's seed on."""
    seed = config.training.seed
    return [
        Member(
            f"member-{number}",
            replace(config, training=replace(config.training, seed=own, members=1)),
            split_seed=seed,
        )
        for number, own in enumerate(seeds_from(seed, config.training.members), start=1)
    ]


def _train(series: Series) -> EnsembleReport:
    """Train the networks that are left, then make their average the run's model."""
    plan = ModelPlan(
        fewest=1,
        shipped=lambda finished: finished,
        measure=lambda ended: _measure(series, ended),
    )
    ended, average = train_to_model(series, plan)
    if average is not None:
        average = replace(average, page=leave_report(series.parent, series.log))
    return EnsembleReport(ended, average)


def train_to_model(
    series: Series, plan: ModelPlan[Measured]
) -> tuple[SeriesReport, Measured | None]:
    """Train the members that are left, make the run's model from them by ``plan``, and measure it.

    The figures are None while trainings are left. The model is written again only if a training is
    new. Raises ``DivergedError`` if too few networks can finish.
    """
    run = series.parent
    before = {each.name for each in series.members if read_finished(run, each) is not None}
    ended = run_series(series, Budget(None))
    ended.require(plan.fewest)
    if ended.left:
        return ended, None
    run.update_state(status=RunStatus.RUNNING)  # until the model is written and measured
    with run.held(), failing_run(run):
        fresh = any(each.member.name not in before for each in ended.finished)
        if fresh or not run.path("model.safetensors").exists():
            _write_model(run, plan.shipped(ended.finished), series.log)
        measured = plan.measure(ended)
    run.update_state(status=RunStatus.FINISHED)
    for each in ended.finished:
        each.run.forget_checkpoint()  # a member that was resumed alone still has it
    return ended, measured


def _write_model(run: Run, finished: Sequence[Finished], log: Log) -> None:
    """Write ``model.json``, then the weights of all networks in one file."""
    for each in finished:
        if not each.run.path("model.safetensors").exists():
            raise RunError(
                f"Expected the weights of {each.member.name} in "
                f"{each.run.path('model.safetensors')}, but there is no such file.",
                f"Delete {each.run.folder} and train it again: {run.resume_command}",
            )
    if stale := run.forget_decisions():
        log(Note(f"Deleted, as they belong to the older model: {', '.join(stale)}.", "warning"))
    one, n = finished[0].run.read("model.json"), len(finished)
    run.write("model.json", {**one, "members": n, "parameters": n * one["parameters"]})
    state = joined_state([read_model(each.run.path("model.safetensors")) for each in finished])
    names = " ".join(each.member.name for each in finished)
    write_tensors(run.path("model.safetensors"), state, {"members": names})


def _measure(series: Series, ended: SeriesReport) -> FitReport:
    run, log = series.parent, series.log
    config, n = run.read_config(), len(ended.finished)
    if ended.diverged:
        lost = first([member.name for member in ended.diverged])
        log(
            Note(
                f"{lost} diverged: the model is the average of {n} instead of "
                f"{config.training.members} networks.",
                "warning",
            )
        )
    # The first weights don't matter here, and were reported when the networks were trained.
    blank = replace(config, model=replace(config.model, weights="none"))
    data = series.photos.data_of(ended.finished[0].member, log)
    job = assemble(blank, silent, data=data, resumed=True, members=n)
    return measure_model(run, job, RunStatus.FINISHED, None, log)
