"""Searches whose trainings are played, with mistakes that are known."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.events import silent
from fastdefect.jobs import tune as job
from fastdefect.jobs.series import members as series_members
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.tune import TuneReport, TuneRequest
from fastdefect.run import Run

TRAINING = 10.0  # seconds that each takes


def mistakes(name: str, config: RunConfig) -> int:
    """The nearer the learning rate is to 0.002 the fewer; MixUp costs one more."""
    far = abs(math.log(config.training.learning_rate / 0.002))
    return round(3 * far) + (config.training.mixup_alpha > 0)


def start_search(config: RunConfig, runs: Path, name: str = "t", **criteria: Any) -> TuneReport:
    criteria = {"minutes": 1000.0, "trials": 12, **criteria}
    return job.start(
        config,
        TuneRequest(**criteria),
        NewRun(runs, name, "fastdefect tune"),
        on_event=silent,
    )


def resume_search(run: Run, minutes: float | None = None, trials: int | None = None) -> TuneReport:
    return job.resume(run, minutes=minutes, trials=trials, on_event=silent)


def plain_trials(report: TuneReport) -> list[Any]:
    """Its trials without the seconds."""
    return [
        {
            **trial.as_json(),
            "trainings": [{**vars(each), "seconds": 0} for each in trial.trainings],
        }
        for trial in report.trials
    ]


def _at(count: int, then: Callable[[Run], None]) -> Callable[..., Any]:
    """``begin`` that does something at its ``count``-th call, before it trains."""
    calls = [0]
    train = series_members.begin

    def begin(run: Run, *others: Any) -> Any:
        calls[0] += 1
        if calls[0] == count:
            then(run)
        return train(run, *others)

    return begin
