"""A threshold for each product that has enough photos; the common threshold for the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastdefect.errors import DataError
from fastdefect.evaluation.decisions.operating_point import (
    OperatingPoint,
    ScoredPhotos,
    Tally,
)
from fastdefect.text import counted

# With fewer parts of one kind a threshold follows single photos: one part in ten decides 10 %.
FEWEST_PARTS = 10


@dataclass(frozen=True)
class ProductPoint:
    """The threshold for a product, chosen on its photos, or the common one for a ``reason``.

    ``tally`` is its effect on the photos of the product; None if they are all of one kind.
    """

    product: str
    threshold: float
    reason: str
    tally: Tally | None

    @property
    def own(self) -> bool:
        """Whether the threshold was chosen on the photos of the product."""
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        """All values."""
        return {
            **{name: getattr(self, name) for name in ("product", "threshold", "own", "reason")},
            "tally": self.tally.as_json() if self.tally else None,
        }


def choose_by_product(
    photos: ScoredPhotos,
    products: Sequence[str | None],
    common: float,
    choose: Callable[[ScoredPhotos], OperatingPoint],
) -> tuple[ProductPoint, ...]:
    """The threshold of each of the (n,) ``products``, by name; photos without one are left out.

    ``choose`` gives the operating point on photos, and raises ``DataError`` if these can't support
    it. A product with fewer than ``FEWEST_PARTS`` defective or good parts is not asked.
    """
    of = np.array([name or "" for name in products])
    return tuple(
        _point(name, _only(photos, of == name), common, choose) for name in sorted(set(of) - {""})
    )


def _point(
    name: str,
    photos: "_Photos",
    common: float,
    choose: Callable[[ScoredPhotos], OperatingPoint],
) -> ProductPoint:
    for kind, n_parts in (("defective", photos.n_defective), ("good", photos.n_good)):
        if n_parts < FEWEST_PARTS:
            reason = f"{counted(n_parts, f'{kind} part')}, {FEWEST_PARTS} are needed"
            tally = photos.scored.tally(common) if photos.scored else None
            return ProductPoint(name, common, reason, tally)
    if photos.scored is None:
        raise ValueError(f"Expected defective and good photos of {name}")
    try:
        point = choose(photos.scored)
    except DataError as error:
        return ProductPoint(name, common, error.message, photos.scored.tally(common))
    return ProductPoint(name, point.threshold, "", point.tally)


@dataclass(frozen=True)
class _Photos:
    """The photos of a product; ``scored`` is None if they are all of one kind."""

    scored: ScoredPhotos | None
    n_defective: int
    n_good: int


def _only(photos: ScoredPhotos, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> _Photos:
    defective, parts = photos.defective[chosen], np.asarray(photos.parts)[chosen]
    n_defective, n_good = len(set(parts[defective])), len(set(parts[~defective]))
    both = n_defective and n_good
    scored = ScoredPhotos(defective, photos.score[chosen], parts.tolist()) if both else None
    return _Photos(scored, n_defective, n_good)
