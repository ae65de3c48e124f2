"""The views that a network takes as an input (``--view-input``), and what is reported of them."""

from collections import Counter

import numpy as np

from fastdefect.config import MOST_VIEWS, DataConfig
from fastdefect.data.audit.shortcuts import probe_table
from fastdefect.data.reading.view_input import one_hot, without_view
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent
from fastdefect.text import counted, first


def views_of_input(config: DataConfig, data: TrainingData) -> tuple[str, ...]:
    """The views that the network of a training takes as an input; empty without ``--view-input``.

    They are those of all sides, so that the networks of a series have the same input. Raises
    ``DataError`` if the training photos have fewer than two.
    """
    if not config.view_input:
        return ()
    split = data.split
    trained = {view for view in data.views(split.train) if view is not None}
    if len(trained) < 2:
        found = f"only {first(sorted(trained))}" if trained else "no known view"
        raise DataError(
            f"--view-input: expected photos of two views or more to train on, but found {found}.",
            "Name the view of each photo in a column view of the CSV, or by --view-from REGEX, or "
            "train without this input: --no-view-input.",
        )
    sides = (*split.train, *split.valid, *split.test)
    known = sorted({view for view in data.views(sides) if view is not None})
    if len(known) > MOST_VIEWS:
        raise DataError(
            f"--view-input: expected up to {MOST_VIEWS} views, but found {len(known)}: "
            f"{first(known)}.",
            "A view is a camera or a side of the part, not a photo: check --view-from.",
        )
    return tuple(known)


def report_views(known: tuple[str, ...], data: TrainingData, seed: int, on_event: OnEvent) -> None:
    """Report the training photos of each view, and warn if the view alone predicts the class.

    The view is then a shortcut, as in the audit, which the network would use.
    """
    if not known:
        return
    side = data.split.train
    views = data.views(side)
    counts = Counter(views)
    shown = ", ".join(f"{view} {counts[view]}" for view in known)
    unknown = f", {counts[None]} without a view" if counts[None] else ""
    held_out = data.views(data.split.valid)
    if n := without_view(known, held_out):
        unknown += f"; {n} of {counted(len(held_out), 'photo')} of valid without a view"
    on_event(Note(f"The view is an input of the network. Photos of train: {shown}{unknown}."))
    if untrained := [view for view in known if not counts[view]]:
        text = (
            f"No training photo shows {first(untrained)}: the network decides on these photos as "
            "on photos without a view."
        )
        on_event(Note(text, "warning"))
    labels = data.manifest.labels[list(side)]
    parts = [data.split.parts[index] for index in side]
    table = one_hot(known, views).astype(np.float64)
    probe = probe_table("the view", table, labels, parts, seed=seed)
    if probe is not None and probe.tells:
        text = (
            f"The class can be predicted from the view alone: AUC {probe.auc:.2f} "
            f"[{probe.interval[0]:.2f}, {probe.interval[1]:.2f}]. With --view-input the network "
            "learns this, whatever the part shows. Photograph good and defective parts from all "
            "views, or train with --no-view-input."
        )
        on_event(Note(text, "warning"))
