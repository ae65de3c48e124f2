"""Which half of a joint model rejects a photo."""

import numpy as np
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.halves import rejected_by, rejecting, surer_half
from fastdefect.inference.judge import Judge
from fastdefect.inference.outputs import Outputs

CLASSES, GOOD = ("chip", "ok", "scratch"), (1,)


def rule_of(threshold: float, temperature: float = 1.0) -> DecisionRule:
    return DecisionRule("none", temperature, threshold, None, "by hand")


def halves_of(classifier: float, memory: float) -> np.ndarray:
    """The halves' P(defect), three quarters of it a chip."""
    rows = [[0.75 * p, 1 - p, 0.25 * p] for p in (classifier, memory)]
    return np.array([rows])


@given(
    classifier=st.floats(0.001, 0.999),
    memory=st.floats(0.001, 0.999),
    threshold=st.floats(0.01, 0.99),
    temperature=st.floats(0.3, 4.0),
)
@examples(200)
def test_the_model_rejects_what_either_half_rejects(
    classifier: float, memory: float, threshold: float, temperature: float
) -> None:
    halves, rule = halves_of(classifier, memory), rule_of(threshold, temperature)
    (alone,) = rejecting(halves, rule, GOOD)
    y_prob = surer_half(halves, GOOD)
    outputs = Outputs(y_prob, None, halves)
    decision = Judge(CLASSES, GOOD, rule, None).decide(outputs, [1.0])[0]
    assert (decision.decision == "reject") == alone.any()
    expected = {(1, 1): "both", (1, 0): "classifier", (0, 1): "memory", (0, 0): None}
    assert decision.rejected_by == expected[tuple(alone.astype(int).tolist())]


def test_of_means_over_views_the_surer_half_is_named() -> None:
    """Each half rejects in one view only, so that neither does in the mean."""
    assert rejected_by(halves_of(0.4, 0.45), rule_of(0.5), GOOD) == ["memory"]
    assert rejected_by(halves_of(0.45, 0.4), rule_of(0.5), GOOD) == ["classifier"]


def test_a_half_without_numbers_is_never_ok() -> None:
    for nan in (0, 1):
        halves = halves_of(0.1, 0.1)
        halves[:, nan] = np.nan
        y_prob = surer_half(halves, GOOD)
        judge = Judge(CLASSES, GOOD, rule_of(0.5), None)
        assert judge.decide(Outputs(y_prob, None, halves), [1.0])[0].decision == "look"


def test_only_a_joint_model_has_the_field() -> None:
    judge = Judge(CLASSES, GOOD, rule_of(0.5), None)
    y_prob = np.array([[0.5, 0.3, 0.2]])
    assert "rejected_by" not in judge.decide(Outputs(y_prob), [1.0])[0].as_json()
    (found,) = judge.decide(Outputs(y_prob, None, halves_of(0.1, 0.7)), [1.0])
    assert found.as_json()["rejected_by"] == "memory"
