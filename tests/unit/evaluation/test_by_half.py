"""The figures of the halves of a joint model, counted by hand."""

import json

import numpy as np
import pytest

from fastdefect.evaluation.by_half import DecidedByHalves, HalfFigures, measure_halves
from fastdefect.evaluation.predictions import Predictions
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.halves import surer_half
from fastdefect.reporting.tables.by_half import half_tables

CLASSES = ("crack", "ok", "pore")
# Of each photo: its class, and P(defect) by the classifier and by the memory.
PHOTOS = [
    ("ok", 0.1, 0.2),
    ("ok", 0.7, 0.3),
    ("ok", 0.2, 0.6),
    ("ok", 0.1, 0.1),
    ("crack", 0.9, 0.8),
    ("crack", 0.8, 0.2),
    ("pore", 0.3, 0.9),
    ("pore", 0.2, 0.4),
]


@pytest.fixture(scope="module")
def decided() -> DecidedByHalves:
    halves = np.array([[[p, 1 - p, 0.0] for p in photo[1:]] for photo in PHOTOS])
    y_true = np.array([CLASSES.index(label) for label, _, _ in PHOTOS])
    names = tuple(str(number) for number in range(len(PHOTOS)))
    predictions = Predictions(names, CLASSES, ("ok",), y_true, surer_half(halves, (1,)))
    rule = DecisionRule("none", 1.0, 0.5, None, "by hand")
    return DecidedByHalves(predictions, halves, rule, names, ())


def test_each_half_and_either(decided: DecidedByHalves) -> None:
    found = measure_halves(decided, {})
    counts = {name: (each.escape.count, each.overkill.count) for name, each in found.items()}
    assert counts == {"classifier": (2, 1), "memory": (2, 1), "either": (1, 2)}
    # 16 pairs of a defect and a good photo, a tie is half.
    assert found["classifier"].auc == pytest.approx((4 + 4 + 3 + 2.5) / 16)
    escapes = {
        name: {kind: rate.count for kind, rate in each.by_type["class"].items()}
        for name, each in found.items()
    }
    assert escapes == {
        "classifier": {"crack": 0, "pore": 2},
        "memory": {"crack": 1, "pore": 1},
        "either": {"crack": 0, "pore": 1},
    }
    kept = json.loads(json.dumps({name: each.as_json() for name, each in found.items()}))
    assert {name: HalfFigures.from_json(of) for name, of in kept.items()} == found


def test_the_tables_show_the_halves_by_type(decided: DecidedByHalves) -> None:
    figures, types = half_tables(measure_halves(decided, {}))
    assert [row[0] for row in figures.rows] == ["classifier", "memory", "either"]
    assert types.rows[1] == ("pore", "2", "100.00%, 2", "50.00%, 1", "50.00%, 1")
