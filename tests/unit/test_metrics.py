"""Each metric against scikit-learn called independently, and against counting by hand."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.predictions import certain, predicted, random_predictions
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

from fastdefect.errors import DataError
from fastdefect.files import finite
from fastdefect.good import good_indices
from fastdefect.metrics import (
    CALIBRATION_BINS,
    HEADLINE,
    METRICS,
    Metric,
    Weighted,
    best_f1,
    calibration_gaps,
    constant_prediction,
    lower_is_better,
    measure,
    score,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@pytest.mark.parametrize(
    ("classes", "good"),
    [(("def_front", "ok_front"), "ok_front"), (("good", "scratch"), "good")],
    ids=["good last in the alphabet", "good first in the alphabet"],
)
def test_two_classes_are_scored_as_the_defect(classes: tuple[str, str], good: str) -> None:
    y_true, y_prob = random_predictions(60, 2)
    defect = 1 - classes.index(good)
    # In scikit-learn's words: the defect is the positive class, whatever its index.
    truth, guess = y_true == defect, y_prob.argmax(1) == defect

    metrics = score(y_true, y_prob, classes, (good,))

    assert metrics.f1 == pytest.approx(f1_score(truth, guess))
    assert metrics.precision == pytest.approx(precision_score(truth, guess))
    assert metrics.recall == pytest.approx(recall_score(truth, guess))
    assert metrics.auc == pytest.approx(roc_auc_score(truth, y_prob[:, defect]))
    assert metrics.accuracy == pytest.approx(accuracy_score(truth, guess))
    assert metrics.escape_rate == pytest.approx(1 - recall_score(truth, guess))
    assert metrics.overkill_rate == pytest.approx(1 - recall_score(~truth, ~guess))
    assert 0 < metrics.f1 < 1  # or else the two orders could not be told apart
    assert metrics.f1 != pytest.approx(f1_score(~truth, ~guess))


def test_two_classes_without_a_good_one_are_averaged() -> None:
    y_true, y_prob = random_predictions(60, 2, seed=3)
    y_pred = y_prob.argmax(1)

    metrics = score(y_true, y_prob, ("crazing", "scratches"), ())

    assert metrics.f1 == pytest.approx(f1_score(y_true, y_pred, average="macro"))
    assert metrics.precision == pytest.approx(precision_score(y_true, y_pred, average="macro"))
    assert metrics.recall == pytest.approx(recall_score(y_true, y_pred, average="macro"))
    assert metrics.auc == pytest.approx(roc_auc_score(y_true, y_prob[:, 1]))
    assert np.isnan(metrics.escape_rate)
    assert np.isnan(metrics.overkill_rate)
    assert (metrics.escapes, metrics.overkills) == (0, 0)


@pytest.mark.parametrize("good", [(), ("b",), ("b", "d")])
def test_many_classes_are_averaged(good: tuple[str, ...]) -> None:
    y_true, y_prob = random_predictions(90, 4, seed=1)
    y_pred = y_prob.argmax(1)
    classes = ("a", "b", "c", "d")

    metrics = score(y_true, y_prob, classes, good)

    assert metrics.f1 == pytest.approx(f1_score(y_true, y_pred, average="macro"))
    assert metrics.precision == pytest.approx(precision_score(y_true, y_pred, average="macro"))
    assert metrics.recall == pytest.approx(recall_score(y_true, y_pred, average="macro"))
    assert metrics.auc == pytest.approx(
        roc_auc_score(y_true, y_prob, multi_class="ovr", average="macro")
    )
    assert metrics.accuracy == pytest.approx((y_true == y_pred).mean())
    np.testing.assert_array_equal(metrics.confusion, confusion_matrix(y_true, y_pred))
    each = f1_score(y_true, y_pred, average=None)
    assert [metrics.per_class[name].f1 for name in classes] == pytest.approx(list(each))
    assert [metrics.per_class[name].n for name in classes] == list(np.bincount(y_true))


def test_escape_and_overkill_by_hand_with_two_classes() -> None:
    # Three defects, of which one is passed as good; five good parts, of which two are rejected.
    y_true = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    y_prob = certain([0, 0, 1, 0, 0, 1, 1, 1], 2)

    metrics = score(y_true, y_prob, ("def", "ok"), ("ok",))

    assert (metrics.escapes, metrics.n_defective) == (1, 3)
    assert (metrics.overkills, metrics.n_good) == (2, 5)
    assert metrics.escape_rate == pytest.approx(1 / 3)
    assert metrics.overkill_rate == pytest.approx(2 / 5)
    assert metrics.precision == pytest.approx(2 / 4)
    assert metrics.recall == pytest.approx(2 / 3)
    assert metrics.f1 == pytest.approx(2 * 2 / (4 + 3))
    np.testing.assert_array_equal(metrics.confusion, [[2, 1], [2, 3]])


def test_a_defect_taken_for_another_defect_does_not_escape() -> None:
    classes = ("crack", "good", "scratch")
    y_true = np.array([0, 0, 2, 2, 1, 1])
    y_prob = certain([2, 1, 0, 2, 1, 0], 3)  # one escape, one overkill, two confusions

    metrics = score(y_true, y_prob, classes, ("good",))

    assert metrics.escape_rate == pytest.approx(1 / 4)
    assert metrics.overkill_rate == pytest.approx(1 / 2)
    assert metrics.accuracy == pytest.approx(2 / 6)


def test_a_class_without_photos_counts_neither_for_nor_against() -> None:
    y_true = np.array([0, 1, 0, 1])
    y_prob = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.6, 0.3, 0.1]])

    metrics = score(y_true, y_prob, ("a", "b", "c"), ())

    y_pred = y_prob.argmax(1)
    assert metrics.f1 == pytest.approx(f1_score(y_true, y_pred, labels=[0, 1], average="macro"))
    assert metrics.per_class["c"].n == 0
    assert metrics.auc == pytest.approx(
        (roc_auc_score(y_true == 0, y_prob[:, 0]) + roc_auc_score(y_true == 1, y_prob[:, 1])) / 2
    )
    assert metrics.confusion.shape == (3, 3)


def test_a_photo_given_to_a_class_that_has_none_still_counts_as_wrong() -> None:
    metrics = score(np.array([0, 1]), certain([2, 1], 3), ("a", "b", "c"), ("c",))

    assert metrics.recall == pytest.approx((0 + 1) / 2)
    assert metrics.escape_rate == pytest.approx(1 / 2)
    assert np.isnan(metrics.overkill_rate)  # no good part was there to be rejected


def test_equal_scores_have_an_auc_of_one_half() -> None:
    y_true = np.array([0, 1, 0, 1, 1])
    metrics = score(y_true, np.full((5, 2), 0.5), ("def", "ok"), ("ok",))

    assert metrics.auc == 0.5
    # argmax of a tie is the first class: all are called defects.
    assert metrics.escape_rate == 0
    assert metrics.overkill_rate == 1


@pytest.mark.parametrize("label", [0, 1])
def test_one_photo_has_no_auc_and_raises_no_warning(label: int) -> None:
    metrics = score(np.array([label]), np.array([[0.9, 0.1]]), ("def", "ok"), ("ok",))

    assert np.isnan(metrics.auc)
    assert metrics.n == 1
    assert metrics.accuracy == float(label == 0)
    assert np.isnan(metrics.overkill_rate if label == 0 else metrics.escape_rate)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_probabilities_that_are_no_numbers_are_refused(bad: float) -> None:
    y_prob = np.full((4, 2), 0.5)
    y_prob[[1, 3], 0] = bad

    with pytest.raises(DataError, match=r"2 of 4 photos") as caught:
        score(np.zeros(4, np.int64), y_prob, ("a", "b"), ())
    assert "--learning-rate" in caught.value.hint


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(DataError, match="there are none"):
        score(np.zeros(0, np.int64), np.zeros((0, 2)), ("a", "b"), ())


@pytest.mark.parametrize("shape", [(3, 3), (2, 2), (3,)])
def test_probabilities_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"shape \(3, 2\)"):
        score(np.zeros(3, np.int64), np.full(shape, 0.5), ("a", "b"), ())


def test_metrics_json_has_the_keys_that_other_tools_read() -> None:
    y_true, y_prob = random_predictions(20, 2)

    written = json.loads(
        json.dumps(finite(score(y_true, y_prob, ("def", "ok"), ("ok",)).as_json()), allow_nan=False)
    )

    contract = {"f1", "precision", "recall", "auc", "accuracy", "escape_rate", "overkill_rate", "n"}
    assert contract <= written.keys()
    assert written["n"] == 20
    assert written["n_defective"] + written["n_good"] == 20
    assert set(written["per_class"]["def"]) == {"precision", "recall", "f1", "n"}
    assert np.sum(written["confusion"]) == 20


def test_lower_is_better_for_errors_only() -> None:
    errors = {"escape_rate", "overkill_rate", "brier", "log_loss", "calibration_error"}
    assert errors == {name for name in METRICS if lower_is_better(name)}
    assert lower_is_better("gap")
    higher = {name for name in HEADLINE if not lower_is_better(name)}
    assert higher == {"f1", "precision", "recall", "auc", "accuracy"}
    assert set(HEADLINE) <= set(METRICS)
    assert len(METRICS) == 14


def test_half_precision_probabilities_are_scored_too() -> None:
    y_true, y_prob = random_predictions(30, 2)
    exact = score(y_true, y_prob, ("def", "ok"), ("ok",))
    assert score(y_true, y_prob.astype(np.float32), ("def", "ok"), ("ok",)).f1 == exact.f1


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
    # Counts as of a bootstrap (zeros among them), any weights, and all the same.
    weights = np.stack(
        [
            *rng.poisson(1, (1, len(y_true))) + (np.arange(len(y_true)) == 0),
            rng.exponential(size=len(y_true)),
            np.ones(len(y_true)),
        ]
    ).astype(np.float64)
    for y_pred in (y_prob.argmax(axis=1), rng.integers(0, n_classes, len(y_true))):
        found = measure(Weighted(weights, y_true, y_prob, y_pred, good))
        assert tuple(found) == tuple(METRICS)
        for draw, weight in enumerate(weights):
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


def test_a_constant_prediction_is_found_in_the_confusion() -> None:
    assert constant_prediction([[0, 5], [0, 3]]) == 1
    assert constant_prediction(np.array([[5, 0], [3, 0]])) == 0
    assert constant_prediction([[5, 0], [2, 1]]) is None
    assert constant_prediction([[0, 0], [0, 0]]) is None


def test_a_metric_that_is_declared_is_found_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry in the registry reaches score, intervals, limits, comparisons and tables."""
    from fastdefect.evaluation.compare import Answers, SharedPhotos, compare
    from fastdefect.evaluation.evaluate import evaluate
    from fastdefect.evaluation.gate import Limit, check_limits, parse_limit
    from fastdefect.reporting.tables.fit import metric_text, metric_title

    share = Metric(
        "share_rejected",
        "share rejected",
        lambda case: case.weights @ (case.y_pred == 0) / case.total,
        unit="share",
        better="lower",
    )
    monkeypatch.setitem(METRICS, share.name, share)
    y_true, classes = np.array([0, 0, 1, 1] * 4), ("defect", "good")
    y_prob = np.tile([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]], (4, 1))
    parts = [f"part {i}" for i in range(16)]

    assert score(y_true, y_prob, classes, ("good",)).share_rejected == 0.75
    found = evaluate(predicted(y_true, y_prob, classes, "good"), parts, draws=50, seed=0)
    assert found.estimates[share.name].interval is not None
    assert found.metrics.as_json()[share.name] == 0.75
    assert parse_limit("share-rejected=0.5", at_most=True) == Limit(share.name, 0.5, True)
    (check,) = check_limits([Limit(share.name, 0.5, True)], found.estimates, "point")
    assert not check.holds
    assert metric_title(share.name) == "share rejected"
    assert metric_text(share.name, 0.75) == "75.00%"
    photos = SharedPhotos(tuple(parts), tuple(parts), y_true, classes, ("good",))
    same = Answers(y_prob, y_prob.argmax(axis=1))
    assert compare(photos, same, same, draws=20, seed=0).figures[share.name].verdict


def test_the_docs_list_every_metric() -> None:
    docs = Path(__file__).parents[2] / "docs" / "evaluation.md"
    text = docs.read_text(encoding="utf-8").partition("**The metrics**")[2].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`", text.replace("`gate`", "")) == list(METRICS)


# ---- several good classes ----------------------------------------------------------------

KINDS = ("crack", "ok_back", "ok_front")
OF_KINDS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
# One crack passes as front; of the back views one is taken for a front, one for a crack; one front
# is taken for a back.
CALLED = [0, 0, 0, 2, 1, 2, 0, 2, 2, 1]


def test_no_good_class_is_a_mistake_for_another() -> None:
    metrics = score(OF_KINDS, certain(CALLED, 3), KINDS, ("ok_back", "ok_front"))

    # By hand: 3 of 4 cracks are found, and 1 of the 4 photos called crack is good.
    assert (metrics.escapes, metrics.n_defective) == (1, 4)
    assert (metrics.overkills, metrics.n_good) == (1, 6)
    assert (metrics.f1, metrics.precision, metrics.recall) == (0.75, 0.75, 0.75)
    assert metrics.specificity == pytest.approx(5 / 6)
    # Confusions among good classes are told apart, and count as what they are: wrong.
    assert metrics.good_confused == 2
    assert metrics.accuracy == 0.6
    assert metrics.as_json()["good_confused"] == 2
    assert metrics.confusion.tolist() == [[3, 0, 1], [1, 1, 1], [0, 1, 2]]
    # The same by scikit-learn.
    truth, guess = OF_KINDS == 0, np.array(CALLED) == 0
    assert metrics.f1 == pytest.approx(f1_score(truth, guess))
    assert metrics.escape_rate == pytest.approx(1 - recall_score(truth, guess))
    assert metrics.overkill_rate == pytest.approx(1 - recall_score(~truth, ~guess))


def test_with_one_good_class_nothing_is_confused_among_the_good() -> None:
    metrics = score(OF_KINDS, certain(CALLED, 3), KINDS, ("ok_front",))
    assert metrics.good_confused is None
    assert "good_confused" not in metrics.as_json()


def test_the_areas_and_the_best_f1_rank_by_all_good_classes_together() -> None:
    y_true, y_prob = random_predictions(90, 3, seed=4)
    metrics = score(y_true, y_prob, KINDS, ("ok_back", "ok_front"))
    defect, p = y_true == 0, y_prob[:, 0]
    assert metrics.auc == pytest.approx(roc_auc_score(defect, p))
    assert metrics.average_precision == pytest.approx(average_precision_score(defect, p))
    joined = best_f1((~defect).astype(np.int64), np.stack([p, 1 - p], axis=1), (1,))
    assert best_f1(y_true, y_prob, (1, 2)) == joined
