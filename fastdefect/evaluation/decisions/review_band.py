"""The review band: two thresholds for OK, review and reject.

A photo with a score below ``low`` is passed, one at or above ``high`` is rejected, and any other
goes to a person. The limits apply to the automatic decisions: the share of defective photos that
are passed, and the share of good photos that are rejected. Errors of people are not included.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from fastdefect.aliases import Floats
from fastdefect.evaluation.decisions.guarantees import (
    Guarantee,
    certified,
    check_promise,
    guaranteed_max_escape,
    guaranteed_max_overkill,
    losses,
)
from fastdefect.evaluation.decisions.operating_point import (
    Mask,
    ScoredPhotos,
    Sweep,
    Tally,
    check_share,
)

OK, LOOK, REJECT = "ok", "look", "reject"


@dataclass(frozen=True)
class BandTally:
    """The effect of a band on some photos.

    ``wrong`` counts the wrong automatic decisions. ``defective_in_band`` and ``good_in_band`` count
    the photos that go to a person.
    """

    wrong: Tally
    defective_in_band: int
    good_in_band: int

    @property
    def defective_share(self) -> float:
        """The share of the defective photos that go to a person."""
        return self.defective_in_band / self.wrong.n_defective

    @property
    def good_share(self) -> float:
        """The share of the good photos that go to a person."""
        return self.good_in_band / self.wrong.n_good

    def as_json(self) -> dict[str, Any]:
        """Counts and shares."""
        return {
            **self.wrong.as_json(),
            "defective_in_band": self.defective_in_band,
            "defective_share": self.defective_share,
            "good_in_band": self.good_in_band,
            "good_share": self.good_share,
        }


@dataclass(frozen=True)
class Band:
    """``low`` <= ``high``; equal if one threshold keeps both limits and no review is necessary.

    ``tally`` is over the photos it was chosen on. ``confidence`` applies to both limits on unseen
    parts. It is None if they hold on these photos only; then ``escape`` and ``overkill``, the two
    guarantees at their own confidences, are None too. Their thresholds can differ from ``low`` and
    ``high``, but guarantee the same. If one has too few parts (``supported`` is false), nothing is
    passed (or rejected) without a person.
    """

    low: float
    high: float
    max_escape: float
    max_overkill: float
    confidence: float | None
    tally: BandTally
    escape: Guarantee | None = None
    overkill: Guarantee | None = None

    def decide(self, score: Floats) -> NDArray[np.str_]:
        """``OK``, ``LOOK`` or ``REJECT`` for each score, in the same shape."""
        return np.where(score < self.low, OK, np.where(score < self.high, LOOK, REJECT))

    def tally_of(self, photos: ScoredPhotos) -> BandTally:
        """The effect of this band on any ``photos``."""
        return _tally(photos, self.low, self.high)

    def as_json(self) -> dict[str, Any]:
        """All values."""
        return {
            **vars(self),
            "tally": self.tally.as_json(),
            "escape": self.escape.as_json() if self.escape else None,
            "overkill": self.overkill.as_json() if self.overkill else None,
        }


@dataclass(frozen=True)
class Load:
    """The number of parts to review of ``parts_per_day`` parts, with ``defect_rate`` defective.

    ``share`` is the share of parts to review and ``expected`` their number per day; on 95 % of days
    it is from ``low`` to ``high`` (central binomial interval). This is the variation between days
    at a known ``share``; it does not include the uncertainty of the share itself.
    """

    defect_rate: float
    parts_per_day: int
    share: float
    expected: float
    low: int
    high: int

    def as_json(self) -> dict[str, Any]:
        """All values."""
        return asdict(self)


def choose_band(
    photos: ScoredPhotos,
    max_escape: float,
    max_overkill: float,
    confidence: float | None = None,
) -> Band:
    """The band with the most automatic decisions that the limits allow.

    ``low`` passes as many good photos as ``max_escape`` allows, and ``high`` rejects as many
    defective ones as ``max_overkill`` allows. Of equivalent thresholds the one with the fewest
    mistakes is used, because a review is better than an unnecessary wrong decision. If one
    threshold keeps both limits, the band is this threshold: the least sum of escape and overkill
    rate, and of equal ones the middle of the widest range. Costs are not considered; with known
    costs, use ``choose_by_cost``.

    With a ``confidence``, both limits hold on unseen parts together: each uses half of 1 -
    confidence (Bonferroni), by the test of ``guarantees``. Its guarantee holds for every threshold
    that passes the test, and so for the chosen one. With too few parts, ``low`` is 0 or ``high`` is
    above 1: a limit on decisions that are never made cannot be exceeded.

    Raises ``ValueError`` unless the limits are in [0, 1]; with a confidence, the values must be
    valid for ``guaranteed_max_escape``.
    """
    check_share("max_escape", max_escape)
    check_share("max_overkill", max_overkill)
    sweep = photos.sweep
    if confidence is None:
        passable, rejectable = sweep.escape_rate <= max_escape, sweep.overkill_rate <= max_overkill
        promises: tuple[Guarantee | None, Guarantee | None] = (None, None)
    else:
        check_promise(max_escape, confidence)
        each = (1 + confidence) / 2
        promises = (
            guaranteed_max_escape(photos, max_escape, each),
            guaranteed_max_overkill(photos, max_overkill, each),
        )
        passable = certified(losses(photos, "escape", max_escape).p_value, "escape", each)
        rejectable = certified(losses(photos, "overkill", max_overkill).p_value, "overkill", each)
        passable[0] = rejectable[-1] = True  # no automatic decisions, so the limit always holds
    low, high = _thresholds(sweep, passable, rejectable)
    tally = _tally(photos, low, high)
    return Band(low, high, max_escape, max_overkill, confidence, tally, *promises)


def load(band: Band, defect_rate: float, parts_per_day: int) -> Load:
    """The number of parts per day in the band, if one photo decides on each part.

    ``defect_rate`` is the line's own. The shares of good and of defective photos in the band are
    those of the photos it was chosen on. Raises ``ValueError`` unless ``defect_rate`` is in [0, 1]
    and ``parts_per_day`` at least 1.
    """
    check_share("defect_rate", defect_rate)
    if parts_per_day < 1:
        raise ValueError(f"Expected parts_per_day of at least 1, got {parts_per_day}")
    tally = band.tally
    share = (1 - defect_rate) * tally.good_share + defect_rate * tally.defective_share
    low, high = binom.interval(0.95, parts_per_day, share)
    return Load(defect_rate, parts_per_day, share, share * parts_per_day, int(low), int(high))


def _thresholds(sweep: Sweep, passable: Mask, rejectable: Mask) -> tuple[float, float]:
    both = passable & rejectable
    if both.any():
        total = np.where(both, sweep.escape_rate + sweep.overkill_rate, np.inf)
        # Equal counts give equal rates, but their sums can differ in the last bit.
        only = sweep.middle_of_widest(total <= total.min() + 1e-12)
        return float(sweep.thresholds[only]), float(sweep.thresholds[only])
    low, high = sweep.least_overkill(passable), sweep.fewest_escapes(rejectable)
    return float(sweep.thresholds[low]), float(sweep.thresholds[high])


def _tally(photos: ScoredPhotos, low: float, high: float) -> BandTally:
    passed, rejected = photos.tally(low), photos.tally(high)
    wrong = Tally(passed.escapes, passed.n_defective, rejected.overkills, rejected.n_good)
    return BandTally(
        wrong,
        defective_in_band=rejected.escapes - passed.escapes,
        good_in_band=passed.overkills - rejected.overkills,
    )
