"""What holds of the metrics whatever the predictions."""

import json
import math
from random import Random

import numpy as np
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastdefect.files import finite
from fastdefect.good import good_indices
from fastdefect.metrics import METRICS, Metrics, Weighted, measure, score

Predictions = tuple[NDArray[np.int64], NDArray[np.float64], tuple[str, ...], str]

LETTERS = "abcd"


@st.composite
def predictions(draw: st.DrawFn, *, min_classes: int = 2, max_classes: int = 4) -> Predictions:
    n_classes = draw(st.integers(min_classes, max_classes))
    n = draw(st.integers(1, 12))
    y_true = draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n))
    # Whole numbers, so that ties and zeros are frequent.
    row = st.lists(st.integers(0, 5), min_size=n_classes, max_size=n_classes)
    counts = np.array(draw(st.lists(row, min_size=n, max_size=n)), float) + 1e-3
    classes = tuple(LETTERS[:n_classes])
    y_prob = counts / counts.sum(axis=1, keepdims=True)
    good = draw(st.sets(st.sampled_from(classes), min_size=1, max_size=n_classes - 1))
    return np.array(y_true), y_prob, classes, tuple(sorted(good))


@examples(100)
@given(predictions(max_classes=2))
def test_the_escape_rate_is_what_recall_leaves(drawn: Predictions) -> None:
    metrics = score(*drawn)
    if metrics.n_defective:
        assert math.isclose(metrics.escape_rate, 1 - metrics.recall, abs_tol=1e-12)
    else:
        assert math.isnan(metrics.escape_rate)


@examples(100)
@given(predictions())
def test_counts_add_up(drawn: Predictions) -> None:
    y_true, y_prob, classes, good = drawn
    metrics = score(*drawn)

    index = [classes.index(name) for name in good]
    confusion = metrics.confusion
    assert confusion.sum() == metrics.n == metrics.n_defective + metrics.n_good
    assert metrics.escapes == np.delete(confusion[:, index], index, axis=0).sum()
    assert metrics.overkills == np.delete(confusion[index], index, axis=1).sum()
    assert math.isclose(metrics.accuracy, np.trace(confusion) / metrics.n)


@examples(100)
@given(predictions(), st.randoms(use_true_random=False))
def test_the_order_of_the_classes_does_not_matter(drawn: Predictions, random: Random) -> None:
    y_true, y_prob, classes, good = drawn
    # Ties go to the first class, and so depend on the order: spread them.
    y_prob = y_prob + np.arange(len(classes)) * 1e-6
    order = list(range(len(classes)))
    random.shuffle(order)

    before = score(y_true, y_prob, classes, good)
    after = score(
        np.array([order.index(label) for label in y_true]),
        y_prob[:, order],
        [classes[i] for i in order],
        good,
    )

    _assert_alike(before, after)
    assert after.per_class == before.per_class
    np.testing.assert_array_equal(after.confusion, before.confusion[np.ix_(order, order)])


def _assert_alike(before: Metrics, after: Metrics) -> None:
    for name in METRICS:
        old, new = getattr(before, name), getattr(after, name)
        assert math.isclose(old, new, abs_tol=1e-12) or (math.isnan(old) and math.isnan(new)), name


@examples(100)
@given(predictions(), st.booleans())
def test_metrics_json_is_strict_json(drawn: Predictions, has_good: bool) -> None:
    y_true, y_prob, classes, good = drawn
    content = finite(score(y_true, y_prob, classes, good if has_good else ()).as_json())
    text = json.dumps(content, allow_nan=False)
    assert json.loads(text) == content


@examples(100)
@given(predictions())
def test_every_figure_lies_within_its_bounds(drawn: Predictions) -> None:
    metrics = score(*drawn)
    for name in METRICS:
        value = getattr(metrics, name)
        low, high = {"mcc": (-1, 1), "brier": (0, 2), "log_loss": (0, 37)}.get(name, (0, 1))
        assert math.isnan(value) or low - 1e-12 <= value <= high + 1e-12, name


@examples(100)
@given(predictions(), st.lists(st.integers(0, 3), min_size=12, max_size=12), st.booleans())
def test_a_photo_of_weight_two_is_two_photos(
    drawn: Predictions, counts: list[int], has_good: bool
) -> None:
    y_true, y_prob, classes, good = drawn
    times = np.array(counts[: len(y_true)])
    index = good_indices(classes, good) if has_good else ()
    rows = np.repeat(np.arange(len(y_true)), times)
    weighed = measure(Weighted(times[None].astype(float), y_true, y_prob, y_prob.argmax(1), index))
    if not len(rows):
        assert all(math.isnan(value[0]) for value in weighed.values())
        return
    once = np.ones((1, len(rows)))
    repeated = measure(Weighted(once, y_true[rows], y_prob[rows], y_prob[rows].argmax(1), index))
    for name in METRICS:
        np.testing.assert_allclose(weighed[name], repeated[name], atol=1e-12, err_msg=name)


@examples(100)
@given(predictions(max_classes=2))
def test_an_error_and_its_opposite_make_one(drawn: Predictions) -> None:
    metrics = score(*drawn)
    if metrics.n_good:
        assert math.isclose(metrics.specificity, 1 - metrics.overkill_rate, abs_tol=1e-12)
    if metrics.n_good and metrics.n_defective:
        both = (metrics.recall + metrics.specificity) / 2
        assert math.isclose(metrics.balanced_accuracy, both, abs_tol=1e-12)
