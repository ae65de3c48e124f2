"""Thresholds chosen on some photos: by hand, and against every other threshold."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from fastdefect.errors import DataError
from fastdefect.evaluation.decisions.operating_point import (
    ALL_REJECTED,
    NONE_REJECTED,
    Costs,
    ScoredPhotos,
    Tally,
    choose_by_cost,
    choose_by_f1,
    choose_by_max_escape,
    choose_by_max_overkill,
    cost_curve,
)


def photos_of(good: list[float], defective: list[float]) -> ScoredPhotos:
    """Photos with these scores, each of a part of its own."""
    n = len(good) + len(defective)
    truth = np.arange(n) >= len(good)
    return ScoredPhotos(truth, np.array(good + defective), [f"p{i}" for i in range(n)])


def random_photos(seed: int, n: int = 60) -> ScoredPhotos:
    """Overlapping classes with ties."""
    rng = np.random.default_rng(seed)
    defective = rng.random(n) < 0.4
    score = np.where(defective, rng.beta(4, 2, n), rng.beta(2, 4, n)).round(2)
    return ScoredPhotos(defective, score, [f"p{i // 2}" for i in range(n)])


def tallies(photos: ScoredPhotos) -> list[Tally]:
    """Of every threshold that matters: each score, and one above them all."""
    return [photos.tally(t) for t in [*np.unique(photos.score).tolist(), NONE_REJECTED]]


# ---- the sweep ---------------------------------------------------------------------------


def test_sweep_by_hand() -> None:
    sweep = photos_of(good=[0.1, 0.3, 0.6], defective=[0.6, 0.9]).sweep
    np.testing.assert_allclose(sweep.thresholds, [0, 0.2, 0.45, 0.75, NONE_REJECTED])
    assert sweep.escapes.tolist() == [0, 0, 0, 1, 2]
    assert sweep.overkills.tolist() == [3, 2, 1, 0, 0]
    assert (sweep.n_defective, sweep.n_good) == (2, 3)


def test_scores_of_0_and_1_are_rejected_by_the_first_and_passed_by_the_last() -> None:
    photos = photos_of(good=[0.0, 1.0], defective=[0.0, 1.0])
    assert photos.tally(ALL_REJECTED) == Tally(0, 2, 2, 2)
    assert photos.tally(NONE_REJECTED) == Tally(2, 2, 0, 2)
    assert NONE_REJECTED > 1


def test_no_threshold_lies_on_a_score() -> None:
    photos = random_photos(0)
    assert not np.isin(photos.sweep.thresholds[1:], photos.score).any()


def test_neighbouring_numbers_are_still_divided() -> None:
    for low in (0.5, 0.75, float(np.nextafter(0.5, 1)), 5e-324):
        high = float(np.nextafter(low, 1))
        sweep = photos_of(good=[low], defective=[high]).sweep
        assert sweep.escapes.tolist() == [0, 0, 1]
        assert sweep.overkills.tolist() == [1, 0, 0]


def test_rounding_of_the_scores_flips_no_decision() -> None:
    photos = random_photos(1)
    threshold = choose_by_f1(photos).threshold
    for nudge in (-1e-6, 1e-6):
        nudged = ScoredPhotos(photos.defective, np.clip(photos.score + nudge, 0, 1), photos.parts)
        assert nudged.tally(threshold) == photos.tally(threshold)


# ---- F1 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_has_a_higher_f1(seed: int) -> None:
    photos = random_photos(seed)
    point = choose_by_f1(photos)
    of_all = [
        f1_score(photos.defective, photos.score >= t, zero_division=0.0)
        for t in [*photos.score.tolist(), NONE_REJECTED]
    ]
    assert point.tally.f1 == pytest.approx(max(of_all), abs=1e-12)
    assert point.tally.f1 == pytest.approx(
        f1_score(photos.defective, point.rejects(photos.score)), abs=1e-12
    )


def test_separated_classes_are_divided_in_the_middle() -> None:
    photos = photos_of(good=[0.1, 0.2], defective=[0.8, 0.9])
    assert choose_by_f1(photos).threshold == pytest.approx(0.5)
    assert choose_by_cost(photos, Costs(500, 5, 0.02)).threshold == pytest.approx(0.5)
    assert choose_by_max_escape(photos, 0.0).threshold == pytest.approx(0.5)
    assert choose_by_max_overkill(photos, 0.0).threshold == pytest.approx(0.5)


# ---- cost --------------------------------------------------------------------------------


def test_cost_by_hand() -> None:
    costs = Costs(escape=500, overkill=5, defect_rate=0.02)
    # 2 of 100 parts are defective; a tenth of them escapes: 0.002 * 500. Of the 98 good ones a
    # fifth is rejected: 0.196 * 5.
    assert costs.per_part(np.array(0.1), np.array(0.2)) == pytest.approx(1.0 + 0.98)


@pytest.mark.parametrize("costs", [Costs(500, 5, 0.02), Costs(1, 1, 0.5), Costs(1, 300, 0.001)])
def test_no_threshold_costs_less(costs: Costs) -> None:
    for seed in range(5):
        photos = random_photos(seed)
        found = choose_by_cost(photos, costs).tally
        of_all = [costs.per_part(t.escape_rate, t.overkill_rate) for t in tallies(photos)]
        assert costs.per_part(found.escape_rate, found.overkill_rate) == pytest.approx(min(of_all))


def test_the_lines_defect_rate_decides_and_not_that_of_the_photos() -> None:
    photos = photos_of(good=[0.1, 0.2, 0.3, 0.6], defective=[0.4, 0.8, 0.9, 0.95])
    rare, common = (choose_by_cost(photos, Costs(10, 1, rate)) for rate in (0.001, 0.5))
    assert rare.tally == Tally(1, 4, 0, 4)
    assert common.tally == Tally(0, 4, 1, 4)


def test_where_several_cost_the_same_the_widest_stretch_is_halved() -> None:
    # 0.3 to 0.4 and 0.5 to 0.9 cost the same: one photo wrong each.
    photos = photos_of(good=[0.3, 0.5], defective=[0.4, 0.9])
    assert choose_by_cost(photos, Costs(1, 1, 0.5)).threshold == pytest.approx(0.7)
    # Overkill is free, so that all thresholds up to 0.9 cost the same; 0.45 lies in the middle,
    # between 0.4 and 0.6.
    photos = photos_of(good=[0.1, 0.4, 0.6], defective=[0.9])
    assert choose_by_cost(photos, Costs(1, 0, 0.5)).threshold == pytest.approx(0.5)


def test_cost_curve_is_that_of_every_threshold() -> None:
    photos, costs = random_photos(2), Costs(500, 5, 0.02)
    curve = cost_curve(photos, costs)
    for t, escape, overkill, cost in zip(
        curve.thresholds, curve.escape_rate, curve.overkill_rate, curve.cost, strict=True
    ):
        tally = photos.tally(t)
        assert (tally.escape_rate, tally.overkill_rate) == (escape, overkill)
        assert cost == pytest.approx(0.02 * escape * 500 + 0.98 * overkill * 5)
    assert set(json.loads(json.dumps(curve.as_json()))) == set(vars(curve))


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ((-1, 1, 0.1), "costs"),
        ((float("nan"), 1, 0.1), "costs"),
        ((1, float("inf"), 0.1), "costs"),
        ((0, 0, 0.1), "one above 0"),
        ((1, 1, 1.1), "defect_rate"),
        ((1, 1, float("nan")), "defect_rate"),
    ],
)
def test_costs_that_make_no_sense(costs: tuple[float, float, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Costs(*costs)


# ---- limits ------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.0, 0.02, 0.1, 0.3, 1.0])
def test_limits_are_held_at_the_least_price(limit: float) -> None:
    for seed in range(5):
        photos = random_photos(seed)
        held = choose_by_max_escape(photos, limit).tally
        possible = [(t.overkills, t.escapes) for t in tallies(photos) if t.escape_rate <= limit]
        assert (held.overkills, held.escapes) == min(possible)
        held = choose_by_max_overkill(photos, limit).tally
        possible = [(t.escapes, t.overkills) for t in tallies(photos) if t.overkill_rate <= limit]
        assert (held.escapes, held.overkills) == min(possible)


def test_a_limit_that_is_met_exactly_is_held() -> None:
    # 0.29 * 100 is 28.999999999999996 in binary.
    defective = [(i + 0.5) / 100 for i in range(100)]
    photos = photos_of(good=[0.2899], defective=defective)
    assert choose_by_max_escape(photos, 0.29).tally.escapes == 29


def test_an_escape_that_saves_no_good_photo_is_not_taken() -> None:
    photos = photos_of(good=[0.1, 0.2], defective=[0.5, 0.6, 0.9, 0.95])
    point = choose_by_max_escape(photos, 0.5)
    assert point.threshold == pytest.approx(0.35)
    assert point.tally == Tally(0, 4, 0, 2)


def test_a_limit_that_only_rejecting_all_can_hold() -> None:
    photos = photos_of(good=[0.5, 0.6], defective=[0.1, 0.9])
    assert choose_by_max_escape(photos, 0.1).threshold == ALL_REJECTED
    photos = photos_of(good=[0.5, 0.9], defective=[0.1, 0.6])
    assert choose_by_max_overkill(photos, 0.1).threshold == NONE_REJECTED


@pytest.mark.parametrize("limit", [-0.01, 1.01, float("nan")])
def test_limits_that_are_no_share(limit: float) -> None:
    photos = random_photos(0)
    for choose in (choose_by_max_escape, choose_by_max_overkill):
        with pytest.raises(ValueError, match="limit"):
            choose(photos, limit)


# ---- what is given and what is refused ---------------------------------------------------


def test_as_json_has_the_rule_and_its_settings() -> None:
    photos = photos_of(good=[0.1, 0.6], defective=[0.5, 0.9])
    plain = json.loads(json.dumps(choose_by_cost(photos, Costs(500, 5, 0.02)).as_json()))
    assert plain["rule"] == "cost"
    assert plain["settings"] == {"escape": 500, "overkill": 5, "defect_rate": 0.02}
    assert plain["threshold"] == pytest.approx(0.3)
    assert plain["tally"] == {
        "escapes": 0, "n_defective": 2, "overkills": 1, "n_good": 2,
        "escape_rate": 0.0, "overkill_rate": 0.5, "f1": 0.8,
    }  # fmt: skip
    assert choose_by_max_escape(photos, 0.1).as_json()["settings"] == {"limit": 0.1}


def test_f1_is_0_where_nothing_is_rejected() -> None:
    assert photos_of(good=[0.1], defective=[0.9]).tally(NONE_REJECTED).f1 == 0.0


@pytest.mark.parametrize(("defective", "missing"), [(True, "good"), (False, "defective")])
def test_both_kinds_are_needed(defective: bool, missing: str) -> None:
    with pytest.raises(DataError, match=f"none of the 3 photos is {missing}") as caught:
        ScoredPhotos(np.full(3, defective), np.full(3, 0.5), ["a", "b", "c"])
    assert missing in caught.value.hint


TRUTH = np.array([True, False])


@pytest.mark.parametrize(
    ("defective", "score", "parts"),
    [
        (TRUTH, np.array([0.5]), ["a", "b"]),
        (TRUTH, np.array([[0.5, 0.5]]), ["a", "b"]),
        (TRUTH, np.array([0.5, 0.5]), ["a"]),
        (TRUTH, np.array([0.5, np.nan]), ["a", "b"]),
        (TRUTH, np.array([0.5, 1.1]), ["a", "b"]),
        (TRUTH, np.array([-0.1, 0.5]), ["a", "b"]),
        (TRUTH.astype(np.int64), np.array([0.5, 0.5]), ["a", "b"]),
        (TRUTH[None], np.array([0.5]), ["a"]),
    ],
)
def test_what_is_no_scored_photos(
    defective: NDArray[np.bool_], score: NDArray[np.float64], parts: list[str]
) -> None:
    with pytest.raises(ValueError, match="Expected"):
        ScoredPhotos(defective, score, parts)
