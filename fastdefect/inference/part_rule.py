"""From the probabilities of the photos of a part to those of the part: each rule, declared once.

A part has one decision, but several photos: of several cameras, or several by one camera. In the
terms of multiple-instance learning the part is the bag and a photo an instance. A part with one
photo has the probabilities of this photo, bit by bit, except by the learned rule (``stacking``).
The result does not depend on the order of the photos.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.config import FixedPartRule, PartRule
from fastdefect.good import Good, p_defect
from fastdefect.inference.stacking import ReadyRule, Stacking, divided

DEFAULT_RULE: PartRule = "worst"


@dataclass(frozen=True)
class Combination:
    """One rule: ``about`` says what the score of a part is.

    ``combine`` takes the probabilities (k, n_classes) of two or more photos of a part and the good
    classes, of which there is at least one, and returns those of the part, (n_classes,).
    """

    about: str
    combine: Callable[[Floats, Good], Floats]


def _worst(y_prob: Floats, good: Good) -> Floats:
    """Those of the photo with the highest P(defect).

    A part is defective if any of its photos shows a defect: the standard assumption of Dietterich,
    Lathrop and Lozano-Pérez 1997, "Solving the multiple instance problem with axis-parallel
    rectangles".
    """
    return y_prob[int(p_defect(y_prob, good).argmax())]  # the first NaN, if there is one


def _mean(y_prob: Floats, good: Good) -> Floats:
    """The mean over the photos.

    The sum rule of Kittler, Hatef, Duin and Matas 1998, "On combining classifiers". One photo that
    shows a defect among many that can't show it is outvoted.
    """
    del good
    return np.asarray(y_prob.mean(axis=0))


def _noisy_or(y_prob: Floats, good: Good) -> Floats:
    """P(defect) = 1 - prod(1 - p) over the photos, each p being a photo's P(defect).

    The noisy-or of Pearl 1988, "Probabilistic reasoning in intelligent systems", for parts as in
    Maron and Lozano-Pérez 1998, "A framework for multiple-instance learning". It takes the photos
    as independent evidence, so that photos of the same place count several times. P(defect) is
    divided among the defects as their sums over the photos are, and P(good) among the good classes.
    """
    p_good = float(np.prod(np.clip(1 - p_defect(y_prob, good), 0, 1)))
    return divided(1 - p_good, y_prob, good)


PART_RULES: Mapping[FixedPartRule, Combination] = MappingProxyType(
    {
        "worst": Combination("the highest score of its photos", _worst),
        "mean": Combination("the mean score of its photos", _mean),
        "noisy-or": Combination("1 - prod(1 - score) over its photos", _noisy_or),
    }
)


def about(rule: PartRule) -> str:
    """What the score of a part is, in words."""
    if rule == "stacking":
        return "a logistic regression of the scores of its photos"
    return PART_RULES[rule].about


def combine(
    rule: ReadyRule, y_prob: Floats, good: Good, views: Sequence[str | None] = ()
) -> Floats:
    """The probabilities (n_classes,) of a part, from those of its photos, (k, n_classes).

    ``views`` (k,) name the view of each photo, None or nothing if it is not known; only the learned
    rule looks at them. NaN in a photo gives NaN. Raises ``ValueError`` without photos or without a
    good class.
    """
    if not len(y_prob) or not good:
        raise ValueError(f"Expected photos and a good class, got {len(y_prob)} photos, {good}")
    order = np.lexsort(y_prob.T)  # sums depend on the order in the last bits
    if isinstance(rule, Stacking):
        return rule.of_part(y_prob[order], good, [views[row] for row in order] if views else ())
    return y_prob[0] if len(y_prob) == 1 else PART_RULES[rule].combine(y_prob[order], good)


def combine_parts(
    rule: ReadyRule,
    y_prob: Floats,
    part: NDArray[np.int64],
    good: Good,
    views: Sequence[str | None] = (),
) -> Floats:
    """The probabilities (n_parts, n_classes) of parts, from those of their photos.

    ``y_prob`` (n, n_classes); ``part`` (n,) has the number of each photo's part, from 0 and
    without gaps; ``views`` (n,) as in ``combine``. Raises as ``combine``.
    """
    found = [
        combine(rule, y_prob[rows], good, [views[row] for row in rows] if views else ())
        for rows in photos_of_parts(part)
    ]
    return np.array(found, np.float64).reshape(len(found), y_prob.shape[1])


def photos_of_parts(part: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """The photos of each part, by its number; ``part`` (n,) as in ``combine_parts``."""
    order = np.argsort(part, kind="stable")
    starts = np.flatnonzero(np.diff(part[order])) + 1
    return np.split(order, starts) if len(order) else []
