"""An evaluation: each figure as score has it, with the interval of its kind."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.predictions import certain, predicted, random_predictions
from numpy.typing import NDArray

from fastdefect.errors import DataError
from fastdefect.evaluation.evaluate import Evaluation, evaluate
from fastdefect.evaluation.statistics.intervals import bootstrap_intervals
from fastdefect.metrics import METRICS, score

TWO, FOUR = ("def", "ok"), ("crack", "good", "pore", "scratch")


def _parts(n: int, photos_each: int) -> list[str]:
    return [f"p{i // photos_each}" for i in range(n)]


def _evaluated(n_classes: int = 2, good: str | None = "ok", photos_each: int = 3) -> Evaluation:
    y_true, y_prob = random_predictions(120, n_classes)
    classes = TWO if n_classes == 2 else FOUR
    return evaluate(
        predicted(y_true, y_prob, classes, good), _parts(120, photos_each), draws=200, seed=1
    )


# ---- values and methods ------------------------------------------------------------------


@pytest.mark.parametrize(("n_classes", "good"), [(2, "ok"), (2, None), (4, "good"), (4, None)])
def test_values_are_those_of_score(n_classes: int, good: str | None) -> None:
    found = _evaluated(n_classes, good)
    assert tuple(found.estimates) == tuple(METRICS)
    for name, estimate in found.estimates.items():
        value = getattr(found.metrics, name)
        assert estimate.value == pytest.approx(value, nan_ok=True), name
        if np.isnan(value):
            assert (estimate.interval, estimate.method) == (None, "none")
        else:
            low, high = estimate.interval or (np.nan, np.nan)
            assert low <= value <= high, name


@pytest.mark.parametrize(
    ("n_classes", "good", "rates"),
    [
        (2, "ok", {"escape_rate", "overkill_rate", "accuracy", "recall", "specificity"}),
        (2, None, {"accuracy"}),
        (4, "good", {"escape_rate", "overkill_rate", "accuracy"}),
    ],
)
def test_rates_are_exact_and_the_rest_drawn(
    n_classes: int, good: str | None, rates: set[str]
) -> None:
    for photos_each, method in ((1, "clopper-pearson"), (3, "korn-graubard")):
        methods = {
            name: estimate.method
            for name, estimate in _evaluated(n_classes, good, photos_each).estimates.items()
            if estimate.interval
        }
        assert {name for name, of in methods.items() if of == method} == rates
        drawn = set(methods) - rates
        assert {methods[name] for name in drawn - {"calibration_error"}} == {"bootstrap"}
        assert methods["calibration_error"] == "bootstrap-deviation"


def test_drawn_intervals_are_those_of_bootstrap_intervals() -> None:
    y_true, y_prob = random_predictions(90, 2)
    parts = _parts(90, 3)
    found = evaluate(predicted(y_true, y_prob, TWO, "ok"), parts, draws=100, seed=9).estimates
    expected = bootstrap_intervals(predicted(y_true, y_prob, TWO, "ok"), parts, draws=100, seed=9)
    for name in ("f1", "precision", "auc"):
        assert found[name].interval == expected[name]


def test_recall_is_what_the_escapes_leave() -> None:
    found = _evaluated()
    low, high = found.estimates["escape_rate"].interval or (0, 0)
    assert found.estimates["recall"].interval == pytest.approx((1 - high, 1 - low))
    low, high = found.estimates["overkill_rate"].interval or (0, 0)
    assert found.estimates["specificity"].interval == pytest.approx((1 - high, 1 - low))
    assert found.escape
    assert found.escape.interval == found.estimates["escape_rate"].interval
    assert found.escape.value == found.metrics.escape_rate


def test_nothing_wrong_is_no_proof() -> None:
    y_true = np.repeat([0, 1], 40)
    found = evaluate(
        predicted(y_true, certain(y_true, 2), TWO, "ok"), _parts(80, 4), draws=50, seed=0
    )
    assert found.escape_claim
    assert found.escape_claim.at_most == pytest.approx(1 - 0.05 ** (1 / 10))
    assert found.estimates["escape_rate"].interval == pytest.approx((0, 0.3085), abs=1e-4)
    precision = found.estimates["precision"]
    assert precision.interval == pytest.approx((0.6915, 1), abs=1e-4)
    assert precision.method == "clopper-pearson"
    for name in ("f1", "auc", "mcc", "brier", "calibration_error"):
        assert found.estimates[name].interval is None, name
        assert found.estimates[name].method == "none"


# ---- counts, classes, types --------------------------------------------------------------


def test_parts_are_counted_by_what_their_photos_show() -> None:
    y_true = np.array([0, 0, 1, 1, 1, 0])
    parts = ["a", "a", "b", "b", "c", "c"]  # c is of both
    found = evaluate(predicted(y_true, certain(y_true, 2), TWO, "ok"), parts, draws=20, seed=0)
    assert (found.n_parts, found.n_defective_parts, found.n_good_parts) == (3, 2, 2)
    assert found.escape
    assert found.overkill
    assert (found.escape.photos, found.escape.parts) == (3, 2)
    assert (found.overkill.photos, found.overkill.parts) == (3, 2)
    without = evaluate(predicted(y_true, certain(y_true, 2), TWO, None), parts, draws=20, seed=0)
    assert (without.n_defective_parts, without.n_good_parts) == (3, 0)
    assert without.escape is without.overkill is without.escape_claim is None


def test_each_class_has_its_own_figures() -> None:
    found = _evaluated(4, "good")
    for name, of in found.per_class.items():
        same = found.metrics.per_class[name]
        assert of.precision.value == pytest.approx(same.precision)
        assert of.recall.value == pytest.approx(same.recall)
        assert of.f1.value == pytest.approx(same.f1)
        assert (of.photos, of.recall.method) == (same.n, "korn-graubard")
        for estimate in (of.precision, of.recall, of.f1):
            low, high = estimate.interval or (np.nan, np.nan)
            assert low <= estimate.value <= high


def test_a_class_without_photos_has_no_figures() -> None:
    y_true = np.array([0, 1, 0, 1])
    found = evaluate(
        predicted(y_true, certain([0, 2, 0, 1], 3), "abc", None), list("wxyz"), draws=50, seed=0
    )
    absent = found.per_class["c"]
    assert (absent.photos, absent.parts) == (0, 0)
    for estimate in (absent.precision, absent.recall, absent.f1):
        assert np.isnan(estimate.value)
        assert (estimate.interval, estimate.method) == (None, "none")


def test_decisions_of_a_threshold_are_followed_everywhere() -> None:
    y_true, y_prob = random_predictions(60, 2)
    strict = np.where(y_prob[:, 0] > 0.1, 0, 1)
    parts = _parts(60, 2)
    found = evaluate(predicted(y_true, y_prob, TWO, "ok"), parts, y_pred=strict, draws=100, seed=0)
    assert found.escape
    assert found.escape.count == ((y_true == 0) & (strict == 1)).sum()
    assert found.metrics.escapes == found.escape.count
    plain = evaluate(predicted(y_true, y_prob, TWO, "ok"), parts, draws=100, seed=0)
    assert plain.escape
    assert plain.escape.count > found.escape.count
    assert plain.estimates["f1"].interval != found.estimates["f1"].interval
    assert plain.estimates["auc"] == found.estimates["auc"]
    assert plain.per_class["ok"].precision != found.per_class["ok"].precision


# ---- edges -------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [0, 1])
def test_one_photo(label: int) -> None:
    found = evaluate(
        predicted(np.array([label]), np.array([[0.2, 0.8]]), TWO, "ok"), ["a"], draws=20, seed=0
    )
    assert found.estimates["accuracy"].interval == ((0.0, 0.975) if label == 0 else (0.025, 1.0))
    assert np.isnan(found.estimates["auc"].value)
    undefined = found.estimates["overkill_rate" if label == 0 else "escape_rate"]
    assert np.isnan(undefined.value)
    assert undefined.interval is None


def test_json_is_strict_and_whole() -> None:
    for found in (_evaluated(), _evaluated(4, None)):
        plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
        assert plain["estimates"].keys() == set(METRICS)
        assert plain["metrics"]["n"] == 120
        assert plain["n_parts"] == 40
        first = next(iter(plain["per_class"].values()))
        assert first.keys() == {"precision", "recall", "f1", "photos", "parts"}
    assert plain["estimates"]["escape_rate"] == {"value": None, "interval": None, "method": "none"}
    assert plain["escape"] is None


def test_what_cannot_be_scored_is_refused() -> None:
    y_true, y_prob = random_predictions(8, 2)
    with pytest.raises(ValueError, match="each of 8 photos"):
        evaluate(predicted(y_true, y_prob, TWO, "ok"), ["a"] * 7, seed=0)
    with pytest.raises(DataError, match="finite"):
        evaluate(predicted(y_true, y_prob * np.nan, TWO, "ok"), ["a"] * 8, seed=0)
    with pytest.raises(DataError, match="none"):
        evaluate(predicted(y_true[:0], y_prob[:0], TWO, "ok"), [], seed=0)


# ---- the calibration error's own interval ------------------------------------------------


def _tempered(
    rng: np.random.Generator, n_parts: int, sharpness: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
    """Three photos a part; with sharpness 1 the probabilities are the true ones."""
    logit = np.repeat(3 * rng.normal(size=n_parts), 3) + rng.normal(size=3 * n_parts)
    y_true = (rng.random(3 * n_parts) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    one = 1 / (1 + np.exp(-sharpness * logit))
    return y_true, np.column_stack([1 - one, one]), _parts(3 * n_parts, 3)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [1.0, 0.4])
def test_the_calibration_errors_interval_covers_the_truth(sharpness: float) -> None:
    y_true, y_prob, _ = _tempered(np.random.default_rng(0), 300_000, sharpness)
    # With the true probabilities it is 0, which no number of photos measures exactly.
    truth = 0.0 if sharpness == 1 else score(y_true, y_prob, TWO, ()).calibration_error
    rng = np.random.default_rng(2)
    trials, covered = 100, 0
    for trial in range(trials):
        y_true, y_prob, parts = _tempered(rng, 80, sharpness)
        found = evaluate(predicted(y_true, y_prob, TWO, None), parts, draws=200, seed=trial)
        low, high = found.estimates["calibration_error"].interval or (np.nan, np.nan)
        covered += low <= truth <= high
    assert covered / trials >= 0.90


def test_several_good_classes_have_rates_and_intervals_of_their_photos() -> None:
    classes = ("crack", "ok_back", "ok_front")
    y_true = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    said = predicted(y_true, certain([0, 0, 0, 2, 1, 2, 0, 2, 2, 1], 3), classes, None)
    found = evaluate(replace(said, good=("ok_back", "ok_front")), _parts(10, 1), draws=50, seed=0)
    assert found.escape is not None
    assert found.overkill is not None
    assert found.good_confused is not None
    counts = [(of.count, of.photos) for of in (found.escape, found.overkill, found.good_confused)]
    assert counts == [(1, 4), (1, 6), (2, 6)]
    assert found.estimates["recall"].value == 0.75
    assert found.estimates["specificity"].value == pytest.approx(5 / 6)
    assert found.as_json()["good_confused"]["count"] == 2

    one = evaluate(replace(said, good=("ok_front",)), _parts(10, 1), draws=50, seed=0)
    assert one.good_confused is None
    assert "good_confused" not in one.as_json()
