"""OK, look at it, reject: two thresholds, with people between them.

A photo that scores below ``low`` is passed, one at or above ``high`` rejected, any other sent
to a person. The limits are on what is decided without one: the share of defective photos that
is passed, and the share of good ones that is rejected. What people get wrong is not in them.
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
    """What a band does to some photos.

    ``wrong`` are the decisions made without a person; ``defective_in_band`` and
    ``good_in_band`` of the photos are sent to one.
    """

    wrong: Tally
    defective_in_band: int
    good_in_band: int

    @property
    def defective_share(self) -> float:
        """Share of the defective photos that people see."""
        return self.defective_in_band / self.wrong.n_defective

    @property
    def good_share(self) -> float:
        """Share of the good photos that people see."""
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
    """``low`` <= ``high``; equal where one threshold holds both limits and nobody need look.

    ``tally`` is over the photos it was chosen on. ``confidence`` that both limits hold on
    unseen parts, or None where they hold on these photos only; then ``escape`` and
    ``overkill``, the promises at their own confidences, are None too. The thresholds of these
    are not always ``low`` and ``high``, but promise the same. Where one has too few parts
    (``supported`` is false), nothing is passed (or rejected) without a person.
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
        """What this band does to ``photos``, whatever it was chosen on."""
        return _tally(photos, self.low, self.high)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            **vars(self),
            "tally": self.tally.as_json(),
            "escape": self.escape.as_json() if self.escape else None,
            "overkill": self.overkill.as_json() if self.overkill else None,
        }


@dataclass(frozen=True)
class Load:
    """What people get to see of ``parts_per_day`` parts, ``defect_rate`` of them defective.

    ``share`` of the parts and ``expected`` of them a day; in 95 % of all days ``low`` to
    ``high`` (central binomial). That is the luck of the day, with ``share`` taken as known:
    it does not tell how well few photos know it.
    """

    defect_rate: float
    parts_per_day: int
    share: float
    expected: float
    low: int
    high: int

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def choose_band(
    photos: ScoredPhotos,
    max_escape: float,
    max_overkill: float,
    confidence: float | None = None,
) -> Band:
    """The band that decides as much as the limits let it.

    ``low`` passes as many good photos as ``max_escape`` allows, ``high`` rejects as many
    defective ones as ``max_overkill`` allows; of thresholds that do, each is the one with the
    fewest mistakes, as a photo is better looked at than wrongly decided for nothing. Where one
    threshold holds both limits, the band is that one: the least sum of escape and overkill rate
    of those that do, and of equals the middle of the widest stretch. No cost is in that; where
    costs are known, ``choose_by_cost`` knows more.

    With a ``confidence``, both limits hold on unseen parts together: half of 1 - confidence is
    spent on each (Bonferroni), by the test of ``guarantees``, whose promise is for any of the
    thresholds that pass it and so for that pick too. Where parts are too few, ``low`` is 0 or
    ``high`` above 1: a limit on decisions that are never made is kept for certain.

    Raises ``ValueError`` unless the limits are in [0, 1]; with a confidence, they and it must
    be such as ``guaranteed_max_escape`` takes.
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
        passable[0] = rejectable[-1] = True  # decides nothing, so holds whatever the parts
    low, high = _thresholds(sweep, passable, rejectable)
    tally = _tally(photos, low, high)
    return Band(low, high, max_escape, max_overkill, confidence, tally, *promises)


def load(band: Band, defect_rate: float, parts_per_day: int) -> Load:
    """How many parts a day the band sends to people, if one photo decides on each.

    ``defect_rate`` is the line's own. The shares of good and of defective photos in the band
    are those of the photos it was chosen on. Raises ``ValueError`` unless ``defect_rate`` is
    in [0, 1] and ``parts_per_day`` at least 1.
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
        # Rates of the same counts are the same numbers; their sums may differ in the last bit.
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
