"""How much of the evidence is on the part, and not on the background."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastdefect.aliases import Floats32, Interval, Pixels
from fastdefect.evaluation.statistics.intervals import draw_weights, percentile_interval
from fastdefect.explain.outline import part_of, share_on

_DRAWS, _SEED = 2000, 0


@dataclass(frozen=True)
class Attention:
    """The mean share of the evidence on the part, of ``n`` photos.

    ``area`` is the mean share of the photo that shows the part: the share of a map without any
    preference. ``interval`` is over parts; None if it tells nothing. ``unclear`` photos have no
    outline, or no evidence, and do not count.
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
    """The attention in photos (size, size, 3) by their maps; None if no outline is clear.

    ``parts`` names the part of each photo.
    """
    shares, areas, counted = [], [], []
    for photo, raw, part in zip(pixels, maps, parts, strict=True):
        mask = part_of(photo)
        share = None if mask is None else share_on(raw, mask)
        if mask is not None and share is not None:
            shares.append(share)
            areas.append(float(mask.mean()))
            counted.append(part)
    if not shares:
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
