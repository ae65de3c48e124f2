"""The temperature that was put in comes out; few photos don't make a model sure of itself."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from fastdefect.errors import DataError
from fastdefect.evaluation.decisions.calibration import (
    HIGHEST,
    LOWEST,
    fit_temperature,
    reliability,
    reliability_of,
)
from fastdefect.inference.decision_rule import apply_temperature
from fastdefect.metrics import calibration_gaps

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def _drawn(n: int, n_classes: int, seed: int, scale: float = 2.0) -> tuple[Labels, Floats]:
    """Labels drawn from the softmax of the logits that come with them: calibrated at 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes)) * scale
    levels = softmax(logits, axis=1).cumsum(axis=1)
    return (rng.random((n, 1)) > levels[:, :-1]).sum(axis=1), logits


def _objective(y_true: Labels, y_prob: Floats, t: float) -> float:
    """What the docstring says, written as a cross entropy with smoothed labels."""
    n, n_classes = y_prob.shape
    targets = (n * np.eye(n_classes)[y_true] + 1 / n_classes) / (n + 1)
    return float(-(targets * log_softmax(np.log(y_prob) / t, axis=1)).sum())


# ---- the temperature ---------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("planted", [0.4, 1.0, 2.5])
def test_a_planted_temperature_is_recovered(n_classes: int, planted: float) -> None:
    y_true, logits = _drawn(8000, n_classes, seed=1)
    # Sharpened or softened by `planted`: as sure as a model that is wrong about itself.
    y_prob = softmax(logits * planted, axis=1)
    found = fit_temperature(y_true, y_prob)
    assert found.value == pytest.approx(planted, rel=0.05)
    assert found.nll_before == pytest.approx(log_loss(y_true, y_prob), rel=1e-9)
    calibrated = apply_temperature(y_prob, found.value)
    assert found.nll_after == pytest.approx(log_loss(y_true, calibrated), rel=1e-9)
    assert found.nll_after == pytest.approx(log_loss(y_true, softmax(logits, axis=1)), abs=2e-3)
    assert found.nll_after <= found.nll_before + 1e-5
    assert not found.bounded


@pytest.mark.parametrize(("n", "n_classes"), [(15, 2), (60, 3), (400, 4)])
def test_no_other_temperature_is_better(n: int, n_classes: int) -> None:
    y_true, logits = _drawn(n, n_classes, seed=n)
    y_prob = softmax(logits * 1.7, axis=1)
    grid = np.geomspace(LOWEST, HIGHEST, 6001)
    best = grid[np.argmin([_objective(y_true, y_prob, t) for t in grid])]
    assert fit_temperature(y_true, y_prob).value == pytest.approx(best, rel=2e-3)


def test_labels_mixed_in_training_make_a_temperature_below_one() -> None:
    y_true, logits = _drawn(3000, 2, seed=2, scale=4.0)
    honest = softmax(logits, axis=1)
    mixed = 0.75 * honest + 0.25 * 0.5  # what MixUp and label smoothing teach a model to say
    found = fit_temperature(y_true, mixed)
    assert found.value < 0.75
    assert found.nll_after < found.nll_before
    before, after = (
        np.abs(calibration_gaps(np.ones((1, 3000)), y_true, p)).sum()
        for p in (mixed, apply_temperature(mixed, found.value))
    )
    assert after < before / 2


@pytest.mark.parametrize("n", [4, 20, 500])
@pytest.mark.parametrize("sure", [0.6, 0.97, 1 - 1e-12])
def test_photos_that_are_all_right_prove_no_more_than_their_number(n: int, sure: float) -> None:
    y_true = np.arange(n) % 2
    y_prob = np.where(np.eye(2)[y_true] > 0, sure, 1 - sure)
    found = fit_temperature(y_true, y_prob)
    confidence = apply_temperature(y_prob, found.value).max()
    assert confidence == pytest.approx((n + 0.5) / (n + 1), rel=1e-5)
    assert not found.bounded


def test_what_no_scale_can_mend_ends_at_a_bound() -> None:
    y_true = np.arange(40) % 2
    backwards = np.where(np.eye(2)[y_true] > 0, 1e-9, 1 - 1e-9)
    found = fit_temperature(y_true, backwards)
    assert (found.value, found.bounded) == (HIGHEST, True)
    barely = np.where(np.eye(2)[y_true] > 0, 0.501, 0.499)
    found = fit_temperature(y_true, barely)
    assert (found.value, found.bounded) == (LOWEST, True)


def test_an_uninformative_model_does_not_change() -> None:
    found = fit_temperature(np.arange(9) % 3, np.full((9, 3), 1 / 3))
    assert found.value == 1.0
    assert found.nll_after == found.nll_before == pytest.approx(np.log(3))


@pytest.mark.slow
def test_few_photos_are_calibrated_better_than_by_the_likelihood_alone() -> None:
    """The reason for the photo more: the loss on photos that the fit didn't see."""
    _, fresh = _drawn(3000, 2, seed=99, scale=6.0)
    truth = softmax(fresh, axis=1)
    grid = np.geomspace(LOWEST, HIGHEST, 200)
    ours, plain = [], []
    for seed in range(40):
        y_true, logits = _drawn(30, 2, seed=seed, scale=6.0)
        y_prob = softmax(logits, axis=1)
        if len(np.unique(y_true)) < 2:
            continue
        logs = [log_softmax(logits / t, axis=1)[np.arange(30), y_true].mean() for t in grid]
        for kept, t in (
            (ours, fit_temperature(y_true, y_prob).value),
            (plain, grid[np.argmax(logs)]),
        ):
            kept.append(-(truth * log_softmax(fresh / t, axis=1)).sum(axis=1).mean())
    assert np.mean(ours) < np.mean(plain) - 0.02


def test_probabilities_of_zero_and_one_are_taken() -> None:
    y_true = np.array([0, 1, 0, 1])
    found = fit_temperature(y_true, np.eye(2)[[0, 1, 0, 0]])
    assert found.nll_before == pytest.approx(log_loss(y_true, np.eye(2)[[0, 1, 0, 0]]))
    assert found.value > 1
    assert np.isfinite(apply_temperature(np.eye(2), 0.05)).all()


def test_what_can_not_be_fitted_is_refused() -> None:
    with pytest.raises(DataError, match="all 3 are of one"):
        fit_temperature(np.zeros(3, np.int64), np.full((3, 2), 0.5))
    with pytest.raises(DataError, match="finite"):
        fit_temperature(np.array([0, 1]), np.array([[0.5, 0.5], [np.nan, 0.5]]))
    with pytest.raises(DataError, match="none"):
        fit_temperature(np.zeros(0, np.int64), np.zeros((0, 2)))


@pytest.mark.parametrize("t", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_is_a_positive_number(t: float) -> None:
    with pytest.raises(ValueError, match="positive temperature"):
        apply_temperature(np.eye(2), t)


_PROBABILITIES = arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.floats(0, 1)
).map(lambda raw: (raw + 1e-12) / (raw + 1e-12).sum(axis=1, keepdims=True))


@given(_PROBABILITIES, st.floats(LOWEST, HIGHEST))
def test_the_order_of_the_classes_stays(y_prob: Floats, t: float) -> None:
    after = apply_temperature(y_prob, t)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    ordered = np.take_along_axis(after, y_prob.argsort(axis=1, kind="stable"), axis=1)
    assert (np.diff(ordered, axis=1) >= 0).all()


@given(_PROBABILITIES, st.floats(0.5, 2), st.floats(0.5, 2))
def test_temperatures_multiply_and_one_changes_nothing(y_prob: Floats, s: float, t: float) -> None:
    np.testing.assert_allclose(apply_temperature(y_prob, 1.0), y_prob, atol=1e-12)
    twice = apply_temperature(apply_temperature(y_prob, s), t)
    # Probabilities that the first made tinier than float64 can tell from 0 are cut off.
    np.testing.assert_allclose(twice, apply_temperature(y_prob, s * t), atol=1e-7)


# ---- the bins ----------------------------------------------------------------------------


def test_bins_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    score = np.round(rng.random(500), 2)  # on the edges too
    positive = rng.random(500) < score**2
    found = reliability_of(positive, score, bins=10)
    shares, means = calibration_curve(positive, score, n_bins=10)
    assert [bin.share for bin in found] == pytest.approx(shares)
    assert [bin.confidence for bin in found] == pytest.approx(means)
    assert sum(bin.n for bin in found) == 500
    for bin in found:
        assert bin.low - 1e-12 <= bin.confidence <= bin.high + 1e-12
        ends = binomtest(round(bin.share * bin.n), bin.n).proportion_ci(method="wilson")
        assert bin.interval == (ends.low, ends.high)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_bins_add_up_to_the_calibration_error(n_classes: int) -> None:
    y_true, logits = _drawn(700, n_classes, seed=3)
    y_prob = softmax(2 * logits, axis=1)
    found = reliability(y_true, y_prob)
    error = sum(bin.n * abs(bin.share - bin.confidence) for bin in found) / 700
    gaps = calibration_gaps(np.ones((1, 700)), y_true, y_prob)
    assert error == pytest.approx(np.abs(gaps).sum(), abs=1e-12)


def test_bins_without_photos_are_left_out() -> None:
    found = reliability_of(np.array([True, False, True]), np.array([1.0, 0.0, 0.95]), bins=4)
    assert [(bin.low, bin.high, bin.n) for bin in found] == [(0, 0.25, 1), (0.75, 1, 2)]
    assert found[1].confidence == pytest.approx(0.975)
    assert found[1].share == 1
    assert found[1].interval[0] > 0.3


@pytest.mark.parametrize(
    ("positive", "score", "bins"),
    [([True], [0.5, 0.5], 5), ([True], [float("nan")], 5), ([True], [1.2], 5), ([True], [0.5], 0)],
)
def test_what_can_not_be_binned_is_refused(
    positive: list[bool], score: list[float], bins: int
) -> None:
    with pytest.raises(ValueError, match="Expected"):
        reliability_of(np.array(positive), np.array(score), bins)


def test_as_json_is_json() -> None:
    y_true, logits = _drawn(50, 2, seed=4)
    y_prob = softmax(logits, axis=1)
    found = fit_temperature(y_true, y_prob)
    assert json.loads(json.dumps(found.as_json())) == {
        "value": found.value,
        "n": 50,
        "nll_before": found.nll_before,
        "nll_after": found.nll_after,
        "bounded": False,
    }
    first = json.loads(json.dumps(reliability(y_true, y_prob)[0].as_json()))
    assert set(first) == {"low", "high", "n", "confidence", "share", "interval"}
