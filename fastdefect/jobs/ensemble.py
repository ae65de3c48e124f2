"""``fastdefect fit --members N``: networks that differ by their seed, averaged to one model.

All are trained on the one split of the run's seed. Each is a run in a folder of its own, as in any
series. The run around them gets their average as its model and is then a run like any other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load_file, save_file

from fastdefect.config import RunConfig
from fastdefect.data.load import with_scale
from fastdefect.errors import FastdefectError, RunError, UsageError
from fastdefect.events import Note, OnEvent, silent
from fastdefect.files import atomic_path
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Finished,
    SeriesReport,
    create_series,
    read_finished,
    read_plan,
    run_series,
    seeds_from,
    settle,
)
from fastdefect.jobs.training.assemble import assemble
from fastdefect.jobs.training.head_alone import check_head_alone
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.report import FitReport, as_event_data, measure_model, parse_targets
from fastdefect.jobs.training.steps import with_enough_steps
from fastdefect.reporting.tables.ensemble import MemberFigures
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.text import first
from fastdefect.training.ensemble import joined_state

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class EnsembleReport:
    """How an ensemble ended; ``average`` is its model's, None while networks are left."""

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
        """The closing event for ``--json``: that of one training, and the networks'."""
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


def start(
    config: RunConfig, *, runs: Path, name: str | None, command: str, on_event: OnEvent
) -> EnsembleReport:
    """Train the networks in a new run; nothing is written before they are known to work."""
    if config.report.folds is not None:
        raise UsageError(
            f"--members {config.training.members} and --folds {config.report.folds} exclude each "
            "other: a fold is judged by one network.",
            "Cross-validate without --members, or average without --folds.",
        )
    check_head_alone(config)
    parse_targets(config)
    log = Log(on_event)
    photos = SeriesPhotos.read(config, log)
    config = with_scale(config, photos.manifest)
    config = with_enough_steps(config, len(photos.base.train), log)
    config = settle(config, photos, log)
    members = members_of(config)
    run = create_series(
        RunKind.ENSEMBLE, config, members, photos, runs=runs, name=name, command=command, plan={}
    )
    return _train(run, members, photos, log)


def resume(run: Run, *, on_event: OnEvent) -> EnsembleReport:
    """Go on with the networks that are not finished; if all are, only report again."""
    read_plan(run, RunKind.ENSEMBLE)
    log = Log(on_event)
    log.to(run.path("log.txt"))
    members = members_of(run.read_config())
    if run.read_state()["status"] == RunStatus.FINISHED:
        log(Note(f"{run.name} is finished: nothing to train, reporting again."))
    return _train(run, members, SeriesPhotos.read_again(run, log), log)


def members_of(config: RunConfig) -> list[Member]:
    """The trainings: the run's settings and split, a seed each, from the run's seed on."""
    seed = config.training.seed
    return [
        Member(
            f"member-{number}",
            replace(config, training=replace(config.training, seed=own, members=1)),
            split_seed=seed,
        )
        for number, own in enumerate(seeds_from(seed, config.training.members), start=1)
    ]


def _train(run: Run, members: Sequence[Member], photos: SeriesPhotos, log: Log) -> EnsembleReport:
    """Train those that are left, then make their average the run's model."""
    series, average = train_to_model(
        run,
        members,
        photos,
        log,
        fewest=1,
        shipped=lambda finished: finished,
        measure=lambda series: _measure(run, series, photos, log),
    )
    return EnsembleReport(series, average)


def train_to_model(
    run: Run,
    members: Sequence[Member],
    photos: SeriesPhotos,
    log: Log,
    *,
    fewest: int,
    shipped: Callable[[Sequence[Finished]], Sequence[Finished]],
    measure: Callable[[SeriesReport], Measured],
) -> tuple[SeriesReport, Measured | None]:
    """Train the members that are left, make the run's model of them, and measure it.

    ``fewest`` must be finished, or ``DivergedError`` is raised; ``shipped`` says which of them the
    model averages. None for what ``measure`` gives while trainings are left. The model is written
    again only where a training is new.
    """
    before = {member.name for member in members if read_finished(run, member) is not None}
    series = run_series(run, members, photos, budget=Budget(None), log=log)
    series.require(fewest)
    if series.left:
        return series, None
    run.update_state(status=RunStatus.RUNNING)  # until there is a model, and it is measured
    try:
        fresh = any(each.member.name not in before for each in series.finished)
        if fresh or not run.path("model.safetensors").exists():
            _write_model(run, shipped(series.finished), log)
        measured = measure(series)
    except FastdefectError as error:
        run.update_state(status=RunStatus.FAILED, error=error.message)
        raise
    run.update_state(status=RunStatus.FINISHED)
    for each in series.finished:
        each.run.forget_checkpoint()  # one that was resumed on its own has it still
    return series, measured


def _write_model(run: Run, finished: Sequence[Finished], log: Log) -> None:
    """``model.json``, then the weights of all networks in one file."""
    for each in finished:
        if not each.run.path("model.safetensors").exists():
            raise RunError(
                f"Expected the weights of {each.member.name} in "
                f"{each.run.path('model.safetensors')}, but they are not there.",
                f"Delete {each.run.folder} and have it trained anew: {run.resume_command}",
            )
    if stale := run.forget_decisions():
        log(Note(f"Deleted, as the older model's: {', '.join(stale)}.", "warning"))
    one, n = finished[0].run.read("model.json"), len(finished)
    run.write("model.json", {**one, "members": n, "parameters": n * one["parameters"]})
    state = joined_state([load_file(each.run.path("model.safetensors")) for each in finished])
    with atomic_path(run.path("model.safetensors")) as temporary:
        names = " ".join(each.member.name for each in finished)
        save_file(state, temporary, metadata={"members": names})


def _measure(run: Run, series: SeriesReport, photos: SeriesPhotos, log: Log) -> FitReport:
    config, n = run.read_config(), len(series.finished)
    if series.diverged:
        lost = first([member.name for member in series.diverged])
        log(
            Note(
                f"{lost} diverged: the model is the average of {n} instead of "
                f"{config.training.members} networks.",
                "warning",
            )
        )
    # What the networks are built from doesn't matter, and was told when they were trained.
    blank = replace(config, model=replace(config.model, weights="none"))
    data = photos.data_of(series.finished[0].member, log)
    job = assemble(blank, silent, data=data, resumed=True, members=n)
    return measure_model(run, job, RunStatus.FINISHED, None, log)
