"""Decisions against the rule in words, for any probabilities."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.bundles import tiny_reference
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.reading.frame import TileBox
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.judge import DecidingTile, Decision, Judge
from fastdefect.inference.outputs import Outputs, TileOutputs, probabilities_of
from fastdefect.inference.unlike import TileReference

CLASSES = ("chip", "ok", "scratch", "ok_back")


def rule_of(
    threshold: float | None = None, high: float | None = None, temperature: float = 1.0
) -> DecisionRule:
    return DecisionRule("none", temperature, threshold, high, "by hand")


def decide(y_prob: list[float], rule: DecisionRule, good: tuple[int, ...]) -> Decision:
    return Judge(CLASSES, good, rule, None).decide(Outputs(np.array([y_prob])), [1.5])[0]


def in_words(y_prob: list[float], rule: DecisionRule, good: tuple[int, ...]) -> tuple[str, str]:
    """The decision and the label, one photo at a time."""
    defects = [i for i in range(4) if i not in good]
    if rule.threshold is None or not good:
        label = y_prob.index(max(y_prob))
        return ("OK" if label in good else "reject"), CLASSES[label]
    score = min(max(1 - sum(y_prob[i] for i in good), 0), 1)
    if score < rule.threshold:
        return "OK", CLASSES[max(good, key=lambda i: y_prob[i])]
    label = max(defects, key=lambda i: y_prob[i])
    review = rule.high is not None and rule.high > rule.threshold and score < rule.high
    return ("look" if review else "reject"), CLASSES[label]


eighths = st.lists(st.integers(0, 8), min_size=4, max_size=4).filter(any)
shares = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.05])


@examples(100)
@given(
    parts=eighths,
    threshold=st.none() | shares,
    width=st.none() | shares,
    good=st.sampled_from([(), (1,), (1, 3)]),
)
def test_any_decision_follows_the_rule_in_words(
    parts: list[int], threshold: float | None, width: float | None, good: tuple[int, ...]
) -> None:
    y_prob = (np.array(parts) / sum(parts)).tolist()
    high = None if threshold is None or width is None else threshold + width
    rule = rule_of(threshold, high)
    found = decide(y_prob, rule, good)
    assert (found.decision, found.label) == in_words(y_prob, rule, good)
    assert (found.defect_class is None) == (found.decision == "OK")
    assert found.defect_class not in {CLASSES[i] for i in good}


@pytest.mark.parametrize("good", [(), (0,), (1,), (0, 1, 2, 3)])
@pytest.mark.parametrize("threshold", [None, 0.0, 1.05])
def test_a_photo_without_numbers_is_never_ok(
    threshold: float | None, good: tuple[int, ...]
) -> None:
    if threshold is not None and not good:
        threshold = None
    for y_prob in ([np.nan] * 4, [0.9, np.nan, 0.1, 0.0]):
        assert decide(y_prob, rule_of(threshold), good).decision == "look"


def test_an_unlike_photo_goes_to_a_person_whatever_the_network_says() -> None:
    judge = Judge(("crack", "ok"), (1,), rule_of(0.5), tiny_reference())
    features = np.array([[0.8, 0.8, 0.8, 0.5], [0.0, 0.0, 0.9, 0.5]], np.float32)
    like, unlike = judge.decide(Outputs(np.array([[0.1, 0.9]] * 2), features), [1.0, 2.0])
    assert (like.decision, like.unlike, like.likeness) == ("OK", False, 1.0)
    assert (unlike.decision, unlike.unlike, unlike.likeness) == ("look", True, 0.1)
    assert unlike.defect_class == "crack"
    assert unlike.milliseconds == 2.0


def in_tiles(y_prob: list[float], counts: list[bool]) -> Outputs:
    """A photo in tiles with these probabilities of a defect; its third tile is far from any."""
    usual = np.array([[0.8, 0.8, 0.8, 0.5]], np.float32)
    features = np.repeat(usual[None], len(y_prob), axis=1)
    features[0, 2] = [0, 0, 0.9, 0.5]
    p = np.array(y_prob)
    of_tiles = TileOutputs(features, np.array([counts]), np.stack([p, 1 - p], axis=1)[None])
    worst = max(p[counts])
    return Outputs(np.array([[worst, 1 - worst]]), usual, tiles=of_tiles)


BOXES = [[TileBox(10 * i, 0, 12, 12) for i in range(4)]]


def test_the_worst_tile_decides_and_is_named() -> None:
    judge = Judge(("crack", "ok"), (1,), rule_of(0.5), None)
    outputs = in_tiles([0.2, 0.7, 0.1, 0.9], [True, True, True, False])
    (found,) = judge.decide(outputs, [1.0], (), BOXES)
    assert found.tile == DecidingTile(10, 0, 12, 12, 0.7, None)
    assert found.as_json()["tile"]["probability"] == 0.7
    assert judge.decide(outputs, [1.0])[0].tile is None  # where the tiles are is not known


def test_a_tile_that_is_unlike_makes_the_photo_unlike_and_is_named() -> None:
    plain = tiny_reference()
    reference = replace(plain, tiles=TileReference(plain.features, (0.05,)))
    judge = Judge(("crack", "ok"), (1,), rule_of(0.5), reference)
    counts = [True, True, True, False]
    (found,) = judge.decide(in_tiles([0.2, 0.3, 0.1, 0.9], counts), [1.0], (), BOXES)
    assert (found.decision, found.unlike) == ("look", True)
    assert found.tile is not None
    assert (found.tile.x, found.tile.probability) == (20, pytest.approx(0.1))
    assert found.tile.distance == found.distance
    counts[2] = False
    (found,) = judge.decide(in_tiles([0.2, 0.3, 0.1, 0.9], counts), [1.0], (), BOXES)
    assert (found.decision, found.unlike) == ("OK", False)
    assert found.tile is not None
    assert (found.tile.x, found.tile.probability) == (10, pytest.approx(0.3))


def test_a_decision_is_json() -> None:
    found = decide([0.1, 0.6, 0.2, 0.1], rule_of(0.5, temperature=2.0), (1, 3))
    again = json.loads(json.dumps(found.as_json()))
    assert again["decision"] == "OK"
    assert sum(again["probabilities"].values()) == pytest.approx(1)
    assert list(again["probabilities"]) == list(CLASSES)


def test_probabilities_are_the_mean_of_the_views() -> None:
    logits = np.log(np.array([[[0.2, 0.8], [0.6, 0.4]]], np.float32)) + 7
    np.testing.assert_allclose(probabilities_of(logits), [[0.4, 0.6]], rtol=1e-6)


def test_extreme_logits_give_probabilities_or_nan_without_a_warning() -> None:
    extreme = np.array([[[3e38, -3e38]], [[-np.inf, 0]], [[np.inf, 0]], [[np.nan, 0]]], np.float32)
    found = probabilities_of(extreme)
    np.testing.assert_array_equal(found[:2], [[1, 0], [0, 1]])
    assert np.isnan(found[2:]).any(axis=1).all()
