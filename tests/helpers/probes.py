"""The probe for shortcuts, measured once for the same photos."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest

from fastdefect.data.audit import audit
from fastdefect.data.audit.appearance import Appearance
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


def _values(look: Appearance) -> tuple[Any, ...]:
    *numbers, thumbnail = astuple(look)
    return (*numbers, thumbnail.tobytes())
