"""From the outputs of a network to decisions on photos; the same for a run and a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from fastdefect.aliases import Floats, Floats32
from fastdefect.good import Good
from fastdefect.inference.decision_rule import DecisionRule, Verdict, defect_score
from fastdefect.inference.part_decision import OfPart, OfPhoto, PartContext, decide_part
from fastdefect.inference.unlike import Reference


@dataclass(frozen=True)
class Decision:
    """The decision on one photo.

    ``decision`` is OK, look (a person decides) or reject. ``probability`` is that of a defect, and
    ``probabilities`` those of all classes, calibrated. ``label`` is the class of the decision, and
    ``defect_class`` the most probable defect; None if the photo is OK. ``likeness`` is the p-value
    of the check for photos unlike the training photos, None without this check; ``unlike`` photos
    are never OK. ``milliseconds`` is the time from the bytes to the decision. ``distance`` is that
    to the training photos, 1 being usual; None as ``likeness``.
    """

    decision: Verdict
    probability: float
    probabilities: Mapping[str, float]
    label: str
    defect_class: str | None
    unlike: bool
    likeness: float | None
    milliseconds: float
    distance: float | None = None

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {**vars(self), "probabilities": dict(self.probabilities)}


@dataclass(frozen=True)
class Judge:
    """A model's classes, rule and reference: all that decides once the network has run."""

    classes: tuple[str, ...]
    good: Good
    rule: DecisionRule
    reference: Reference | None

    def decide(
        self,
        y_prob: Floats,
        features: Floats32 | None,
        milliseconds: Sequence[float],
        products: Sequence[str | None] = (),
    ) -> list[Decision]:
        """Decide on photos by their probabilities (n, n_classes), averaged over the views.

        ``features`` (n, d) are those of the network; None leaves out the check for unlike photos.
        ``products`` (n,) are those of the photos; a rule may have a threshold for each.
        """
        calibrated = self.rule.calibrated(y_prob)
        columns = zip(
            self.rule.verdicts(calibrated, self.good, products),
            defect_score(calibrated, self.good) if self.good else np.ones(len(y_prob)),
            calibrated,
            self.rule.decide(calibrated, self.good, products),
            *self._likeness(features, len(y_prob)),
            milliseconds,
            strict=True,
        )
        return [self._decision(*row) for row in columns]

    def decide_part(
        self, photos: Sequence[OfPhoto], views: Sequence[str | None], product: str | None
    ) -> OfPart:
        """The decision on the part that ``photos`` show; see ``part_decision.decide_part``.

        ``views`` and ``product`` are as in ``PartContext``.
        """
        context = PartContext(views, product)
        return decide_part(photos, self.rule, self.classes, self.good, context)

    def _likeness(
        self, features: Floats32 | None, n: int
    ) -> tuple[Sequence[float | None], Sequence[float | None]]:
        """The p-value and the distance of each photo."""
        if self.reference is None or features is None:
            return [None] * n, [None] * n
        scores = self.reference.score(features)
        return self.reference.p_values(scores).tolist(), scores.tolist()

    def _decision(  # a row of the columns above
        self,
        verdict: Verdict,
        score: float,
        probabilities: Floats,
        label: int,
        likeness: float | None,
        distance: float | None,
        milliseconds: float,
    ) -> Decision:
        unlike = (
            self.reference is not None and likeness is not None and likeness <= self.reference.level
        )
        by_class = dict(zip(self.classes, probabilities.tolist(), strict=True))
        defects = {n: p for i, (n, p) in enumerate(by_class.items()) if i not in self.good}
        decision: Verdict = "look" if unlike else verdict
        suspected = decision != "OK" and defects
        return Decision(
            decision,
            float(score),
            MappingProxyType(by_class),
            self.classes[int(label)],
            max(defects, key=defects.__getitem__) if suspected else None,
            unlike,
            likeness,
            milliseconds,
            distance,
        )


def probabilities_of(logits: Floats32) -> Floats:
    """The probabilities (n, n_classes) of logits (n, views, n_classes): the mean over the views.

    NaN for a photo with logits that are not finite.
    """
    exact = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinity becomes NaN
        raised = np.exp(exact - exact.max(axis=2, keepdims=True))
    return np.asarray((raised / raised.sum(axis=2, keepdims=True)).mean(axis=1))
