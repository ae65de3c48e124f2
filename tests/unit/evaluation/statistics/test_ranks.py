"""The rank test by parts, against sums by hand, scipy, and simulations."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from fastdefect.evaluation.statistics.ranks import (
    PERMUTATIONS,
    Clustered,
    detectable_share,
    rank_test,
)


def single(values: list[float]) -> Clustered:
    """Photos that each show a part of their own."""
    return Clustered(np.array(values), np.arange(len(values)))


def drawn(rng: np.random.Generator, parts: int, photos: tuple[int, int], shift: float) -> Clustered:
    """Skewed values of parts with ``photos`` from, to; the photos of a part are similar."""
    counts = rng.integers(photos[0], photos[1] + 1, parts)
    part = np.repeat(np.arange(parts), counts)
    own = rng.normal(size=len(part)) * 0.6
    return Clustered(np.exp(rng.normal(size=parts)[part] * 0.8 + own + shift), part)


def test_share_is_that_of_pairs_and_ties_count_a_half() -> None:
    test = rank_test(single([1.0, 2.0, 3.0]), single([0.0, 2.0, 5.0]), two_sided=False)
    # 1 > 0; 2 > 0 and 2 = 2; 3 > 0 and 3 > 2: 4.5 of 9 pairs.
    assert test.share == pytest.approx(4.5 / 9)


def test_parts_count_and_not_photos() -> None:
    new = Clustered(np.array([9.0, 9.0, 9.0, 9.0, 0.0, 0.0]), np.array(list("aaaabc")))
    test = rank_test(new, single([1.0, 2.0, 3.0]), two_sided=False)
    assert test.share == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_share_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    new, known = drawn(rng, 6, (1, 4), 0.3), drawn(rng, 5, (1, 6), 0)
    values = np.round(new.values, 1), np.round(known.values, 1)
    new, known = Clustered(values[0], new.parts), Clustered(values[1], known.parts)
    pairs = [
        np.mean(
            [
                (x > y) + 0.5 * (x == y)
                for x in new.values[new.parts == a]
                for y in known.values[known.parts == b]
            ]
        )
        for a in range(6)
        for b in range(5)
    ]
    assert rank_test(new, known, two_sided=False).share == pytest.approx(np.mean(pairs))


def test_p_value_agrees_with_the_rank_sum_test_of_single_photos() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(0.6, 1, 30), rng.normal(0, 1, 25)
    mine = rank_test(single(list(x)), single(list(y)), two_sided=True).p_value
    assert mine == pytest.approx(mannwhitneyu(x, y).pvalue, abs=0.02)


def test_one_side_does_not_see_lower_values() -> None:
    low, high = single([1.0, 2, 3, 4, 5, 6]), single([11.0, 12, 13, 14, 15, 16])
    assert rank_test(low, high, two_sided=False).p_value > 0.9
    assert rank_test(low, high, two_sided=True).p_value < 0.02
    assert rank_test(high, low, two_sided=False).p_value < 0.01


def test_equal_values_are_no_difference() -> None:
    test = rank_test(single([1.0] * 5), single([1.0] * 4), two_sided=True)
    assert (test.share, test.p_value) == (0.5, 1.0)


def test_p_value_is_never_zero() -> None:
    far = rank_test(single([float(i) for i in range(50, 99)]), single([0.0, 1, 2]), two_sided=False)
    assert far.p_value >= 1 / (1 + PERMUTATIONS)


def test_few_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 parts or more, got 2, 3"):
        rank_test(single([1.0, 2]), single([1.0, 2, 3]), two_sided=False)


def test_more_parts_detect_less() -> None:
    shares = [detectable_share(n, 20, 0.01) for n in (3, 10, 50, 500)]
    assert shares == sorted(shares, reverse=True)
    assert 0.5 < shares[-1] < shares[0] <= 1


def test_more_permutations_give_smaller_p_values() -> None:
    new, known = single([float(i) for i in range(50, 70)]), single([float(i) for i in range(20)])
    found = [rank_test(new, known, two_sided=False, permutations=n).p_value for n in (1999, 9999)]
    assert found == [1 / 2000, 1 / 10000]


def test_fewest_parts_detect_nothing_below_the_smallest_p_value() -> None:
    # Three of six parts can be chosen in 20 ways: no p-value is below 0.05.
    assert detectable_share(3, 3, 0.049) == 1
    assert detectable_share(30, 3, 0.05) < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("new", "known"),
    [
        ((5, (1, 1)), (14, (4, 8))),
        ((60, (1, 1)), (14, (4, 8))),
        ((10, (1, 12)), (30, (1, 3))),
        ((3, (1, 1)), (20, (1, 1))),
    ],
)
def test_false_alarms_are_as_rare_as_stated_and_shifts_are_found(
    new: tuple[int, tuple[int, int]], known: tuple[int, tuple[int, int]]
) -> None:
    def rate(shift: float, level: float, n: int = 500) -> float:
        found = []
        for seed in range(n):
            rng = np.random.default_rng(seed)
            samples = drawn(rng, *new, shift), drawn(rng, *known, 0)
            found.append(rank_test(*samples, two_sided=False).p_value <= level)
        return float(np.mean(found))

    # 500 draws of 0.05 have a standard deviation of 0.01.
    assert rate(0, 0.05) < 0.08
    assert rate(1.5, 0.05, 100) > 0.5
