"""Rates: exact for single photos, and covering the truth where photos of a part are alike."""

import json
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta, binomtest

from fastdefect.evaluation.statistics.rates import Rate, claim, parts_needed, rate_of, upper_bound


def _photos(hits: list[int], photos_each: int) -> tuple[NDArray[np.bool_], list[str]]:
    """Parts of which so many photos are hits."""
    rows = [i < count for count in hits for i in range(photos_each)]
    return np.array(rows, bool), [f"p{i // photos_each}" for i in range(len(rows))]


# ---- each part has one photo -------------------------------------------------------------


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 10), (10, 10), (1, 1), (7, 234)])
def test_single_photos_get_the_exact_interval(count: int, n: int) -> None:
    rate = rate_of(np.arange(n) < count, [str(i) for i in range(n)])
    exact = binomtest(count, n).proportion_ci(0.95, method="exact")
    assert rate.interval == pytest.approx((exact.low, exact.high))
    assert (rate.count, rate.photos, rate.parts) == (count, n, n)
    assert rate.value == count / n
    assert rate.method == "clopper-pearson"


def test_no_photo_has_no_rate() -> None:
    rate = rate_of(np.zeros(0, bool), [])
    assert math.isnan(rate.value)
    assert rate == Rate(0, 0, 0, None)
    assert json.loads(json.dumps(rate.as_json(), allow_nan=False))["value"] is None
    assert claim(np.zeros(0, bool), []) is None


def test_each_photo_needs_a_part() -> None:
    with pytest.raises(ValueError, match="a part for each of 3 photos"):
        rate_of(np.zeros(3, bool), ["a", "b"])


# ---- several photos a part ---------------------------------------------------------------


def test_parts_by_hand() -> None:
    # 12 hits of 32 in 8 parts of 4. The between-part variance of the share 3/8, by hand.
    hits, parts = _photos([3, 2, 0, 1, 2, 0, 3, 1], 4)
    squares = sum((count - 1.5) ** 2 for count in (3, 2, 0, 1, 2, 0, 3, 1))  # 1.5 = 4 * 3/8
    assert squares == 10
    variance = 8 / 7 * 10 / 32**2
    # 6 parts are hit, all 8 missed: 5 degrees of freedom; Student's 97.5 % for 31 and 5.
    worth = 3 / 8 * 5 / 8 / variance * (2.03951 / 2.57058) ** 2
    assert 8 < worth < 32
    x = worth * 3 / 8
    expected = beta.ppf(0.025, x, worth - x + 1), beta.ppf(0.975, x + 1, worth - x)
    rate = rate_of(hits, parts)
    assert rate.interval == pytest.approx(expected, rel=1e-4)
    assert rate.method == "korn-graubard"


def test_photos_that_are_all_the_same_are_worth_their_part() -> None:
    hits, parts = _photos([5] * 3 + [0] * 17, 5)
    exact = binomtest(3, 20).proportion_ci(0.95, method="exact")
    assert rate_of(hits, parts).interval == pytest.approx((exact.low, exact.high))


def test_photos_that_differ_as_strangers_do_are_worth_nearly_themselves() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random(3000) < 0.3
    low, high = rate_of(hits, [str(i // 3) for i in range(3000)]).interval or (0, 0)
    exact = binomtest(int(hits.sum()), 3000).proportion_ci(0.95, method="exact")
    assert high - low == pytest.approx(exact.high - exact.low, rel=0.08)


@pytest.mark.parametrize("all_or_none", [0, 4])
def test_no_hit_counts_parts(all_or_none: int) -> None:
    hits, parts = _photos([all_or_none] * 10, 4)
    exact = binomtest(all_or_none // 4 * 10, 10).proportion_ci(0.95, method="exact")
    assert rate_of(hits, parts).interval == pytest.approx((exact.low, exact.high))


def test_one_part_gives_almost_no_information() -> None:
    low, high = rate_of(*_photos([7], 20)).interval or (0, 0)
    assert low < 0.01
    assert high > 0.97


def test_a_hit_on_one_part_never_proves_more_than_none() -> None:
    # With the degrees of freedom of all parts, one hit would have proved more than none.
    ends = [rate_of(*_photos([1] * k + [0] * (40 - k), 5)).interval for k in range(20)]
    highs = [end[1] for end in ends if end]
    assert len(highs) == 20
    assert highs[0] < highs[1] < highs[2]
    assert min(highs[3:]) > 3 / 200


counts = st.lists(st.integers(0, 4), min_size=1, max_size=12)


@given(counts)
def test_hits_and_misses_mirror_each_other(hits_of: list[int]) -> None:
    hits, parts = _photos(hits_of, 4)
    low, high = rate_of(hits, parts).interval or (0, 0)
    turned = rate_of(~hits, parts).interval or (0, 0)
    assert turned == pytest.approx((1 - high, 1 - low), abs=1e-9)
    assert 0 <= low <= hits.mean() <= high <= 1


@given(counts, st.randoms(use_true_random=False))
def test_the_order_of_photos_does_not_matter(hits_of: list[int], random: Random) -> None:
    hits, parts = _photos(hits_of, 4)
    rows = list(range(len(parts)))
    random.shuffle(rows)
    turned = rate_of(hits[rows], [parts[i] for i in rows])
    assert turned.interval == pytest.approx(rate_of(hits, parts).interval)


@given(counts)
def test_parts_never_prove_more_than_as_many_strangers(hits_of: list[int]) -> None:
    hits, parts = _photos(hits_of, 4)
    low, high = rate_of(hits, parts).interval or (0, 0)
    exact = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="exact")
    assert low <= exact.low + 1e-9
    assert high >= exact.high - 1e-9


# ---- coverage, by simulation -------------------------------------------------------------


def _beta_binomial(
    rng: np.random.Generator, rate: float, alike: float, photos: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Parts each with a rate of its own; ``alike`` is the correlation of two of its photos."""
    scale = (1 - alike) / alike
    of_part = rng.beta(rate * scale, (1 - rate) * scale, len(photos))
    parts = np.repeat(np.arange(len(photos)), photos)
    return rng.random(len(parts)) < of_part[parts], parts


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
@pytest.mark.parametrize(
    ("alike", "n_parts", "most"),
    [
        pytest.param(0.3, 100, 19, marks=pytest.mark.slow),
        (0.3, 30, 10),
        pytest.param(0.7, 100, 10, marks=pytest.mark.slow),
        (0.01, 60, 5),
    ],
)
def test_intervals_cover_the_truth_where_photos_are_alike(
    rate: float, alike: float, n_parts: int, most: int
) -> None:
    rng = np.random.default_rng(0)
    draws, covered, as_strangers = 300, 0, 0
    for _ in range(draws):
        hits, parts = _beta_binomial(rng, rate, alike, rng.integers(1, most + 1, n_parts))
        low, high = rate_of(hits, parts).interval or (np.nan, np.nan)
        covered += low <= rate <= high
        low, high = rate_of(hits, np.arange(len(hits))).interval or (np.nan, np.nan)
        as_strangers += low <= rate <= high
    assert covered / draws >= 0.93
    if alike > 0.1:
        assert as_strangers / draws < 0.92  # or this simulation could show nothing


# ---- one-sided: what is proved -----------------------------------------------------------


@pytest.mark.parametrize(("count", "trials"), [(0, 1), (0, 234), (2, 50), (49, 50), (50, 50)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_upper_bound_is_one_sided_and_exact(count: int, trials: int, confidence: float) -> None:
    exact = binomtest(count, trials, alternative="less").proportion_ci(confidence, method="exact")
    assert upper_bound(count, trials, confidence) == pytest.approx(exact.high)


@pytest.mark.parametrize(("rate", "escapes", "n"), [(0.01, 0, 299), (0.05, 0, 59), (0.01, 1, 473)])
def test_parts_needed_are_those_of_the_acceptance_tables(rate: float, escapes: int, n: int) -> None:
    assert parts_needed(rate, escapes=escapes) == n


@given(st.floats(0.001, 0.9), st.sampled_from([0.8, 0.95, 0.99]), st.integers(0, 8))
def test_parts_needed_are_the_least_that_prove_the_rate(
    rate: float, confidence: float, escapes: int
) -> None:
    n = parts_needed(rate, confidence, escapes)
    assert upper_bound(escapes, n, confidence) <= rate
    assert n == escapes + 1 or upper_bound(escapes, n - 1, confidence) > rate


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (0, 0), (0, 5, 1.0), (0, 5, 0.0)])
def test_bounds_of_nonsense_are_refused(arguments: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="Expected 0 <="):
        upper_bound(*arguments)


@pytest.mark.parametrize("rate", [0, 1, -0.1, math.nan])
def test_rates_that_no_number_of_parts_proves_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        parts_needed(rate)


def test_no_escape_of_234_parts_proves_1_3_percent() -> None:
    hits, parts = _photos([0] * 234, 3)
    found = claim(hits, parts)
    assert found
    assert (found.hits, found.parts, found.confidence) == (0, 234, 0.95)
    assert found.at_most == pytest.approx(1 - 0.05 ** (1 / 234))
    assert f"{found.at_most:.1%}" == "1.3%"
    assert found.as_json()["at_most"] == found.at_most


def test_a_claim_counts_the_parts_that_are_hit_once() -> None:
    hits, parts = _photos([2, 0, 1, 0], 3)
    found = claim(hits, parts, 0.9)
    assert found
    assert (found.hits, found.parts, found.confidence) == (2, 4, 0.9)
    assert found.at_most == upper_bound(2, 4, 0.9)


@pytest.mark.slow
@pytest.mark.parametrize("alike", [0.05, 0.9])
def test_claims_are_true_as_often_as_they_say(alike: float) -> None:
    rng = np.random.default_rng(1)
    draws, rate = 600, 0.03
    kept = 0
    for _ in range(draws):
        found = claim(*_beta_binomial(rng, rate, alike, np.full(80, 3)))
        kept += found is not None and rate <= found.at_most
    assert kept / draws >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / draws)
