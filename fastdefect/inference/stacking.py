"""A rule for parts that is learned: a logistic regression over the photos of a part.

Stacked generalization (Wolpert 1992, "Stacked generalization", Neural Networks 5) with two
features. Cameras differ: one sees reflections, and its photos of good parts have higher scores than
those of another. So the log-odds of each photo are first standardised by those of the good parts in
the same view, the z-norm of score normalisation (Jain, Nandakumar and Ross 2005, "Score
normalization in multimodal biometric systems", Pattern Recognition 38). The features of a part are
the highest and the mean of these values. A view that is missing needs no value in its place. The
number of photos is no feature: lines have parts with fewer photos than those to learn from, and a
weight of it would be extrapolated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastdefect.aliases import Floats
from fastdefect.config import FixedPartRule
from fastdefect.good import Good, p_defect

FEATURES = ("highest", "mean")
# A photo that is surer than this must not outweigh all others.
_LEAST = 1e-6


@dataclass(frozen=True)
class ViewScale:
    """Centre and deviation of the log-odds of good parts in the photos of a view."""

    view: str
    center: float
    scale: float


@dataclass(frozen=True)
class Stacking:
    """The learned rule: ``weights`` of ``FEATURES``, in log-odds of a defect.

    ``views`` are those with a scale of their own; photos of other or unknown views have ``center``
    and ``scale``, those of all views together.
    """

    center: float
    scale: float
    views: tuple[ViewScale, ...]
    weights: tuple[float, float]
    intercept: float

    def of_part(self, y_prob: Floats, good: Good, views: Sequence[str | None] = ()) -> Floats:
        """The probabilities (n_classes,) of a part, from those of its photos, (k, n_classes).

        ``views`` (k,) names the view of each photo; without them all are unknown. P(defect) is
        divided among the defects as their sums over the photos are, and P(good) among the good
        classes.
        """
        values = self.features(log_odds(y_prob, good), views)
        with np.errstate(over="ignore"):
            score = 1 / (1 + np.exp(-(values @ np.array(self.weights) + self.intercept)))
        return divided(float(score), y_prob, good)

    def features(self, odds: Floats, views: Sequence[str | None] = ()) -> Floats:
        """``FEATURES`` (2,) of a part, from the log-odds (k,) of its photos."""
        own = {each.view: (each.center, each.scale) for each in self.views}
        of_all = (self.center, self.scale)
        scales = np.array([own.get(view or "", of_all) for view in views or [None] * len(odds)])
        return features_of((odds - scales[:, 0]) / scales[:, 1])

    def as_json(self) -> dict[str, Any]:
        """All values as plain data."""
        return {**vars(self), "views": [vars(each) for each in self.views]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Stacking":
        """Read ``as_json``; raises ``ValueError``, ``KeyError`` or ``TypeError`` for other data."""
        views = [(str(each["view"]), *_scale(each)) for each in content["views"]]
        highest, mean = map(_finite, content["weights"])
        return cls(
            *_scale(content),
            tuple(ViewScale(*each) for each in views),
            (highest, mean),
            _finite(content["intercept"]),
        )


# A rule that is ready to combine: one that needs no parts to learn from, or what was learned.
ReadyRule = FixedPartRule | Stacking


def log_odds(y_prob: Floats, good: Good) -> Floats:
    """The log-odds of a defect (k,) of photos (k, n_classes), P(defect) in [1e-6, 1 - 1e-6]."""
    score = np.clip(p_defect(y_prob, good), _LEAST, 1 - _LEAST)
    return np.log(score) - np.log1p(-score)


def features_of(standardised: Floats) -> Floats:
    """``FEATURES`` (2,) of standardised log-odds (k,)."""
    in_order = np.sort(standardised)  # sums depend on the order in the last bits
    return np.array([in_order[-1], in_order.mean()])


def divided(score: float, y_prob: Floats, good: Good) -> Floats:
    """``score`` divided among the defects, and the rest among the good classes, (n_classes,).

    Each side is divided as the sums of ``y_prob`` (k, n_classes) over the photos are.
    """
    share = y_prob.sum(axis=0)
    is_good = np.isin(np.arange(len(share)), good)
    for chosen, mass in ((is_good, 1 - score), (~is_good, score)):
        total = share[chosen].sum()
        # First the shares: the inverse of a total below 1e-308 would be infinite.
        share[chosen] = share[chosen] / total * mass if total else 0.0
    return share


def _scale(content: Mapping[str, Any]) -> tuple[float, float]:
    center, scale = _finite(content["center"]), _finite(content["scale"])
    if scale <= 0:
        raise ValueError(f"Expected a positive scale, got {scale}")
    return center, scale


def _finite(value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"Expected a finite number, got {value}")
    return number
