"""How much of the evidence is on the part, and not on the background."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats32, Interval, Pixels
from fastdefect.evaluation.statistics.intervals import draw_weights, percentile_interval
from fastdefect.explain.outline import part_of, share_on

Mask = NDArray[np.bool_]

_DRAWS, _SEED = 2000, 0
_SPREAD = 0.25  # of the usual area of a part


@dataclass(frozen=True)
class Attention:
    """The mean share of the evidence on the part, of ``n`` photos.

    ``area`` is the mean share of the photo that shows the part: the share of a map without any
    preference. ``interval`` is over parts; None if it tells nothing. ``unclear`` photos have no
    outline, one of another size than most, or no evidence, and do not count.
    """

    share: float
    interval: Interval | None
    area: float
    n: int
    unclear: int

    def as_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "share_on_part": self.share,
            "interval": self.interval,
            "area_of_part": self.area,
            "photos": self.n,
            "unclear": self.unclear,
        }


def attention_on_part(
    pixels: Sequence[Pixels], maps: Sequence[Floats32], parts: Sequence[str]
) -> Attention | None:
    """The attention in photos (size, size, 3) by their maps; None if half are unclear, or more.

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
    if not shares or 2 * sum(mask is None for mask in masks) >= len(masks):
        return None
    values = np.array(shares)
    drawn = [
        weights @ values / weights.sum(axis=1)
        for weights in draw_weights(counted, draws=_DRAWS, seed=_SEED)
    ]
    return Attention(
        float(values.mean()),
        percentile_interval(np.concatenate(drawn)),
        float(np.mean(areas)),
        len(shares),
        len(pixels) - len(shares),
    )


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
