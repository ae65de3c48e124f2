"""From probabilities to decisions: a model's temperature, its threshold or review band."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.config import PartRule, Unit
from fastdefect.good import Good, p_defect
from fastdefect.inference.stacking import ReadyRule, Stacking

Labels = NDArray[np.int64]
Verdict = Literal["OK", "look", "reject"]
# From the most to the least certain to be good; a part has the last of its photos.
DECISIONS: tuple[Verdict, ...] = get_args(Verdict)

# Lower probabilities are set to this value, as in the log loss, because log(0) is infinite.
TINY = float(np.finfo(np.float64).eps)


def of_part(decisions: Iterable[Verdict]) -> Verdict:
    """The decision on a part, from those on its photos; OK without photos.

    A part is rejected if one of its photos is rejected. Otherwise a person looks at it if one of
    its photos is look. Otherwise it is OK.
    """
    return DECISIONS[max((DECISIONS.index(each) for each in decisions), default=0)]


@dataclass(frozen=True)
class DecisionRule:
    """The rule that turns probabilities, averaged over ``views``, into the decision on a unit.

    The probabilities are calibrated with ``temperature`` first. A photo with a score, 1 - P(good),
    below ``threshold`` is passed as its most probable good class; any other is rejected as its most
    probable defect. Without a threshold the most probable class is the decision. With a ``high``
    above the threshold, a photo between the two goes to a person for review: it is not passed, and
    its rejection is not final. ``rule`` describes the origin of the values. ``products`` are names
    of products that have a threshold of their own, each with it; there is then no ``high``.

    The unit is a photo, or a part if there is a ``part_rule``: the probabilities of its photos are
    combined by it (``part_rule.combine``) after the calibration; ``stacking`` is what the rule of
    this name learned. The values are then for parts, and a photo alone is decided by its own score
    at the same values.
    """

    views: str
    temperature: float
    threshold: float | None
    high: float | None
    rule: str
    part_rule: PartRule | None = None
    products: tuple[tuple[str, float], ...] = ()
    stacking: Stacking | None = None

    def __post_init__(self) -> None:
        if (self.part_rule == "stacking") != (self.stacking is not None):
            raise ValueError(f"Expected a learned rule for stacking alone, got {self.part_rule}")

    @property
    def combination(self) -> ReadyRule | None:
        """How the photos of a part are combined; None if photos are decided."""
        return self.part_rule if self.part_rule != "stacking" else self.stacking

    @property
    def unit(self) -> Unit:
        """What one decision is about."""
        return "photo" if self.part_rule is None else "part"

    @property
    def has_band(self) -> bool:
        """Whether some photos go to review by a person."""
        return self.high is not None and self.threshold is not None and self.high > self.threshold

    def calibrated(self, y_prob: Floats) -> Floats:
        """The probabilities (n, n_classes) at the model's temperature."""
        return calibrated(y_prob, self.temperature)

    def limits(self, products: Sequence[str | None]) -> float | Floats | None:
        """The threshold, or with ``products`` (n,) that of each photo; None without a threshold.

        A product without a threshold of its own, or that is not known, has the common one.
        """
        if self.threshold is None or not self.products or not products:
            return self.threshold
        own = dict(self.products)
        return np.array([own.get(name or "", self.threshold) for name in products])

    def decide(self, calibrated: Floats, good: Good, products: Sequence[str | None] = ()) -> Labels:
        """(n,) class indices; ``calibrated`` (n, n_classes) is the result of ``calibrated``.

        ``products`` (n,) are those of the photos; without them the common threshold decides.
        """
        limits = self.limits(products)
        if limits is None or not good:
            return calibrated.argmax(axis=1)
        defects = calibrated.copy()
        defects[:, list(good)] = -1
        passed_as = np.array(good)[calibrated[:, list(good)].argmax(axis=1)]
        passed = defect_score(calibrated, good) < limits
        return np.where(passed, passed_as, defects.argmax(axis=1))

    def verdicts(
        self, calibrated: Floats, good: Good, products: Sequence[str | None] = ()
    ) -> list[Verdict]:
        """``OK``, ``look`` (in the review band) or ``reject`` for each photo.

        ``calibrated`` and ``products`` are as in ``decide``. Without a good class every
        photo is rejected. A photo with NaN is never ``OK``: a person looks at it.
        """
        defective = np.ones(calibrated.shape[1], bool)  # by class
        defective[list(good)] = False
        rejected = defective[self.decide(calibrated, good, products)]
        look = np.zeros(len(calibrated), bool)
        if good and self.high is not None and self.has_band:
            look = rejected & (defect_score(calibrated, good) < self.high)
        look |= ~np.isfinite(calibrated).all(axis=1)
        return [
            "look" if review else "reject" if bad else "OK"
            for bad, review in zip(rejected, look, strict=True)
        ]

    def as_json(self) -> dict[str, Any]:
        """All fields; without what an earlier version does not know, if it is not used."""
        known = dict(vars(self))
        later = {name: known.pop(name) for name in ("part_rule", "products", "stacking")}
        if self.stacking is not None:
            later["stacking"] = self.stacking.as_json()
        return known | {name: value for name, value in later.items() if value}


def calibrated(y_prob: Floats, temperature: float) -> Floats:
    """The probabilities (n, n_classes) at ``temperature``; at 1 they are unchanged, bit by bit.

    A threshold must be chosen on exactly the values that it is applied to later.
    """
    return y_prob if temperature == 1 else apply_temperature(y_prob, temperature)


def defect_score(y_prob: Floats, good: Good) -> Floats:
    """P(defect) = 1 - P(good) of each photo, (n,) in [0, 1]; P(good) is of all good classes."""
    return np.clip(p_defect(y_prob, good), 0, 1)


def apply_temperature(y_prob: NDArray[np.floating[Any]], t: float) -> Floats:
    """softmax(log p / t): (n, n_classes), rows sum to 1.

    Values of ``y_prob`` (n, n_classes) below ``TINY`` (2.2e-16) count as ``TINY``. The order of a
    photo's classes does not change, except for ties by rounding. NaN stays NaN.

    Raises ``ValueError`` if ``t`` is not a positive, finite number.
    """
    if not 0 < t < float("inf"):
        raise ValueError(f"Expected a positive temperature but got {t}")
    return np.exp(log_softmax(logits_of(y_prob), t))


def logits_of(y_prob: NDArray[np.floating[Any]]) -> Floats:
    """(n, n_classes) logits; the highest of each photo is 0."""
    logs = np.log(np.maximum(np.asarray(y_prob, np.float64), TINY))
    return logs - logs.max(axis=1, keepdims=True)


def log_softmax(logits: Floats, t: float) -> Floats:
    """For logits with a maximum of 0 per photo, so the sum can neither overflow nor be 0."""
    scaled = logits / t
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
