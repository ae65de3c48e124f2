"""Every figure, weighted, against scikit-learn."""

import time

import numpy as np
import pytest
from helpers.predictions import certain, random_predictions
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_score,
    recall_score,
    roc_auc_score,
)

from fastdefect.good import good_indices
from fastdefect.metrics import (
    CALIBRATION_BINS,
    METRICS,
    Weighted,
    calibration_gaps,
    measure,
    score,
)

Floats = NDArray[np.float64]


Labels = NDArray[np.int64]


# ---- every figure, weighted, against scikit-learn ----------------------------------------


def by_sklearn(
    weight: Floats, y_true: Labels, y_prob: Floats, y_pred: Labels, good: tuple[int, ...]
) -> dict[str, float]:
    """All figures of one weighting, by scikit-learn where it has them, else by their words."""
    keep = weight > 0
    weight, y_true, y_prob, y_pred = weight[keep], y_true[keep], y_prob[keep], y_pred[keep]
    n_classes = y_prob.shape[1]
    present = np.unique(y_true)
    options = {"sample_weight": weight, "zero_division": 0}
    found = dict.fromkeys(METRICS, np.nan)
    defects = [c for c in range(n_classes) if c not in good]
    one = bool(good) and len(defects) == 1
    columns = defects if one else present if n_classes > 2 else [1]
    ranked = [c for c in columns if 0 < (y_true == c).sum() < len(y_true)]
    areas = [
        [of(y_true == c, y_prob[:, c], sample_weight=weight) for c in ranked]
        for of in (roc_auc_score, average_precision_score)
    ]
    if ranked:
        found["auc"], found["average_precision"] = map(np.mean, areas)
    bad, called = ~np.isin(y_true, good), ~np.isin(y_pred, good)
    if not one or bad.any():
        chosen = defects if one else present
        for name, of in (
            ("precision", precision_score),
            ("recall", recall_score),
            ("f1", f1_score),
        ):
            found[name] = of(y_true, y_pred, labels=chosen, average="macro", **options)
    recalls = recall_score(y_true, y_pred, labels=present, average=None, **options)
    found["balanced_accuracy"] = recalls.mean()
    found["accuracy"] = accuracy_score(y_true, y_pred, sample_weight=weight)
    if len(present) > 1:
        found["mcc"] = matthews_corrcoef(y_true, y_pred, sample_weight=weight)
    # The recall of "not this class" is this class's specificity.
    spared = [
        recall_score(y_true != c, y_pred != c, **options) for c in present if (y_true != c).any()
    ]
    if good:
        if bad.any():
            found["escape_rate"] = 1 - recall_score(bad, called, **options)
        if not bad.all():
            found["overkill_rate"] = 1 - recall_score(~bad, ~called, **options)
    if one:
        found["specificity"] = 1 - found["overkill_rate"]
    elif spared:
        found["specificity"] = np.mean(spared)
    squares = [
        brier_score_loss(y_true == c, y_prob[:, c], sample_weight=weight, pos_label=True)
        for c in range(n_classes)
    ]
    found["brier"] = squares[0] if n_classes == 2 else sum(squares)
    found["log_loss"] = log_loss(
        y_true, y_prob, labels=list(range(n_classes)), sample_weight=weight
    )
    found["calibration_error"] = _calibration_error(weight, y_true, y_prob)
    return found


def _calibration_error(weight: Floats, y_true: Labels, y_prob: Floats) -> float:
    """As Guo et al. (2017) define it, bin by bin."""
    confidence, right = y_prob.max(axis=1), y_prob.argmax(axis=1) == y_true
    error = 0.0
    for low, high in zip(np.linspace(0, 1, 16)[:-1], np.linspace(0, 1, 16)[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            share = weight[inside].sum() / weight.sum()
            accuracy = np.average(right[inside], weights=weight[inside])
            error += share * abs(accuracy - np.average(confidence[inside], weights=weight[inside]))
    return float(error)


EDGES = {
    "random": lambda y, p: (y, p),
    "ties": lambda y, p: (y, np.round(p * 3) / np.round(p * 3).sum(axis=1, keepdims=True)),
    "all scores equal": lambda y, p: (y, np.full_like(p, 1 / p.shape[1])),
    "one class missing": lambda y, p: (np.maximum(y, 1), p),
    "one class only": lambda y, p: (np.zeros_like(y), p),
    "certain and right": lambda y, p: (y, np.eye(p.shape[1])[y]),
    "certain and wrong": lambda y, p: (y, np.eye(p.shape[1])[(y + 1) % p.shape[1]]),
    "one answer to everything": lambda y, p: (y, np.eye(p.shape[1])[np.zeros_like(y)]),
    "one photo": lambda y, p: (y[:1], p[:1]),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(
    ("n_classes", "good"),
    [(2, (0,)), (2, (1,)), (2, ()), (4, (3,)), (3, ()), (3, (0, 2)), (4, (1, 2, 3)), (4, (0, 3))],
)
def test_each_figure_of_each_weighting_is_scikit_learns(
    edge: str, n_classes: int, good: tuple[int, ...]
) -> None:
    y_true, y_prob = EDGES[edge](*random_predictions(50, n_classes, seed=2))
    rng = np.random.default_rng(7)
    # Zeros as in a bootstrap, and no whole numbers; then all the same. scikit-learn takes most of
    # the time, so all weights and any decisions are compared where a case has no edge of its own.
    some = rng.poisson(1, len(y_true)) + (np.arange(len(y_true)) == 0)
    weights = np.stack([some * rng.exponential(size=len(y_true)), np.ones(len(y_true))])
    general = edge in ("random", "ties")
    decisions = [y_prob.argmax(axis=1), rng.integers(0, n_classes, len(y_true))]
    for y_pred in decisions if general else decisions[:1]:
        found = measure(Weighted(weights, y_true, y_prob, y_pred, good))
        assert tuple(found) == tuple(METRICS)
        for draw, weight in enumerate(weights if general else weights[:1]):
            with config_context(skip_parameter_validation=True):
                expected = by_sklearn(weight, y_true, y_prob, y_pred, good)
            for name, value in expected.items():
                assert found[name][draw] == pytest.approx(value, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize(("classes", "good"), [(("def", "ok"), ("ok",)), (tuple("abcd"), ())])
def test_score_is_all_weights_one(classes: tuple[str, ...], good: tuple[str, ...]) -> None:
    y_true, y_prob = random_predictions(60, len(classes))
    metrics = score(y_true, y_prob, classes, good)
    index = good_indices(classes, good)
    expected = by_sklearn(np.ones(60), y_true, y_prob, y_prob.argmax(1), index)
    for name in METRICS:
        assert getattr(metrics, name) == pytest.approx(expected[name], nan_ok=True), name
    assert metrics.balanced_accuracy == pytest.approx(
        balanced_accuracy_score(y_true, y_prob.argmax(1))
    )
    assert metrics.as_json().keys() >= set(METRICS)


def test_decisions_of_a_threshold_change_what_follows_from_decisions_only() -> None:
    y_true, y_prob = random_predictions(80, 2)
    strict = np.where(y_prob[:, 0] > 0.2, 0, 1)
    plain, chosen = (
        score(y_true, y_prob, ("def", "ok"), ("ok",), y_pred=p) for p in (None, strict)
    )
    moved = {name for name in METRICS if getattr(plain, name) != getattr(chosen, name)}
    assert moved == set(METRICS) - {
        "auc",
        "average_precision",
        "brier",
        "log_loss",
        "calibration_error",
    }
    assert chosen.escapes == ((y_true == 0) & (strict == 1)).sum()
    np.testing.assert_array_equal(chosen.confusion, confusion_matrix(y_true, strict))
    assert chosen.per_class["ok"].recall == pytest.approx(recall_score(y_true, strict))


@pytest.mark.parametrize("wrong", [[0, 1], [0, 1, 2], [0, -1, 1]])
def test_decisions_that_fit_no_photo_or_class_are_refused(wrong: list[int]) -> None:
    with pytest.raises(ValueError, match="3 decisions from 0 to 1"):
        score(np.zeros(3, np.int64), np.full((3, 2), 0.5), ("a", "b"), (), y_pred=np.array(wrong))


def test_a_defect_without_photos_has_f1_0_in_score_and_none_in_measure() -> None:
    # Training ranks its epochs by score's F1, also where validation has no defect.
    y_true, y_prob = np.ones(4, np.int64), certain([0, 1, 1, 1], 2)
    metrics = score(y_true, y_prob, ("def", "ok"), ("ok",))
    assert (metrics.f1, metrics.precision, metrics.recall) == (0, 0, 0)
    assert metrics.specificity == 0.75
    found = measure(Weighted(np.ones((1, 4)), y_true, y_prob, y_prob.argmax(1), (1,)))
    assert all(np.isnan(found[name][0]) for name in ("f1", "precision", "recall", "mcc", "auc"))


def test_calibration_gaps_have_signs_by_hand() -> None:
    # Two photos at 0.9, both right; two at 0.6, one right; 0.6 ends the ninth bin of 15.
    y_prob = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    gaps = calibration_gaps(np.ones((1, 4)), np.array([0, 0, 0, 1]), y_prob)
    expected = np.zeros(CALIBRATION_BINS)
    expected[13], expected[8] = 0.5 * (1 - 0.9), 0.5 * (0.5 - 0.6)
    np.testing.assert_allclose(gaps, expected[None], atol=1e-12)
    metrics = score(np.array([0, 0, 0, 1]), y_prob, ("a", "b"), ())
    assert metrics.calibration_error == pytest.approx(0.1)
    assert metrics.brier == pytest.approx((2 * 0.01 + 0.16 + 0.36) / 4)


def test_a_thousand_weightings_of_a_thousand_photos_take_little_time() -> None:
    y_true, y_prob = random_predictions(1000, 2)
    weights = np.random.default_rng(0).multinomial(1000, np.full(1000, 1e-3), 1000).astype(float)
    begin = time.perf_counter()
    measure(Weighted(weights, y_true, y_prob, y_prob.argmax(1), (1,)))
    assert time.perf_counter() - begin < 5  # 0.2 s on two cores of 2024
