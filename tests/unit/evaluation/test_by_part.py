"""From photos to parts: truth, figures and counts, by hand and against those of the photos."""

import numpy as np
import pytest
from helpers.examples import examples
from helpers.predictions import predicted, random_predictions
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from fastdefect.config import PartRule
from fastdefect.evaluation.by_part import (
    ByPart,
    Shown,
    measure_parts,
    part_facts,
    part_predictions,
)
from fastdefect.evaluation.evaluate import evaluate
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.inference.decision_rule import DecisionRule

CLASSES = ("crack", "dent", "good")
RULES: tuple[PartRule, ...] = ("worst", "mean", "noisy-or")


def rule_of(part_rule: PartRule | None, threshold: float | None = 0.5) -> DecisionRule:
    return DecisionRule("none", 1.0, threshold, None, "by hand", part_rule)


def shown(*parts: str) -> Shown:
    return Shown(parts, (True,) * len(parts), (None,) * len(parts))


def measured(predictions: Predictions, rule: DecisionRule, *parts: str) -> ByPart:
    found = measure_parts(predictions, shown(*parts), rule)
    assert found is not None
    return found


def said(scores: list[float], labels: list[str]) -> Predictions:
    """Two classes: P(crack) of each photo, with its label."""
    y_prob = np.array([[score, 1 - score] for score in scores])
    y_true = np.array([("crack", "good").index(label) for label in labels])
    return predicted(y_true, y_prob, ("crack", "good"), "good")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("threshold", [None, 0.5])
def test_with_one_photo_a_part_every_figure_is_that_of_the_photos(
    rule: PartRule, threshold: float | None
) -> None:
    predictions = predicted(*random_predictions(40, 3), CLASSES, "good")
    parts = [f"part {i}" for i in range(40)]
    decision = rule_of(rule, threshold)
    y_pred = decision.decide(predictions.y_prob, predictions.good_indices)
    of_photos = evaluate(predictions, parts, y_pred=y_pred, seed=BOOTSTRAP_SEED)
    of_parts = measured(predictions, decision, *parts).evaluation
    assert repr(of_parts.as_json()) == repr(of_photos.as_json())


def test_a_part_is_defective_if_any_photo_is_and_counts_once() -> None:
    predictions = said(
        [0.6, 0.2, 0.3, 0.4, 0.1, 0.7], ["crack", "good", "crack", "good", "good", "good"]
    )
    found = measured(predictions, rule_of("worst"), "a", "a", "b", "b", "c", "d")
    escape, overkill = found.evaluation.escape, found.evaluation.overkill
    assert escape is not None
    assert overkill is not None
    assert (escape.count, escape.photos, escape.parts) == (1, 2, 2)  # b passes
    assert (overkill.count, overkill.photos, overkill.parts) == (1, 2, 2)  # d is rejected
    assert escape.method == "clopper-pearson"
    assert escape.interval == pytest.approx((beta.ppf(0.025, 1, 2), beta.ppf(0.975, 2, 1)))
    assert (found.facts.mixed, found.facts.single, found.facts.parts) == (2, 2, 4)


def test_the_class_of_a_part_is_that_of_most_of_its_defects() -> None:
    y_true = np.array([2, 1, 1, 0, 0, 1, 2, 2])
    y_prob = np.full((8, 3), 1 / 3)
    predictions = predicted(y_true, y_prob, CLASSES, "good")
    parts = ["a", "a", "a", "a", "b", "b", "c", "c"]
    found = part_predictions(predictions, parts, "mean")
    assert found.names == ("a", "b", "c")
    assert found.y_true.tolist() == [1, 0, 2]


@examples(50)
@given(
    photos=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 20), st.booleans()), min_size=2, max_size=12
    ),
    rule=st.sampled_from(RULES),
    data=st.data(),
)
def test_the_order_of_the_photos_changes_nothing(
    photos: list[tuple[int, int, bool]], rule: PartRule, data: st.DataObject
) -> None:
    def of_parts(chosen: list[tuple[int, int, bool]]) -> dict[str, tuple[int, list[float]]]:
        predictions = said(
            [score / 20 for _, score, _ in chosen],
            ["crack" if bad else "good" for *_, bad in chosen],
        )
        found = part_predictions(predictions, [str(part) for part, *_ in chosen], rule)
        rows = zip(found.names, found.y_true.tolist(), found.y_prob.tolist(), strict=True)
        return {name: (truth, y_prob) for name, truth, y_prob in rows}

    assert of_parts(photos) == of_parts(data.draw(st.permutations(photos)))


def test_a_decision_on_photos_has_no_figures_of_parts() -> None:
    assert measure_parts(said([0.1], ["good"]), shown("a"), rule_of(None)) is None


def test_a_band_counts_the_parts_that_go_to_people() -> None:
    predictions = said([0.6, 0.2, 0.9, 0.1], ["crack", "crack", "crack", "good"])
    decision = DecisionRule("none", 1.0, 0.5, 0.8, "a band", "worst")
    sent = measured(predictions, decision, "a", "a", "b", "c").sent
    assert sent is not None
    assert (sent.defective.count, sent.defective.parts, sent.good.count) == (1, 2, 0)


def test_missing_views_and_the_origin_of_the_parts_are_counted() -> None:
    predictions = said([0.5] * 4, ["good"] * 4)
    of = Shown(("a", "a", "b", "c"), (True, False, False, True), ("left", "right", "left", None))
    facts = part_facts(predictions, of, {"left", "top"})
    assert facts.missing == {"left": 1, "right": 2, "top": 3}
    assert (facts.incomplete, facts.given, facts.photos) == (3, 2, 4)
    assert part_facts(predictions, shown("a", "a", "b", "c"), {"left"}).missing == {}


def test_escapes_by_type_count_parts_whose_photos_agree_on_it() -> None:
    predictions = said([0.1, 0.2, 0.9, 0.3, 0.1, 0.1, 0.2], ["crack"] * 6 + ["good"])
    columns = {
        "type": ["deep", "deep", "flat", "deep", "flat", None, "flat"],
        "defect": ["pore|burr", "burr", "pore", "burr", "burr", None, None],
    }
    # a: deep; b: flat and deep, so neither; c: flat. The last photo is good.
    parts = ("a", "a", "b", "b", "c", "c", "c")
    found = measure_parts(
        predictions, Shown.unknown(parts), rule_of("worst"), columns=columns, kinds="defect"
    )
    assert found is not None
    by_type = {
        column: {value: (rate.count, rate.photos, rate.parts) for value, rate in rates.items()}
        for column, rates in found.by_type.items()
    }
    # b is rejected, and counts in both of its kinds. Two parts are too few for two types.
    assert by_type == {"defect": {"burr": (2, 3, 3), "pore": (1, 2, 2)}}
