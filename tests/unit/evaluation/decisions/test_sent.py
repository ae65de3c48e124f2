"""From probabilities to decisions: which class, at which threshold, and who is asked."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fastdefect.evaluation.decisions.operating_point import (
    ALL_REJECTED,
    NONE_REJECTED,
    ScoredPhotos,
    choose_by_f1,
    choose_by_max_escape,
)
from fastdefect.evaluation.decisions.review_band import Band, choose_band
from fastdefect.evaluation.decisions.sent import Sent, sent_to_people
from fastdefect.evaluation.statistics.rates import rate_of
from fastdefect.inference.decision_rule import DecisionRule, calibrated, defect_score


def _at(
    threshold: float | None, high: float | None = None, *, temperature: float = 1.0
) -> DecisionRule:
    return DecisionRule("none", temperature, threshold, high, "a test")


def _probabilities(n: int, n_classes: int, seed: int) -> NDArray[np.float64]:
    logits = np.random.default_rng(seed).normal(scale=3, size=(n, n_classes))
    y_prob = np.exp(logits)
    return y_prob / y_prob.sum(axis=1, keepdims=True)


# ---- decide ------------------------------------------------------------------------------

# crack, good, pore
THREE = np.array([[0.10, 0.70, 0.20], [0.25, 0.45, 0.30], [0.05, 0.90, 0.05], [0.6, 0.1, 0.3]])


@pytest.mark.parametrize(
    ("threshold", "decided"),
    [
        (None, [1, 1, 1, 0]),
        (0.5, [1, 2, 1, 0]),  # 0.45 good is passed by most probable class, not at 0.5
        (0.2, [2, 2, 1, 0]),  # good is the most probable, yet rejected: as pore
        (0.95, [1, 1, 1, 1]),  # crack is the most probable, yet passed
    ],
)
def test_the_rejected_go_to_their_most_probable_defect(
    threshold: float | None, decided: list[int]
) -> None:
    before = THREE.copy()
    assert _at(threshold).decide(THREE, (1,)).tolist() == decided
    assert (before == THREE).all()


def test_a_score_on_the_threshold_is_rejected() -> None:
    y_prob = np.array([[0.25, 0.75], [0.75, 0.25]])
    assert _at(0.25).decide(y_prob, (1,)).tolist() == [0, 0]
    assert _at(np.nextafter(0.25, 1)).decide(y_prob, (1,)).tolist() == [1, 0]


def test_the_ends_reject_all_and_none_even_of_the_surest() -> None:
    sure = np.eye(3)
    # No defect of the photo that is surely good has any probability: still it is rejected.
    assert _at(ALL_REJECTED).decide(sure, (1,)).tolist() == [0, 0, 2]
    assert _at(ALL_REJECTED).decide(sure, (0,)).tolist() == [1, 1, 2]
    assert _at(NONE_REJECTED).decide(sure, (1,)).tolist() == [1, 1, 1]


def test_without_a_good_class_the_most_probable_decides() -> None:
    assert _at(0.2).decide(THREE, ()).tolist() == [1, 1, 1, 0]


@given(
    n_classes=st.integers(2, 5),
    threshold=st.one_of(st.none(), st.floats(0, 1)),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_decisions_are_those_of_a_loop(
    n_classes: int, threshold: float | None, seed: int, data: st.DataObject
) -> None:
    good = data.draw(st.integers(0, n_classes - 1))
    y_prob = _probabilities(7, n_classes, seed)
    decided = _at(threshold).decide(y_prob, (good,))
    assert decided.shape == (7,)
    for row, got in zip(y_prob, decided, strict=True):
        if threshold is None:
            assert row[got] == row.max()
        elif 1 - row[good] < threshold:
            assert got == good
        else:
            assert got != good
            assert row[got] == max(p for i, p in enumerate(row) if i != good)


@given(seed=st.integers(0, 10_000), temperature=st.sampled_from([0.05, 0.5, 1.0, 3.0, 20.0]))
def test_what_a_threshold_was_chosen_to_do_it_does(seed: int, temperature: float) -> None:
    # The sweep chose on scores; the decision is taken from probabilities of three classes.
    y_prob, good = _probabilities(30, 3, seed), 2
    y_true = np.random.default_rng(seed).permutation(np.arange(30) % 3)
    score = defect_score(calibrated(y_prob, temperature), (good,))
    photos = ScoredPhotos(y_true != good, score, [str(i) for i in range(30)])
    for point in (choose_by_f1(photos), choose_by_max_escape(photos, 0.1)):
        decision = _at(point.threshold, temperature=temperature)
        passed = decision.decide(decision.calibrated(y_prob), (good,)) == good
        assert int((passed & photos.defective).sum()) == point.tally.escapes
        assert int((~passed & ~photos.defective).sum()) == point.tally.overkills


# ---- temperature -------------------------------------------------------------------------


def test_temperature_one_changes_no_bit_and_two_takes_the_root() -> None:
    y_prob = np.array([[0.8, 0.2], [0.1, 0.9]])
    assert calibrated(y_prob, 1.0) is y_prob
    # sqrt(0.8 / 0.2) = 2, sqrt(0.9 / 0.1) = 3: odds of 2 and 3.
    expected = np.array([[2 / 3, 1 / 3], [1 / 4, 3 / 4]])
    assert _at(None, temperature=2.0).calibrated(y_prob) == pytest.approx(expected)


@given(arrays(np.float64, (5,), elements=st.floats(0, 1 + 1e-6)))
def test_a_score_is_a_share_though_sums_pass_one(good: NDArray[np.float64]) -> None:
    score = defect_score(np.stack([1 - good, good], axis=1), (1,))
    assert ((score >= 0) & (score <= 1)).all()


# ---- the band ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "high", "has_band"),
    [
        (None, None, False),
        (0.3, None, False),
        (0.3, 0.3, False),
        (None, 0.3, False),
        (0.3, 1, True),
    ],
)
def test_a_band_takes_two_thresholds_that_differ(
    threshold: float | None, high: float | None, has_band: bool
) -> None:
    decision = _at(threshold, high)
    assert decision.has_band is has_band
    score, defective = np.array([0.1, 0.5]), np.array([False, True])
    assert (sent_to_people(decision, score, defective, ["a", "b"]) is not None) is has_band


def test_who_is_asked_by_hand() -> None:
    score = np.array([0.1, 0.2, 0.5, 0.8, 0.9, 0.1, 0.2, 0.8])
    defective = np.array([True, True, True, True, True, False, False, False])
    parts = list("aabbcdee")
    sent = sent_to_people(_at(0.2, 0.8), score, defective, parts)
    # Passed below 0.2, rejected from 0.8 on; on 0.2 a person looks.
    assert sent == Sent(
        defective=rate_of(np.array([False, True, True, False, False]), list("aabbc")),
        good=rate_of(np.array([False, True, False]), list("dee")),
        escape=rate_of(np.array([True, False, False, False, False]), list("aabbc")),
        overkill=rate_of(np.array([False, False, True]), list("dee")),
    )
    assert (sent.defective.count, sent.good.count) == (2, 1)
    assert (sent.escape.count, sent.overkill.count) == (1, 1)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), limits=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)))
def test_the_band_sends_whom_it_was_chosen_to_send(seed: int, limits: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    photos = ScoredPhotos(np.arange(20) % 2 == 0, rng.uniform(size=20), [str(i) for i in range(20)])
    band: Band = choose_band(photos, *limits)
    sent = sent_to_people(_at(band.low, band.high), photos.score, photos.defective, photos.parts)
    if band.low == band.high:
        assert sent is None
        return
    assert sent is not None
    counts = (sent.defective.count, sent.good.count, sent.escape.count, sent.overkill.count)
    tally = band.tally
    assert counts == (
        tally.defective_in_band,
        tally.good_in_band,
        tally.wrong.escapes,
        tally.wrong.overkills,
    )


def test_photos_of_one_kind_only_can_be_sent_too() -> None:
    sent = sent_to_people(_at(0.2, 0.8), np.array([0.5]), np.array([False]), ["a"])
    assert sent is not None
    assert sent.good.count == 1
    assert sent.defective.interval is None
    plain = json.loads(json.dumps(sent.as_json(), allow_nan=False))
    assert plain["defective"]["value"] is None
    assert plain["good"]["value"] == 1


def test_a_decision_is_plain_json() -> None:
    assert json.loads(json.dumps(_at(0.25, 0.5).as_json(), allow_nan=False)) == {
        "views": "none",
        "temperature": 1.0,
        "threshold": 0.25,
        "high": 0.5,
        "rule": "a test",
    }


# ---- several good classes ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "decided"),
    [
        (None, [0, 1, 2]),  # the most probable class, with a defect of 0.4
        (0.5, [1, 1, 2]),  # 0.6 good together: passed, as the more probable of the two
        (0.35, [0, 1, 2]),
        (0.05, [0, 0, 0]),
    ],
)
def test_the_good_classes_are_weighed_together(threshold: float | None, decided: list[int]) -> None:
    # crack, ok_back, ok_front
    y_prob = np.array([[0.4, 0.35, 0.25], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]])
    assert _at(threshold).decide(y_prob, (1, 2)).tolist() == decided
    assert defect_score(y_prob, (1, 2)) == pytest.approx([0.4, 0.2, 0.1])
