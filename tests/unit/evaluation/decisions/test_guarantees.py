"""The promise is kept as often as it says: on sets of parts drawn from lines that are known."""

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, norm

from fastdefect.evaluation.decisions.guarantees import (
    certified,
    guaranteed_max_escape,
    guaranteed_max_overkill,
    losses,
    p_values,
    parts_needed,
)
from fastdefect.evaluation.decisions.operating_point import (
    ALL_REJECTED,
    NONE_REJECTED,
    ScoredPhotos,
    choose_by_max_escape,
    choose_by_max_overkill,
)

Floats = NDArray[np.float64]
Generator = np.random.Generator


# ---- lines whose true rates are known ----------------------------------------------------


@dataclass(frozen=True)
class Line:
    """Draws parts, and knows the mean over all parts of the share that scores below t."""

    draw: Callable[[Generator, int], tuple[Floats, NDArray[np.int64]]]  # scores, part numbers
    below: Callable[[float], float]


def one_photo(a: float, b: float) -> Line:
    """Parts of one photo, with scores from a beta distribution."""
    return Line(lambda rng, n: (rng.beta(a, b, n), np.arange(n)), lambda t: beta.cdf(t, a, b))


def alike(mean: float, photos: int, likeness: float) -> Line:
    """Parts of some photos, whose probits are normal and correlate by ``likeness``."""

    def draw(rng: Generator, n: int) -> tuple[Floats, NDArray[np.int64]]:
        of_part = math.sqrt(likeness) * rng.standard_normal((n, 1))
        of_photo = math.sqrt(1 - likeness) * rng.standard_normal((n, photos))
        score = norm.cdf(mean + of_part + of_photo)
        return score.ravel(), np.repeat(np.arange(n), photos)

    return Line(draw, lambda t: norm.cdf(norm.ppf(min(t, 1.0)) - mean))


def unequal(hard: tuple[float, float], easy: tuple[float, float]) -> Line:
    """Half of the parts are hard and have one photo, the others are easy and have four."""

    def draw(rng: Generator, n: int) -> tuple[Floats, NDArray[np.int64]]:
        part = np.repeat(np.arange(n), np.where(rng.random(n) < 0.5, 1, 4))
        is_hard = np.bincount(part)[part] == 1
        return np.where(is_hard, rng.beta(*hard, len(part)), rng.beta(*easy, len(part))), part

    return Line(draw, lambda t: (beta.cdf(t, *hard) + beta.cdf(t, *easy)) / 2)


DEFECTS = {
    "one photo": one_photo(5, 2),
    "three alike": alike(1.2, 3, 0.7),
    "unequal": unequal((3, 2), (8, 2)),
}
GOOD = one_photo(2, 5)


def sets(defects: Line, n: int, good: Line, n_good: int, draws: int) -> Iterator[ScoredPhotos]:
    """Sets of ``n`` defective and ``n_good`` good parts."""
    rng = np.random.default_rng(20260)
    for _ in range(draws):
        bad_score, bad_part = defects.draw(rng, n)
        good_score, good_part = good.draw(rng, n_good)
        yield ScoredPhotos(
            np.arange(len(bad_score) + len(good_score)) < len(bad_score),
            np.concatenate([bad_score, good_score]),
            np.concatenate([bad_part, n + good_part]).astype(str).tolist(),
        )


def at_most(delta: float, draws: int) -> float:
    """Three standard errors of the simulation above ``delta``."""
    return delta + 3 * math.sqrt(delta * (1 - delta) / draws)


DRAWS = 400
CASES = [
    ("one photo", 0.05, 0.95, 100),
    pytest.param("one photo", 0.02, 0.9, 300, marks=pytest.mark.slow),
    ("one photo", 0.2, 0.8, 20),
    pytest.param("three alike", 0.05, 0.95, 120, marks=pytest.mark.slow),
    ("three alike", 0.2, 0.8, 30),
    ("unequal", 0.1, 0.9, 60),
]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "limit", "confidence", "n"), CASES)
def test_the_escape_promise_is_kept_and_a_plain_choice_is_not(
    line: str, limit: float, confidence: float, n: int
) -> None:
    below = DEFECTS[line].below
    broken, plain_broken, overkill = 0, 0, []
    for photos in sets(DEFECTS[line], n, GOOD, 200, DRAWS):
        found = guaranteed_max_escape(photos, limit, confidence)
        assert found.point is not None
        broken += below(found.point.threshold) > limit
        overkill.append(found.point.tally.overkill_rate)
        plain_broken += below(choose_by_max_escape(photos, limit).threshold) > limit
    assert broken / DRAWS <= at_most(1 - confidence, DRAWS)
    assert plain_broken / DRAWS > max(0.3, 1.5 * (1 - confidence))
    # It isn't kept by rejecting everything.
    assert np.mean(overkill) < 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("line", "limit", "confidence", "n"), CASES[:1] + CASES[3:4])
def test_the_overkill_promise_is_kept_and_a_plain_choice_is_not(
    line: str, limit: float, confidence: float, n: int
) -> None:
    mirrored = DEFECTS[line]  # 1 - score of the good photos is as the defects' score was
    good = Line(
        lambda rng, k: (1 - (drawn := mirrored.draw(rng, k))[0], drawn[1]),
        lambda t: 1 - mirrored.below(1 - t),
    )
    broken = plain_broken = 0
    for photos in sets(one_photo(5, 2), 200, good, n, DRAWS):
        found = guaranteed_max_overkill(photos, limit, confidence)
        assert found.point is not None
        broken += 1 - good.below(found.point.threshold) > limit
        plain_broken += 1 - good.below(choose_by_max_overkill(photos, limit).threshold) > limit
    assert broken / DRAWS <= at_most(1 - confidence, DRAWS)
    assert plain_broken / DRAWS > 0.3


@pytest.mark.slow
def test_the_exact_test_gives_little_away() -> None:
    broken = 0
    # So many good photos that a threshold lies close below every defect.
    for photos in sets(DEFECTS["one photo"], 300, one_photo(5, 2), 1000, DRAWS):
        point = guaranteed_max_escape(photos, 0.1, 0.8).point
        assert point is not None
        broken += beta.cdf(point.threshold, 5, 2) > 0.1
    assert 0.1 < broken / DRAWS <= at_most(0.2, DRAWS)


@pytest.mark.slow
def test_photos_taken_for_parts_would_break_the_promise() -> None:
    line = alike(1.2, 6, 0.95)
    broken = 0
    for photos in sets(line, 60, GOOD, 200, DRAWS):
        each = [str(i) for i in range(len(photos.parts))]
        pretended = ScoredPhotos(photos.defective, photos.score, each)
        point = guaranteed_max_escape(pretended, 0.1, 0.9).point
        assert point is not None
        broken += line.below(point.threshold) > 0.1
    assert broken / DRAWS > 1.5 * at_most(0.1, DRAWS)


# ---- the test of one threshold -----------------------------------------------------------


def test_binomial_p_value_is_exact() -> None:
    n, limit = 12, 0.3
    found = p_values(np.arange(n + 1.0), n, limit, "binomial")
    mass = [math.comb(n, k) * limit**k * (1 - limit) ** (n - k) for k in range(n + 1)]
    np.testing.assert_allclose(found, np.cumsum(mass))


def test_hoeffding_bentkus_by_hand() -> None:
    n, limit = 20, 0.3
    total = np.array([0.0, 0.5, 1.0, 2.5, 6.0, 12.5])
    for at, found in zip(total, p_values(total, n, limit, "hoeffding-bentkus"), strict=True):
        mean = min(at / n, limit)
        odds = (limit / mean) ** mean if mean else 1.0
        hoeffding = (odds * ((1 - limit) / (1 - mean)) ** (1 - mean)) ** n
        tail = sum(
            math.comb(n, k) * limit**k * (1 - limit) ** (n - k) for k in range(math.ceil(at) + 1)
        )
        assert found == pytest.approx(min(hoeffding, math.e * tail))


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.6])
def test_hoeffding_bentkus_has_its_level_for_every_loss_of_this_mean(limit: float) -> None:
    n = 9
    for half in np.linspace(0, min(1, 2 * limit), 5):
        # Losses of 0, 1/2 and 1 with mean ``limit``, of which ``half`` are 1/2.
        one = limit - half / 2
        if half + one > 1 + 1e-12:
            continue
        zero = max(0.0, 1 - half - one)
        outcomes: dict[float, float] = {}
        for ones, halves in itertools.product(range(n + 1), repeat=2):
            if ones + halves <= n:
                ways = math.comb(n, ones) * math.comb(n - ones, halves)
                chance = ways * one**ones * half**halves * zero ** (n - ones - halves)
                total = ones + halves / 2
                outcomes[total] = outcomes.get(total, 0.0) + chance
        totals = np.array(sorted(outcomes))
        reached = np.cumsum([outcomes[total] for total in totals])
        assert (reached <= p_values(totals, n, limit, "hoeffding-bentkus") + 1e-12).all()


def test_thirds_add_up_to_wholes() -> None:
    almost = np.array([0.1 * 3 + 0.7 + 1e-15])  # a hair above 1
    assert almost[0] > 1
    tail = 0.7**4 + 4 * 0.3 * 0.7**3
    # Not the tail up to 2.
    found = p_values(almost, 4, 0.3, "hoeffding-bentkus")[0]
    assert found <= math.e * tail
    assert p_values(almost, 4, 0.3, "binomial")[0] == pytest.approx(tail)


def test_losses_are_means_over_parts() -> None:
    # Part a: three defects, part b: one. c is good.
    photos = ScoredPhotos(
        np.array([True, True, True, True, False]),
        np.array([0.1, 0.2, 0.9, 0.5, 0.3]),
        ["a", "a", "a", "b", "c"],
    )
    found = losses(photos, "escape", 0.1)
    assert (found.n_parts, found.test) == (2, "hoeffding-bentkus")
    # Thresholds: 0, then above 0.1, 0.2, 0.3, 0.5 and 0.9.
    np.testing.assert_allclose(found.mean, np.array([0, 1 / 3, 2 / 3, 2 / 3, 5 / 3, 2]) / 2)
    found = losses(photos, "overkill", 0.1)
    assert (found.n_parts, found.test) == (1, "binomial")
    np.testing.assert_allclose(found.mean, [1, 1, 1, 0, 0, 0])


def test_a_part_with_photos_of_both_kinds_counts_in_both() -> None:
    photos = ScoredPhotos(
        np.array([True, False, False]), np.array([0.9, 0.1, 0.2]), ["a", "a", "b"]
    )
    assert losses(photos, "escape", 0.1).n_parts == 1
    assert losses(photos, "overkill", 0.1).n_parts == 2


def test_the_test_is_picked_by_the_number_of_photos_and_not_by_losses() -> None:
    # Each part is wholly passed or rejected: all losses seen are 0 or 1.
    score = np.repeat([0.9, 0.8, 0.1], 2)
    photos = ScoredPhotos(np.array([True] * 4 + [False] * 2), score, list("aabbcc"))
    assert losses(photos, "escape", 0.1).test == "hoeffding-bentkus"


def test_the_walk_ends_at_the_first_failure() -> None:
    p = np.array([0.01, 0.04, 0.2, 0.03])
    assert certified(p, "escape", 0.95).tolist() == [True, True, False, False]
    assert certified(p, "overkill", 0.95).tolist() == [False, False, False, True]


# ---- what parts can support --------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "confidence", "n"),
    [
        (0.01, 0.95, 299),
        (0.05, 0.95, 59),
        (0.1, 0.9, 22),
        (0.5, 0.75, 2),
        (0.5, 0.5, 1),
        (0.9, 0.01, 1),
    ],
)
def test_parts_needed(limit: float, confidence: float, n: int) -> None:
    # 299 parts for 99 % at 95 %, 59 for 95 %, 22 for 90 % at 90 %: the sizes of zero-failure
    # tests in any reliability handbook.
    assert parts_needed(limit, confidence) == n


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize(("limit", "confidence", "n"), [(0.05, 0.95, 59), (0.5, 0.875, 3)])
def test_one_part_too_few_is_reported(limit: float, confidence: float, n: int, each: int) -> None:
    def separated(parts: int) -> ScoredPhotos:
        """No mistake at 0.5: defects at 0.9, as many good ones at 0.1."""
        names = [f"{kind}{i}" for kind in "bg" for i in range(parts) for _ in range(each)]
        truth = np.arange(len(names)) < len(names) // 2
        return ScoredPhotos(truth, np.where(truth, 0.9, 0.1), names)

    for guaranteed in (guaranteed_max_escape, guaranteed_max_overkill):
        short = guaranteed(separated(n - 1), limit, confidence)
        assert not short.supported
        assert (short.n_parts, short.parts_needed, short.parts_more) == (n - 1, n, 1)
        assert (short.point, short.mean_loss, short.p_value) == (None, None, None)
        assert short.tightest_limit > limit
        enough = guaranteed(separated(n), limit, confidence)
        assert enough.supported
        assert enough.parts_more == 0
        assert enough.point is not None
        assert enough.point.threshold == pytest.approx(0.5)
        assert enough.mean_loss == 0
        assert enough.p_value == pytest.approx((1 - limit) ** n)
        assert enough.tightest_limit <= limit + 1e-12


def test_a_promise_that_only_rejecting_all_can_keep_shows_its_price() -> None:
    # 60 parts support 5 % only without an escape, and the lowest score is a defect's.
    score = np.concatenate([[0.01], np.full(59, 0.9), np.full(40, 0.1)])
    photos = ScoredPhotos(np.arange(100) < 60, score, [str(i) for i in range(100)])
    found = guaranteed_max_escape(photos, 0.05)
    assert found.point is not None
    assert found.point.threshold == ALL_REJECTED
    assert found.point.tally.overkill_rate == 1.0
    mirrored = ScoredPhotos(~photos.defective, 1 - score, photos.parts)
    point = guaranteed_max_overkill(mirrored, 0.05).point
    assert point is not None
    assert point.threshold == NONE_REJECTED
    assert point.tally.escape_rate == 1.0


def test_the_price_of_the_guarantee_is_overkill() -> None:
    photos = next(sets(DEFECTS["one photo"], 100, GOOD, 200, 1))
    plain = choose_by_max_escape(photos, 0.05)
    found = [guaranteed_max_escape(photos, 0.05, c).point for c in (0.5, 0.9, 0.95, 0.99)]
    overkill = [plain.tally.overkills] + [point.tally.overkills for point in found if point]
    assert overkill == sorted(overkill)
    assert len(set(overkill)) > 2


def test_as_json() -> None:
    photos = next(sets(DEFECTS["one photo"], 100, GOOD, 200, 1))
    found = guaranteed_max_escape(photos, 0.05)
    plain = json.loads(json.dumps(found.as_json()))
    assert plain["point"]["settings"] == {"limit": 0.05, "confidence": 0.95}
    assert plain["point"]["rule"] == "max-escape"
    assert plain["supported"] is True
    assert plain["test"] == "binomial"
    plain = json.loads(json.dumps(guaranteed_max_escape(photos, 0.001).as_json()))
    assert plain["point"] is None
    assert plain["parts_more"] == plain["parts_needed"] - 100 == 2895
    assert guaranteed_max_overkill(photos, 0.05).as_json()["point"]["rule"] == "max-overkill"


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, float("nan")])
def test_limits_and_confidences_that_no_test_has(limit: float) -> None:
    photos = next(sets(DEFECTS["one photo"], 10, GOOD, 10, 1))
    for guaranteed in (guaranteed_max_escape, guaranteed_max_overkill):
        with pytest.raises(ValueError, match="limit"):
            guaranteed(photos, limit)
        with pytest.raises(ValueError, match="confidence"):
            guaranteed(photos, 0.1, limit)
    with pytest.raises(ValueError, match="limit"):
        parts_needed(limit)
