"""Thresholds: whatever the scores, the parts and the limits."""

import json
from random import Random

import numpy as np
from helpers.examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from fastdefect.evaluation.decisions.guarantees import (
    guaranteed_max_escape,
    guaranteed_max_overkill,
    losses,
    p_values,
)
from fastdefect.evaluation.decisions.operating_point import (
    Costs,
    OperatingPoint,
    ScoredPhotos,
    choose_by_cost,
    choose_by_f1,
    choose_by_max_escape,
    choose_by_max_overkill,
)
from fastdefect.evaluation.decisions.review_band import choose_band

SCORES = st.integers(0, 32).map(lambda k: k / 32) | st.floats(0, 1)  # ties, and any
SHARES = st.floats(0, 1)
OPEN = st.floats(0.001, 0.999)
COSTS = st.builds(Costs, st.floats(0.1, 1e4), st.floats(0, 1e4), SHARES)


@st.composite
def scored(draw: st.DrawFn) -> ScoredPhotos:
    rows = draw(
        st.lists(st.tuples(st.booleans(), SCORES, st.integers(0, 15)), min_size=2, max_size=40)
    )
    truth = np.array([row[0] for row in rows])
    assume(truth.any() and not truth.all())
    return ScoredPhotos(truth, np.array([row[1] for row in rows]), [str(row[2]) for row in rows])


def points(photos: ScoredPhotos, limit: float, confidence: float) -> list[OperatingPoint]:
    """By every rule; the guaranteed ones where they are supported."""
    promised = [
        guaranteed_max_escape(photos, limit, confidence).point,
        guaranteed_max_overkill(photos, limit, confidence).point,
    ]
    return [
        choose_by_f1(photos),
        choose_by_cost(photos, Costs(500, 5, 0.02)),
        choose_by_max_escape(photos, limit),
        choose_by_max_overkill(photos, limit),
        *(point for point in promised if point),
    ]


@examples(100)
@given(scored(), OPEN, OPEN)
def test_decisions_at_the_threshold_give_the_rates_that_are_stated(
    photos: ScoredPhotos, limit: float, confidence: float
) -> None:
    for point in points(photos, limit, confidence):
        rejected = point.rejects(photos.score)
        assert point.tally.escapes == (photos.defective & ~rejected).sum()
        assert point.tally.overkills == (~photos.defective & rejected).sum()
        json.dumps(point.as_json(), allow_nan=False)


@examples(100)
@given(scored())
def test_a_sweep_holds_each_decision_once_and_is_monotone(photos: ScoredPhotos) -> None:
    sweep = photos.sweep
    assert (np.diff(sweep.thresholds) > 0).all()
    assert (np.diff(sweep.escapes) >= 0).all()
    assert (np.diff(sweep.overkills) <= 0).all()
    assert (np.diff(sweep.escapes) - np.diff(sweep.overkills) > 0).all()
    assert (sweep.escapes[0], sweep.overkills[-1]) == (0, 0)
    assert (sweep.escapes[-1], sweep.overkills[0]) == (sweep.n_defective, sweep.n_good)
    assert len(sweep.thresholds) == len(np.unique(photos.score)) + 1


@examples(100)
@given(scored(), COSTS)
def test_no_threshold_is_cheaper(photos: ScoredPhotos, costs: Costs) -> None:
    def cost(threshold: float) -> float:
        tally = photos.tally(threshold)
        return float(costs.per_part(tally.escape_rate, tally.overkill_rate))  # type: ignore[arg-type]

    best = cost(choose_by_cost(photos, costs).threshold)
    for threshold in [*photos.score.tolist(), 2.0]:
        assert best <= cost(threshold) * (1 + 1e-9) + 1e-15


@examples(100)
@given(scored(), SHARES, SHARES)
def test_a_looser_limit_never_costs_more(photos: ScoredPhotos, one: float, other: float) -> None:
    tight, loose = sorted((one, other))
    for choose, price in (
        (choose_by_max_escape, "overkills"),
        (choose_by_max_overkill, "escapes"),
    ):
        dear, cheap = (getattr(choose(photos, limit).tally, price) for limit in (tight, loose))
        assert cheap <= dear
    assert choose_by_max_escape(photos, tight).tally.escape_rate <= tight
    assert choose_by_max_overkill(photos, tight).tally.overkill_rate <= tight


@examples(100)
@given(scored(), OPEN, OPEN, OPEN)
def test_more_confidence_never_costs_less(
    photos: ScoredPhotos, limit: float, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    for guaranteed, price in (
        (guaranteed_max_escape, "overkills"),
        (guaranteed_max_overkill, "escapes"),
    ):
        surer, bolder = guaranteed(photos, limit, more), guaranteed(photos, limit, less)
        assert surer.supported == (surer.parts_more == 0)
        if surer.point:
            assert bolder.point is not None
            assert getattr(bolder.point.tally, price) <= getattr(surer.point.tally, price)


@examples(100)
@given(scored(), OPEN)
def test_p_values_rise_with_the_mistakes(photos: ScoredPhotos, limit: float) -> None:
    for mistake, sign in (("escape", 1), ("overkill", -1)):
        found = losses(photos, mistake, limit)  # type: ignore[arg-type]
        assert (np.diff(found.mean) * sign >= -1e-12).all()
        assert (np.diff(found.p_value) * sign >= -1e-12).all()
        assert ((found.p_value >= 0) & (found.p_value <= 1 + 1e-12)).all()


@examples(100)
@given(st.integers(1, 500), OPEN, st.data())
def test_hoeffding_bentkus_is_never_below_the_exact_test(
    n: int, limit: float, data: st.DataObject
) -> None:
    total = np.array([float(data.draw(st.integers(0, n)))])
    exact = p_values(total, n, limit, "binomial")
    assert (p_values(total, n, limit, "hoeffding-bentkus") >= exact * (1 - 1e-9)).all()


@examples(100)
@given(scored(), SHARES, SHARES, st.none() | OPEN)
def test_a_band_is_in_order_and_holds_both_limits(
    photos: ScoredPhotos, max_escape: float, max_overkill: float, confidence: float | None
) -> None:
    if confidence is not None:
        assume(1e-9 <= max_escape < 1 and 1e-9 <= max_overkill < 1)
    band = choose_band(photos, max_escape, max_overkill, confidence)
    assert band.low <= band.high
    decided = band.decide(photos.score)
    wrong = band.tally.wrong
    assert wrong.escapes == (photos.defective & (decided == "ok")).sum()
    assert wrong.overkills == (~photos.defective & (decided == "reject")).sum()
    assert band.tally.defective_in_band == (photos.defective & (decided == "look")).sum()
    assert band.tally.good_in_band == (~photos.defective & (decided == "look")).sum()
    json.dumps(band.as_json(), allow_nan=False)
    if confidence is None:
        assert wrong.escape_rate <= max_escape
        assert wrong.overkill_rate <= max_overkill
        one = [photos.tally(t) for t in photos.sweep.thresholds.tolist()]
        suffices = any(t.escape_rate <= max_escape and t.overkill_rate <= max_overkill for t in one)
        assert suffices == (band.low == band.high)


@examples(100)
@given(scored(), OPEN, OPEN, st.randoms(use_true_random=False))
def test_the_order_of_the_photos_does_not_matter(
    photos: ScoredPhotos, limit: float, confidence: float, random: Random
) -> None:
    order = list(range(len(photos.score)))
    random.shuffle(order)
    shuffled = ScoredPhotos(
        photos.defective[order], photos.score[order], [photos.parts[i] for i in order]
    )
    for before, after in zip(
        points(photos, limit, confidence), points(shuffled, limit, confidence), strict=True
    ):
        assert before == after
    for mistake in ("escape", "overkill"):
        before, after = (losses(each, mistake, limit) for each in (photos, shuffled))
        np.testing.assert_array_equal(before.p_value, after.p_value)
    assert choose_band(photos, limit, limit, confidence) == choose_band(
        shuffled, limit, limit, confidence
    )
