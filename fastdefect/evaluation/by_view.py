"""The figures of the photos of each camera: a view of the part, as the user names it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.evaluation.by_part import Shown
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.statistics.rates import Rate, rate_of
from fastdefect.files import finite
from fastdefect.good import Good, is_good
from fastdefect.metrics import Weighted, measure


@dataclass(frozen=True)
class OfView:
    """The photos of one view, decided one by one; ``auc`` is NaN if they are of one class."""

    view: str
    photos: int
    parts: int
    escape: Rate
    overkill: Rate
    auc: float

    @property
    def mistakes(self) -> float:
        """The mean of escape and overkill rate; NaN if one of them is not defined."""
        return (self.escape.value + self.overkill.value) / 2

    def as_json(self) -> dict[str, Any]:
        """Counts, rates and AUC; None for NaN."""
        rates = {"escape": self.escape.as_json(), "overkill": self.overkill.as_json()}
        return finite({**vars(self), **rates})


@dataclass(frozen=True)
class ByView:
    """The figures of each view, by name. ``unknown`` counts the photos without a view."""

    views: tuple[OfView, ...]
    unknown: int

    @property
    def worst(self) -> OfView | None:
        """The view with the highest mean of escape and overkill rate; None if none has both."""
        known = [each for each in self.views if not np.isnan(each.mistakes)]
        return max(known, key=lambda each: each.mistakes, default=None)

    def as_json(self) -> dict[str, Any]:
        """All values, and the name of the worst view."""
        return {
            "worst": self.worst.view if self.worst else None,
            "unknown": self.unknown,
            "views": [each.as_json() for each in self.views],
        }


def measure_views(
    predictions: Predictions, shown: Shown, y_pred: NDArray[np.int64]
) -> ByView | None:
    """The figures of each view; None with fewer than two views, or without a good class.

    ``y_pred`` (n,) are the decisions on the photos.
    """
    names = sorted({view for view in shown.views if view is not None})
    good = predictions.good_indices
    if len(names) < 2 or not good:
        return None
    views, parts = np.array([view or "" for view in shown.views]), np.asarray(shown.parts)
    defective, passed = ~is_good(predictions.y_true, good), is_good(y_pred, good)

    def of(view: str) -> OfView:
        mine = views == view
        bad, fine = mine & defective, mine & ~defective
        return OfView(
            view,
            int(mine.sum()),
            len(np.unique(parts[mine])),
            rate_of(passed[bad], parts[bad]),
            rate_of(~passed[fine], parts[fine]),
            _auc(predictions.y_true[mine], predictions.y_prob[mine], y_pred[mine], good),
        )

    return ByView(tuple(map(of, names)), sum(view is None for view in shown.views))


def _auc(y_true: NDArray[np.int64], y_prob: Floats, y_pred: NDArray[np.int64], good: Good) -> float:
    once = np.ones((1, len(y_true)))
    return float(measure(Weighted(once, y_true, y_prob, y_pred, good))["auc"][0])
