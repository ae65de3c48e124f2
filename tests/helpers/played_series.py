"""A series whose members are played by a script."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.data.splitting.split import split_rows
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DivergedError
from fastdefect.events import EpochDone, Event, Note, Progress
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Series,
    SeriesReport,
    create_series,
    run_series,
)
from fastdefect.jobs.training.interrupt import StopRequested
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.run import Run, RunKind, RunStatus


@dataclass
class Job:
    """What ``assemble`` hands to ``begin`` here."""

    config: RunConfig
    data: TrainingData


@dataclass
class Played:
    """Trainings that take no time; ``ends`` says how each of a name ends, if not well."""

    ends: dict[str, str | BaseException] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    data: dict[str, TrainingData] = field(default_factory=dict)
    told: list[Event] = field(default_factory=list)
    interrupted_at_the_end: set[str] = field(default_factory=set)
    seconds: float = 0.0
    now: float = 1000.0

    def assemble(self, config: RunConfig, log: Log, *, data: TrainingData) -> Job:
        log(Note("Weights: random."))
        return Job(config, data)

    def begin(self, run: Run, job: Job, log: Log, stop: StopRequested) -> Any:
        self.begun.append(run.name)
        self.data[run.name] = job.data
        run.write("split.csv", split_rows(job.data.manifest, job.data.split))
        return self._end(run, log, self.ends.get(run.name, RunStatus.FINISHED), stop)

    def reassemble(self, run: Run, log: Log, data: TrainingData) -> tuple[Job, str]:
        return Job(run.read_config(), data), "checkpoint"

    def go_on(self, run: Run, job: Job, checkpoint: str, log: Log, stop: StopRequested) -> Any:
        self.resumed.append(run.name)
        self.data[run.name] = job.data
        return self._end(run, log, RunStatus.FINISHED, stop)

    def _end(self, run: Run, log: Log, reason: str | BaseException, stop: StopRequested) -> Any:
        run.path("checkpoint.safetensors").touch()
        for _ in range(10):  # batches
            self.now += self.seconds / 10
            if stop():
                reason = RunStatus.INTERRUPTED
                break
        if run.name in self.interrupted_at_the_end:
            signal.raise_signal(signal.SIGINT)
        log(EpochDone({"epoch": 1}, True))
        log(Progress("measuring valid", 1, 1))
        if isinstance(reason, DivergedError):
            run.update_state(status=RunStatus.DIVERGED)
        if isinstance(reason, BaseException):
            raise reason
        run.update_state(status=reason)
        if reason != RunStatus.INTERRUPTED:
            run.put("metrics.json", "valid", {"f1": 0.9})
        return Ended(reason)


@dataclass
class Ended:
    reason: str


def with_section(config: RunConfig, section: str, **changes: Any) -> RunConfig:
    return replace(config, **{section: replace(getattr(config, section), **changes)})


def members_of(config: RunConfig, *names: str) -> list[Member]:
    return [Member(name, config) for name in names]


def create(runs: Path, config: RunConfig, members: Sequence[Member], photos: SeriesPhotos) -> Run:
    return create_series(
        RunKind.LEARNING_CURVE,
        config,
        members,
        photos,
        NewRun(runs, "many", "fastdefect learning-curve"),
        {"names": [member.name for member in members]},
    )


def run_members(
    parent: Run,
    members: Sequence[Member],
    photos: SeriesPhotos,
    played: Played,
    minutes: float | None = None,
) -> SeriesReport:
    series = Series(parent, members, photos, Log(played.told.append))
    return run_series(series, Budget(minutes))


def texts_of(played: Played) -> list[str]:
    return [event.text for event in played.told if isinstance(event, Note)]
