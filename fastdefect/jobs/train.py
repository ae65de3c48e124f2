"""Train as the settings say: one network, one for each fold, several, or a final model."""

from typing import Literal

from fastdefect.config import RunConfig
from fastdefect.events import OnEvent
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.run import Run

Training = Literal["one", "folds", "ensemble", "final"]


def training_of(config: RunConfig) -> Training:
    """What ``config`` asks for; ``final`` may turn out to be ``one`` if there are few parts."""
    if config.training.final != "none":  # else without importing the job, which takes seconds
        from fastdefect.jobs.final import suits

        if suits(config):
            return "final"
    if config.training.members > 1:
        return "ensemble"
    return "folds" if config.report.folds is not None else "one"


def train(config: RunConfig, new_run: NewRun, *, on_event: OnEvent) -> Run:
    """Train a new run. Raises the errors of the job; an interrupted run can be resumed."""
    from fastdefect.jobs import cross_validate, ensemble, final, fit
    from fastdefect.training.weights import require_weights

    require_weights(config.model.weights)
    training = training_of(config)
    if training == "final":
        report = final.start(config, new_run, on_event=on_event)
        if report is not None:
            return report.series.run
    if training == "ensemble":
        return ensemble.start(config, new_run, on_event=on_event).series.run
    if training == "folds":
        return cross_validate.start(config, new_run, on_event=on_event).run
    return fit.start(config, new_run, on_event=on_event).run
