"""The figures of a model by product, where one folder has the photos of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.statistics.areas import area_over_parts
from fastdefect.evaluation.statistics.rates import Rate, rate_of
from fastdefect.files import finite

UNKNOWN = "(unknown)"  # the photos of no known product


@dataclass(frozen=True)
class ProductFigures:
    """What a model does with the photos of one product.

    ``escape`` refers to the defective photos, ``overkill`` to the good ones; ``auc`` is NaN without
    both. ``trained`` counts the product's training photos; None if they are not known.
    """

    name: str
    photos: int
    parts: int
    escape: Rate
    overkill: Rate
    auc: float
    auc_interval: Interval | None
    trained: int | None

    def as_json(self) -> dict[str, Any]:
        """All values as plain data; None for NaN."""
        return {
            **{name: getattr(self, name) for name in ("name", "photos", "parts", "trained")},
            "escape": self.escape.as_json(),
            "overkill": self.overkill.as_json(),
            "auc": finite({"value": self.auc, "interval": self.auc_interval}),
        }


@dataclass(frozen=True)
class DecidedPhotos:
    """The truth and the decision of each photo, (n,), with its P(defect) and its part."""

    defective: NDArray[np.bool_]
    passed: NDArray[np.bool_]
    score: Floats
    parts: NDArray[np.str_]


def figures_by_product(
    products: Sequence[str | None], photos: DecidedPhotos, trained: Mapping[str, int] | None
) -> tuple[ProductFigures, ...]:
    """The figures of each of the (n,) ``products``, by name; empty if no product is known.

    ``trained`` counts the training photos by product, None if they are not known. Photos without a
    product are the last, as ``UNKNOWN``.
    """
    known = sorted({name for name in products if name})
    if not known:
        return ()
    of = np.array([name or UNKNOWN for name in products])
    names = [*known, *([UNKNOWN] if UNKNOWN in of else [])]
    return tuple(_figures(name, of == name, photos, trained) for name in names)


def worst_of(figures: Sequence[ProductFigures]) -> ProductFigures | None:
    """The product with the highest escape rate; None if no two products have defective photos."""
    judged = [each for each in figures if each.escape.photos and each.name != UNKNOWN]
    if len(judged) < 2:
        return None
    return max(judged, key=lambda each: (each.escape.value, each.overkill.count))


def _figures(
    name: str,
    chosen: NDArray[np.bool_],
    photos: DecidedPhotos,
    trained: Mapping[str, int] | None,
) -> ProductFigures:
    bad, good = photos.defective & chosen, ~photos.defective & chosen
    auc, interval = area_over_parts(
        photos.score[chosen], photos.defective[chosen], photos.parts[chosen]
    )
    return ProductFigures(
        name,
        int(chosen.sum()),
        len(set(photos.parts[chosen])),
        rate_of(photos.passed[bad], photos.parts[bad]),
        rate_of(~photos.passed[good], photos.parts[good]),
        auc,
        interval,
        None if trained is None or name == UNKNOWN else trained.get(name, 0),
    )
