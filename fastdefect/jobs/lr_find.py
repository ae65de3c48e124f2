"""``fastdefect lr-find``: suggest a learning rate from a hundred batches."""

from dataclasses import dataclass
from pathlib import Path

import torch
from fastai.callback.schedule import valley

from fastdefect.config import RunConfig
from fastdefect.events import OnEvent
from fastdefect.files import written_to
from fastdefect.jobs.training.assemble import assemble
from fastdefect.jobs.training.one_epoch import refuse_one_epoch
from fastdefect.jobs.training.parent import refuse_parent
from fastdefect.reporting.plots.fit import plot_lr_find
from fastdefect.scratch import Scratch


@dataclass(frozen=True)
class LrReport:
    """The suggested learning rate, and the plot of its curve."""

    suggestion: float
    plot: Path


def lr_find(config: RunConfig, *, out: Path, on_event: OnEvent) -> LrReport:
    """Raise the learning rate batch by batch (Smith 2017) and suggest one from the valley.

    The search trains its own model and writes no run: fastai's search changes the state of a model.
    """
    refuse_one_epoch(config)
    refuse_parent(config)
    with written_to(out):  # before the search, which takes minutes
        out.parent.mkdir(parents=True, exist_ok=True)
    with Scratch() as scratch:
        learn = assemble(config, on_event).learn
        learn.path = scratch.folder  # fastai stores the first weights there
        torch.manual_seed(config.training.seed)
        suggestion = float(learn.lr_find(suggest_funcs=valley, show_plot=False).valley)
    losses = [float(loss) for loss in learn.recorder.losses]
    with written_to(out):
        plot_lr_find([float(rate) for rate in learn.recorder.lrs], losses, suggestion, out)
    return LrReport(suggestion, out)
