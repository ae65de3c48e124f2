"""Whether heat maps are true: figures of maps against marked places, and against the network.

All maps and masks are (h, w), in the network's input. Values of a map are 0 or more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32, Mask, Pixels
from fastdefect.data.reading.frame import Area
from fastdefect.explain.maps import WHOLE, hot_place, within
from fastdefect.explain.occlusion import Score, without

_TOLERANCE = 0.03  # of the side; Zhang et al. allow 15 pixels of some 500
_MARGIN = 0.02  # of the side, around a place that is hidden
_STEPS = 10  # of the deletion and insertion curves
_HALF = 0.5  # of the photo: more can't be filled from its surroundings
_GRID = 20  # points a side at which maps are ranked
# Adebayo et al. name no limit. Above this one, two maps share more than a quarter of the variance
# of their ranks.
MOST_ALIKE = 0.5


def points_inside(values: Floats32, mask: Mask) -> bool:
    """The pointing game: whether the highest value is in the mask, or next to it.

    Zhang et al. 2018, "Top-down neural attention by excitation backprop".
    """
    if not values.max() > 0:
        return False
    reach = max(1, round(_TOLERANCE * min(values.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = cv2.dilate(mask.astype(np.uint8), disc) > 0
    return bool(near[np.unravel_index(int(values.argmax()), values.shape)])


def mass_inside(values: Floats32, mask: Mask) -> float:
    """The share of the evidence in the mask; that of the mask in the photo is chance."""
    total = float(values.sum())
    return float(values[mask].sum()) / total if total > 0 else 0.0


def likeness(one: Floats32, other: Floats32) -> float:
    """The absolute rank correlation of two maps, at 20 by 20 points; 0 if one is constant.

    Adebayo et al. 2018, "Sanity checks for saliency maps": the map of a network with random weights
    must not be like that of the trained one.
    """
    ranks, others = (
        _ranks(cv2.resize(each, (_GRID, _GRID), interpolation=cv2.INTER_AREA))
        for each in (one, other)
    )
    if ranks.std() == 0 or others.std() == 0:
        return 0.0
    return float(abs(np.corrcoef(ranks, others)[0, 1]))


def _ranks(values: NDArray[Any]) -> Floats:
    """The ranks of values; equal ones have their mean rank."""
    _, position, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[position])


def deletion(photo: Pixels, values: Floats32, probability: Score) -> float:
    """The mean probability while the strongest half is hidden step by step; low is good.

    Petsiuk et al. 2018, "RISE". The surroundings are continued into a hidden place.
    """
    places = _strongest(values)
    hidden = [photo, *(without(photo, place) for place in places)]
    return _mean(probability(np.stack(hidden)))


def insertion(photo: Pixels, values: Floats32, probability: Score, start: Pixels) -> float:
    """The mean probability while the strongest half is put into ``start`` by steps; high is good.

    ``start`` is the same part without the defect. Petsiuk et al. start with a blurred photo, which
    a network can take for a defect: then every map has the same value.
    """
    shown = [np.where(place[..., None], photo, start) for place in _strongest(values)]
    return _mean(probability(np.stack([start, *shown])))


def _strongest(values: Floats32) -> list[Mask]:
    """The strongest places of a map: 1 / 20 of the photo, 2 / 20, ... up to half of it."""
    order = np.argsort(-values, axis=None, kind="stable")
    places = []
    for step in range(1, _STEPS + 1):
        place = np.zeros(values.size, bool)
        place[order[: round(_HALF * step / _STEPS * values.size)]] = True
        places.append(place.reshape(values.shape))
    return places


def _mean(curve: Floats) -> float:
    return float(np.trapezoid(curve, dx=1 / _STEPS))


@dataclass(frozen=True)
class Removal:
    """What the log odds lose if the place that the map shows is hidden.

    ``of_place`` is their fall, ``elsewhere`` the largest fall where a place of the same shape is
    hidden in three other parts of the photo.
    """

    of_place: float
    elsewhere: float

    @property
    def confirms(self) -> bool:
        """Whether the place counts more than the others."""
        return self.of_place > max(self.elsewhere, 0)


def remove_place(photo: Pixels, values: Floats32, score: Score, area: Area = WHOLE) -> Removal:
    """Hide the strongest place of a map, and the same shape half a photo away.

    All places are in the ``area`` that shows the photo: hidden padding would change nothing.
    """
    reach = max(1, round(_MARGIN * min(photo.shape[:2])))
    around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    place = within(cv2.dilate(hot_place(values).astype(np.uint8), around) > 0, area)
    down, across = (side // 2 for side in place[area].shape)
    moved = [np.zeros_like(place) for _ in range(3)]
    for other, by in zip(moved, ((down, 0), (0, across), (down, across)), strict=True):
        other[area] = np.roll(place[area], by, axis=(0, 1))
    scores = score(np.stack([photo, *(without(photo, each) for each in (place, *moved))]))
    falls = scores[0] - scores[1:]
    return Removal(float(falls[0]), float(falls[1:].max()))


# ---- maps that do not depend on the network ------------------------------------------------


def random_map(photo: Pixels, seed: int = 0) -> Floats32:
    """Smooth noise, from the bytes of the photo and ``seed``."""
    rng = np.random.default_rng([seed, int(photo.sum(dtype=np.int64))])
    noise = rng.random((5, 5), np.float32)
    shape = photo.shape[1::-1]
    return np.maximum(cv2.resize(noise, shape, interpolation=cv2.INTER_CUBIC), 0)


def centre_map(photo: Pixels) -> Floats32:
    """A round spot in the middle."""
    down, across = (np.linspace(-1, 1, side, dtype=np.float32) for side in photo.shape[:2])
    return np.exp(-4 * (down[:, None] ** 2 + across[None] ** 2)).astype(np.float32)


def edge_map(photo: Pixels) -> Floats32:
    """The strength of edges (Sobel), a little smoothed."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1))
    return np.asarray(cv2.GaussianBlur(edges, (0, 0), min(photo.shape[:2]) / 60), np.float32)


BASELINES: Mapping[str, Callable[[Pixels], Floats32]] = MappingProxyType(
    {"random noise": random_map, "the middle": centre_map, "edges (Sobel)": edge_map}
)


# ---- the checks of one method --------------------------------------------------------------


@dataclass(frozen=True)
class Pointing:
    """The pointing game of one kind of map: ``hits`` of ``n`` photos, and the mean mass inside."""

    hits: int
    n: int
    mass: float

    @property
    def rate(self) -> float:
        """The share of hits."""
        return self.hits / self.n if self.n else 0.0


def pointing(maps: Sequence[Floats32], masks: Sequence[Mask]) -> Pointing:
    """The pointing game of maps against the masks of their photos."""
    pairs = list(zip(maps, masks, strict=True))
    mass = float(np.mean([mass_inside(*pair) for pair in pairs])) if pairs else 0.0
    return Pointing(sum(points_inside(*pair) for pair in pairs), len(pairs), mass)


@dataclass(frozen=True)
class MapChecks:
    """The checks of the maps of a network by one method.

    ``likeness`` is the mean rank correlation with the maps of random weights, of ``n_alike``
    photos; None without a network inside, as in a bundle. ``pointing`` is by kind of map, the
    method itself as ``map``; empty without marked photos. ``confirmed`` of ``n_removed`` photos
    lose more where their place is hidden than where another place is.
    """

    likeness: float | None
    n_alike: int
    pointing: Mapping[str, Pointing]
    confirmed: int
    n_removed: int

    @property
    def failures(self) -> tuple[str, ...]:
        """What the maps do not pass, in words; empty if they pass."""
        found = []
        if self.likeness is not None and self.likeness > MOST_ALIKE:
            found.append(
                f"maps of random weights are like these (rank correlation {self.likeness:.2f})"
            )
        if self.pointing:
            own = self.pointing["map"]
            name, best = max(
                ((n, p) for n, p in self.pointing.items() if n != "map"), key=lambda x: x[1].rate
            )
            if own.rate <= best.rate:
                found.append(
                    f"they hit {own.hits} of {own.n} marked defects, no more than a map of "
                    f"{name} ({best.hits})"
                )
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "likeness_random_weights": self.likeness,
            "likeness_photos": self.n_alike,
            "pointing": {
                name: {"hits": p.hits, "photos": p.n, "rate": p.rate, "mass_inside": p.mass}
                for name, p in self.pointing.items()
            },
            "places_confirmed": self.confirmed,
            "places_checked": self.n_removed,
            "failures": list(self.failures),
        }
