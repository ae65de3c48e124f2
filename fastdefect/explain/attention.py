"""How much of the evidence is on the part, and not on the background."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastdefect.aliases import Floats32, Interval, Mask, Pixels
from fastdefect.data.outline import part_of, share_on
from fastdefect.evaluation.statistics.intervals import (
    BOOTSTRAP_SEED,
    draw_weights,
    percentile_interval,
)
from fastdefect.text import counted

_DRAWS = 2000
_SPREAD = 0.25  # of the usual area of a part


@dataclass(frozen=True)
class Attention:
    """The mean share of the evidence on the part, of ``n`` photos of ``parts`` parts.

    ``area`` is the mean share of the photo that shows the part: the share of a map without any
    preference. ``interval`` is over parts; None with too few. ``unclear`` photos have no outline,
    one of another size than most, or no evidence, and do not count. ``share`` and ``area`` are None
    if at least half are unclear.
    """

    share: float | None
    interval: Interval | None
    area: float | None
    n: int
    parts: int
    unclear: int

    @property
    def reason(self) -> str:
        """Why there is no share, in words; empty if there is one."""
        if self.share is not None:
            return ""
        if not self.unclear:
            return "no photo of a defect is rejected"
        of = counted(self.n + self.unclear, "photo")
        return f"the outline of the part is unclear in {self.unclear} of {of}"

    def as_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "share_on_part": self.share,
            "interval": self.interval,
            "area_of_part": self.area,
            "photos": self.n,
            "parts": self.parts,
            "unclear": self.unclear,
            "reason": self.reason,
        }


def attention_on_part(
    pixels: Sequence[Pixels], maps: Sequence[Floats32], parts: Sequence[str]
) -> Attention:
    """The attention in photos (h, w, 3) by their maps (h, w).

    ``parts`` names the part of each photo.
    """
    masks = _alike([part_of(photo) for photo in pixels])
    shares, areas, counted = [], [], []
    for mask, raw, part in zip(masks, maps, parts, strict=True):
        share = None if mask is None else share_on(raw, mask)
        if mask is not None and share is not None:
            shares.append(share)
            areas.append(float(mask.mean()))
            counted.append(part)
    n, n_parts, unclear = len(shares), len(set(counted)), len(pixels) - len(shares)
    if unclear >= n:
        return Attention(None, None, None, n, n_parts, unclear)
    values = np.array(shares)
    drawn = [
        weights @ values / weights.sum(axis=1)
        for weights in draw_weights(counted, draws=_DRAWS, seed=BOOTSTRAP_SEED)
    ]
    interval = percentile_interval(np.concatenate(drawn))
    return Attention(float(values.mean()), interval, float(np.mean(areas)), n, n_parts, unclear)


def _alike(masks: Sequence[Mask | None]) -> list[Mask | None]:
    """The outlines of about the usual size; None for the others.

    The photos of a line show parts of one size. An outline of another size is that of a hole, a
    shadow or a ring.
    """
    areas = [float(mask.mean()) for mask in masks if mask is not None]
    usual = float(np.median(areas)) if areas else 0.0
    return [
        mask if mask is not None and abs(mask.mean() - usual) <= _SPREAD * usual else None
        for mask in masks
    ]
