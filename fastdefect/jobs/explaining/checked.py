"""The checks of a run's maps, on photos that it decides to be defective."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastdefect.aliases import Floats32, Mask, Pixels
from fastdefect.data.reading.frame import Area
from fastdefect.explain.attention import Attention, attention_on_part
from fastdefect.explain.cam import NetworkMaps, randomised
from fastdefect.explain.checks import (
    BASELINES,
    MapChecks,
    Pointing,
    Removal,
    likeness,
    pointing,
)
from fastdefect.explain.maps import within

_COMPARED = 12  # photos whose maps are compared with those of random weights
_SEED = 0


@dataclass(frozen=True)
class CheckPhoto:
    """A photo for the checks, as the network's input, with its map.

    ``area`` is where it shows the photo, without padding; ``raw`` is 0 elsewhere. ``mask`` is where
    the defect is, None if unknown. ``part`` is the part that it shows. ``whole`` are photo and map
    in one piece, of a photo in tiles.
    """

    pixels: Pixels
    raw: Floats32
    area: Area
    mask: Mask | None
    part: str
    whole: tuple[Pixels, Floats32] | None = None

    @property
    def in_one_piece(self) -> tuple[Pixels, Floats32]:
        """The photo and its map without padding."""
        return self.whole or (self.pixels[self.area], self.raw[self.area])


def check_maps(
    photos: Sequence[CheckPhoto], removals: Sequence[Removal], maps: NetworkMaps
) -> MapChecks:
    """Check the maps of ``photos``; ``removals`` are those of the photos that are shown.

    ``maps`` is the network that made them.
    """
    compared = photos[:_COMPARED]
    return MapChecks(
        _likeness(compared, maps) if compared else None,
        len(compared),
        pointing_of(photos),
        sum(each.confirms for each in removals),
        len(removals),
    )


def _likeness(photos: Sequence[CheckPhoto], maps: NetworkMaps) -> float:
    pixels = np.stack([photo.pixels for photo in photos])
    random = NetworkMaps(randomised(maps.predictor, pixels, _SEED), maps.target, maps.method)
    pairs = zip(photos, random(pixels), strict=True)
    return float(
        np.mean([likeness(photo.raw, within(other, photo.area)) for photo, other in pairs])
    )


def pointing_of(photos: Sequence[CheckPhoto]) -> dict[str, Pointing]:
    """The pointing game of the maps and of those of ``BASELINES``; empty without masks."""
    marked = [photo for photo in photos if photo.mask is not None]
    masks = [photo.mask for photo in marked if photo.mask is not None]
    if not marked:
        return {}

    def game(draw: Callable[[Pixels], Floats32]) -> Pointing:
        return pointing([draw(photo.pixels) for photo in marked], masks)

    own = pointing([photo.raw for photo in marked], masks)
    return {"map": own, **{name: game(draw) for name, draw in BASELINES.items()}}


def attention_of(photos: Sequence[CheckPhoto]) -> Attention:
    """The share of the evidence that is on the parts."""
    return attention_on_part(
        [photo.in_one_piece[0] for photo in photos],
        [photo.in_one_piece[1] for photo in photos],
        [photo.part for photo in photos],
    )
