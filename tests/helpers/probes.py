"""The probe for shortcuts, measured once for the same photos."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fastdefect.aliases import Floats
from fastdefect.data.audit import audit, shortcuts
from fastdefect.data.audit.appearance import Appearance
from fastdefect.data.audit.shortcut_probe import Outcome, Trial, try_table
from fastdefect.data.audit.shortcuts import Probe, probe_shortcuts
from fastdefect.data.photos import Photo


@contextmanager
def shortcuts_probed_once() -> Iterator[None]:
    """Read the same photos again without a new probe, which is most of the time of an audit.

    The result is the same: the probe depends on its arguments alone, and not on where the folder
    of the photos is.
    """
    known: dict[Any, list[Probe]] = {}

    def probe(
        photos: Sequence[Photo],
        looks: Sequence[Appearance],
        parts: Sequence[str],
        classes: Sequence[str],
        *,
        seed: int,
    ) -> list[Probe]:
        key = (
            tuple(replace(photo, path=Path(), mask=None) for photo in photos),
            tuple(_values(look) for look in looks),
            (tuple(parts), tuple(classes), seed),
        )
        if key not in known:
            known[key] = probe_shortcuts(photos, looks, parts, classes, seed=seed)
        return list(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "probe_shortcuts", probe)
        yield


@contextmanager
def tables_tried_once() -> Iterator[None]:
    """Measure the same table on the same folds and labels again without new models.

    Scenes that differ in one aspect have the tables of all others in common. The result is the
    same: a seed in the arguments determines it.
    """
    known: dict[Any, Outcome] = {}

    def tried(table: Floats, trial: Trial) -> Outcome:
        arrays = (table, trial.part, trial.truth, trial.shuffled, trial.weights)
        folds = [indices for fold in trial.folds for indices in fold]
        digests = (sha256(array.tobytes()).digest() for array in (*arrays, *folds))
        key = (table.shape, trial.seed, *digests)
        if key not in known:
            known[key] = try_table(table, trial)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcuts, "try_table", tried)
        yield


def _values(look: Appearance) -> tuple[Any, ...]:
    *numbers, thumbnail = astuple(look)
    return (*numbers, thumbnail.tobytes())
