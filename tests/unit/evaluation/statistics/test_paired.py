"""Luck is not taken for a difference, and the interval of one covers it."""

import json
from collections.abc import Callable
from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray

from fastdefect.evaluation.statistics import intervals
from fastdefect.evaluation.statistics.paired import (
    Difference,
    McNemar,
    mcnemar,
    mcnemar_by_part,
    paired_differences,
)
from fastdefect.metrics import Weighted, measure

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def _accuracy(right: Bools) -> Callable[[Floats], dict[str, Floats]]:
    return lambda weights: {"accuracy": weights @ right / weights.sum(axis=1)}


def _pairs(both: int, won: int, lost: int, neither: int) -> tuple[Bools, Bools]:
    before = np.array([True] * both + [False] * won + [True] * lost + [False] * neither)
    after = np.array([True] * both + [True] * won + [False] * lost + [False] * neither)
    return before, after


# ---- McNemar -----------------------------------------------------------------------------


def _by_formula(won: int, lost: int) -> float:
    """statsmodels' ``mcnemar(exact=True)``: twice the lower tail of the binomial, at most 1."""
    n = won + lost
    tail = sum(comb(n, k) for k in range(min(won, lost) + 1)) / 2**n
    return min(1.0, 2 * tail)


# (121, 59) is the table of McNemar's test in Wikipedia; the others have few changes.
@pytest.mark.parametrize(
    ("won", "lost"), [(121, 59), (1, 0), (0, 1), (5, 0), (6, 0), (3, 7), (4, 4), (15, 5)]
)
def test_p_values_are_those_of_the_formula(won: int, lost: int) -> None:
    found = mcnemar(*_pairs(20, won, lost, 9))
    assert (found.became_right, found.became_wrong) == (won, lost)
    assert found.n == 29 + won + lost
    assert found.p_value == pytest.approx(_by_formula(won, lost), rel=1e-9)


def test_p_values_known_by_heart() -> None:
    assert mcnemar(*_pairs(0, 5, 0, 0)).p_value == 0.0625
    assert mcnemar(*_pairs(0, 6, 0, 0)).p_value == 0.03125
    assert mcnemar(*_pairs(50, 0, 0, 50)).p_value == 1


def test_which_is_before_turns_the_counts_and_not_the_p_value() -> None:
    before, after = _pairs(10, 8, 2, 1)
    there, back = mcnemar(before, after), mcnemar(after, before)
    assert (back.became_right, back.became_wrong) == (2, 8)
    assert back.p_value == there.p_value


def test_a_part_counts_once_by_the_sign_of_its_change() -> None:
    before = np.array([False, False, False, True, True, False, True, True], bool)
    after = np.array([True, True, True, False, False, True, True, False], bool)
    #        part a: three won; b: one won, two lost; c: one lost; d: as before
    parts = ["a", "a", "a", "b", "b", "b", "d", "c"]
    found = mcnemar_by_part(before, after, parts)
    assert (found.n, found.became_right, found.became_wrong) == (4, 1, 2)
    assert mcnemar(before, after).became_right == 4


@pytest.mark.slow
def test_alike_photos_of_parts_fool_the_test_over_photos_and_not_that_over_parts() -> None:
    rng = np.random.default_rng(0)
    parts = [f"p{i // 5}" for i in range(300)]
    by_photo = by_part = 0
    for _ in range(400):
        # Luck moves all five photos of a part together; no model is better.
        moved = np.repeat(rng.choice([-1, 0, 1], 60, p=[0.2, 0.6, 0.2]), 5)
        before, after = moved < 0, moved > 0
        by_photo += mcnemar(before, after).p_value <= 0.05
        by_part += mcnemar_by_part(before, after, parts).p_value <= 0.05
    assert by_photo / 400 > 0.25
    assert by_part / 400 <= 0.06


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="the same photos"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(ValueError, match="a part for each"):
        mcnemar_by_part(np.ones(3, bool), np.ones(3, bool), ["a"])
    with pytest.raises(ValueError, match="one or more"):
        paired_differences(_accuracy(np.ones(0, bool)), _accuracy(np.ones(0, bool)), [], seed=0)


# ---- differences of any figure -----------------------------------------------------------


def test_the_same_before_and_after_differ_by_nothing() -> None:
    right = np.random.default_rng(0).random(60) < 0.8
    found = paired_differences(
        _accuracy(right), _accuracy(right), [f"p{i // 3}" for i in range(60)], seed=0
    )
    assert found == {"accuracy": Difference(right.mean(), right.mean(), (0.0, 0.0))}
    assert found["accuracy"].difference == 0
    assert not found["accuracy"].decides
    assert mcnemar(right, right).p_value == 1


def test_the_interval_is_that_of_parts_drawn_whole() -> None:
    rng = np.random.default_rng(3)
    parts = [f"p{i % 20}" for i in range(90)]
    before, after = rng.random(90) < 0.7, rng.random(90) < 0.8
    found = paired_differences(_accuracy(before), _accuracy(after), parts, draws=3000, seed=1)
    of_part = {p: np.flatnonzero(np.array(parts) == p) for p in sorted(set(parts))}
    drawn = []
    for _ in range(3000):
        rows = np.concatenate([of_part[p] for p in rng.choice(list(of_part), 20)])
        drawn.append(after[rows].mean() - before[rows].mean())
    assert found["accuracy"].interval == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]), abs=0.015
    )
    assert found["accuracy"].difference == pytest.approx(after.mean() - before.mean())


def test_draws_do_not_hang_on_chunks_or_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    parts = np.array([f"p{i % 20}" for i in range(90)])
    before, after = rng.random(90) < 0.7, rng.random(90) < 0.8
    whole = paired_differences(_accuracy(before), _accuracy(after), parts.tolist(), seed=1)
    monkeypatch.setattr(intervals, "_CHUNK", 90 * 7)
    order = rng.permutation(90)
    turned = paired_differences(
        _accuracy(before[order]), _accuracy(after[order]), parts[order].tolist(), seed=1
    )
    assert turned["accuracy"].interval == pytest.approx(whole["accuracy"].interval)
    other = paired_differences(_accuracy(before), _accuracy(after), parts.tolist(), seed=2)
    assert other["accuracy"].interval != whole["accuracy"].interval


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_intervals_cover_the_true_difference(gain: float) -> None:
    rng = np.random.default_rng(4)
    parts = [f"p{i // 4}" for i in range(320)]
    trials, covered, decided = 300, 0, 0
    truth = gain * _wrong_share()
    for trial in range(trials):
        hard = np.repeat(rng.beta(0.4, 1.2, 80), 4)  # photos of a part are wrong together
        luck = 0.5 * rng.random(320)  # and the same photos by both
        before = luck + 0.5 * rng.random(320) > hard
        better = np.repeat(rng.random(80) < gain, 4)  # parts that the second gets right
        after = better | (luck + 0.5 * rng.random(320) > hard)
        one = paired_differences(_accuracy(before), _accuracy(after), parts, draws=400, seed=trial)[
            "accuracy"
        ]
        assert one.interval is not None
        covered += one.interval[0] <= truth <= one.interval[1]
        decided += one.decides
    # 95 % is promised; a percentile bootstrap of 80 parts falls a little short of it.
    assert covered / trials > 0.91
    if not gain:
        assert decided / trials < 0.09


def _wrong_share() -> float:
    """The share of wrong photos in the simulation above, from many more of them."""
    rng = np.random.default_rng(0)
    hard = rng.beta(0.4, 1.2, 400_000)
    return float((0.5 * rng.random(400_000) + 0.5 * rng.random(400_000) <= hard).mean())


@pytest.mark.slow
def test_few_changed_parts_seldom_decide_where_nothing_is_gained() -> None:
    rng = np.random.default_rng(5)
    parts = [f"p{i}" for i in range(100)]
    for changed in (3, 6, 15):
        decided = 0
        for trial in range(300):
            moved = rng.choice([-1, 0, 1], 100, p=[changed / 200, 1 - changed / 100, changed / 200])
            found = paired_differences(
                _accuracy(moved < 0), _accuracy(moved > 0), parts, draws=400, seed=trial
            )
            decided += found["accuracy"].decides
        assert decided / 300 < 0.085, changed


def test_four_parts_of_one_mind_decide_as_the_docstring_warns() -> None:
    parts = [f"p{i}" for i in range(200)]
    for won, decides in ((3, False), (4, True)):
        before, after = _pairs(150, won, 0, 50 - won)
        found = paired_differences(_accuracy(before), _accuracy(after), parts, draws=8000, seed=0)
        assert found["accuracy"].decides is decides
        assert mcnemar_by_part(before, after, parts).p_value > 0.1


def test_all_figures_of_the_metrics_can_be_compared() -> None:
    rng = np.random.default_rng(6)
    y_true = np.arange(120) % 2
    parts = [f"p{i // 2}" for i in range(120)]

    def of(skill: float) -> Callable[[Floats], dict[str, Floats]]:
        score = 1 / (1 + np.exp(-(skill * (2 * y_true - 1) + rng.normal(size=120))))
        y_prob = np.stack([1 - score, score], axis=1)
        return lambda weights: measure(
            Weighted(weights, y_true, y_prob, y_prob.argmax(axis=1), (0,))
        )

    found = paired_differences(of(0.2), of(3.0), parts, draws=300, seed=0)
    for name in ("auc", "f1", "accuracy"):
        assert found[name].decides, name
        assert found[name].difference > 0
    assert found["escape_rate"].difference < 0
    assert found["escape_rate"].interval[1] < 0


# ---- where a bootstrap is blind ----------------------------------------------------------


def test_one_part_gives_no_interval() -> None:
    before, after = np.array([True, False, False]), np.array([True, True, True])
    found = paired_differences(_accuracy(before), _accuracy(after), ["a"] * 3, seed=0)["accuracy"]
    assert found.interval is None
    assert not found.decides
    assert found.difference == pytest.approx(2 / 3)


def test_a_figure_that_many_draws_lack_gets_no_interval() -> None:
    def lacking(share: float) -> Callable[[Floats], dict[str, Floats]]:
        def of(weights: Floats) -> dict[str, Floats]:
            value = weights[:, 0] / 10
            value[: int(share * len(value))] = np.nan
            return {"f1": value}

        return of

    parts = [f"p{i}" for i in range(8)]
    nothing = _named("f1", 0.0)
    assert paired_differences(nothing, lacking(0.04), parts, seed=0)["f1"].interval is not None
    assert paired_differences(nothing, lacking(0.06), parts, seed=0)["f1"].interval is None
    undefined = paired_differences(nothing, _named("f1", float("nan")), parts, seed=0)["f1"]
    assert undefined.as_json() == {
        "before": 0.0,
        "after": None,
        "difference": None,
        "interval": None,
        "decides": False,
    }


def test_draws_that_agree_on_no_difference_span_nothing_but_zero() -> None:
    def agreeing(lacking: float, value: float) -> Callable[[Floats], dict[str, Floats]]:
        def of(weights: Floats) -> dict[str, Floats]:
            values = np.full(len(weights), value)
            values[: round(lacking * len(values))] = np.nan
            return {"f1": values}

        return of

    parts = [f"p{i}" for i in range(8)]
    for lacking, value, interval in (
        (0.0, 0.5 + 1e-15, (0.0, 0.0)),  # equal but for rounding
        (0.04, 0.5, (0.0, 0.0)),
        (0.06, 0.5, None),
        (0.0, 0.6, None),  # agreed on, but not on nothing
    ):
        one = paired_differences(_named("f1", 0.5), agreeing(lacking, value), parts, seed=0)["f1"]
        assert one.interval == interval


def _named(name: str, value: float) -> Callable[[Floats], dict[str, Floats]]:
    return lambda weights: {name: np.full(len(weights), value)}


def test_both_must_give_the_same_figures() -> None:
    with pytest.raises(ValueError, match="the same figures"):
        paired_differences(_named("f1", 1), _named("auc", 1), ["a", "b"], seed=0)


def test_as_json_is_json() -> None:
    assert json.loads(json.dumps(McNemar(9, 6, 0).as_json())) == {
        "n": 9,
        "became_right": 6,
        "became_wrong": 0,
        "p_value": 0.03125,
    }
    assert json.loads(json.dumps(Difference(0.5, 0.75, (0.1, 0.4)).as_json())) == {
        "before": 0.5,
        "after": 0.75,
        "interval": [0.1, 0.4],
        "difference": 0.25,
        "decides": True,
    }
