"""From decisions on photos to the decision on the part that they show; the same everywhere."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fastdefect.good import Good
from fastdefect.inference.decision_rule import DecisionRule, Verdict, defect_score, of_part
from fastdefect.inference.part_rule import combine


class OfPhoto(Protocol):
    """What a decision on a part needs of one on a photo; the fields are as in ``Decision``.

    A photo that can't be read is ``look``, and its probability NaN.
    """

    @property
    def decision(self) -> Verdict:
        """OK, look or reject, for the photo alone."""

    @property
    def probability(self) -> float:
        """Of a defect."""

    @property
    def probabilities(self) -> Mapping[str, float]:
        """Of each class, calibrated."""

    @property
    def defect_class(self) -> str | None:
        """The most probable defect; None if the photo is OK."""

    @property
    def unlike(self) -> bool:
        """Whether the photo is unlike the training photos."""


@dataclass(frozen=True)
class OfPart:
    """The decision on a part.

    ``probability`` is its score; NaN if that of a photo is. ``defect_class`` is the most probable
    defect; None if the part is OK. ``unlike``: one of the photos is unlike the training photos.
    """

    decision: Verdict
    probability: float
    defect_class: str | None
    unlike: bool


@dataclass(frozen=True)
class PartContext:
    """What is known of a part beside its photos.

    ``views`` name the view of each photo, None if it is not known; empty if none is. ``product`` is
    what the part is, for a model with thresholds by product.
    """

    views: Sequence[str | None] = ()
    product: str | None = None


def decide_part(
    photos: Sequence[OfPhoto],
    rule: DecisionRule,
    classes: Sequence[str],
    good: Good,
    context: PartContext = PartContext(),
) -> OfPart:
    """Decide on the part that ``photos`` show, of which there is at least one.

    A ``part_rule`` combines the photos that can be believed: those with numbers that are not unlike
    the training photos. If there are others, the part is never OK: a person looks at it, unless it
    is rejected without them. Without a ``part_rule`` the part has the worst decision of its photos
    (``of_part``), and the highest score.
    """
    found = (
        _by_decisions(photos)
        if rule.combination is None
        else _by_scores(photos, rule, classes, good, context)
    )
    decision, score, defect_class = found
    return OfPart(
        decision,
        math.nan if any(math.isnan(each.probability) for each in photos) else score,
        None if decision == "OK" else defect_class,
        any(each.unlike for each in photos),
    )


_Found = tuple[Verdict, float, str | None]


def _by_decisions(photos: Sequence[OfPhoto]) -> _Found:
    decision = of_part(each.decision for each in photos)
    deciding = [each for each in photos if each.decision == decision]
    worst = max(each.probability for each in photos)
    return decision, worst, max(deciding, key=_suspicion).defect_class


def _by_scores(
    photos: Sequence[OfPhoto],
    rule: DecisionRule,
    classes: Sequence[str],
    good: Good,
    context: PartContext,
) -> _Found:
    seen = zip(photos, context.views or [None] * len(photos), strict=True)
    known = [(each, view) for each, view in seen if not math.isnan(each.probability)]
    if not known or rule.combination is None:
        return "look", math.nan, max(photos, key=_suspicion).defect_class
    sure = [(each, view) for each, view in known if not each.unlike]
    believed = sure or known
    y_prob = [[each.probabilities[name] for name in classes] for each, _ in believed]
    of_classes = combine(
        rule.combination, np.array(y_prob, np.float64), good, [view for _, view in believed]
    )
    verdict = rule.verdicts(of_classes[None], good, [context.product])[0]
    if not sure or (verdict == "OK" and len(sure) < len(photos)):
        verdict = "look"
    defects = [index for index in range(len(classes)) if index not in good]
    worst = max(defects, key=of_classes.__getitem__, default=None)
    score = float(defect_score(of_classes[None], good)[0])
    return verdict, score, None if worst is None else classes[worst]


def _suspicion(photo: OfPhoto) -> float:
    return 2.0 if math.isnan(photo.probability) else photo.probability
