"""The figures of one set of predictions, by hand and against scikit-learn."""

import json

import numpy as np
import pytest
from helpers.predictions import certain, random_predictions
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from fastdefect.errors import DataError
from fastdefect.files import finite
from fastdefect.metrics import (
    best_f1,
    constant_prediction,
    score,
)


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


def test_a_constant_prediction_is_found_in_the_confusion() -> None:
    assert constant_prediction([[0, 5], [0, 3]]) == 1
    assert constant_prediction(np.array([[5, 0], [3, 0]])) == 0
    assert constant_prediction([[5, 0], [2, 1]]) is None
    assert constant_prediction([[0, 0], [0, 0]]) is None


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
