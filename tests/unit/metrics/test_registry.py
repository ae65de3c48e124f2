"""A metric is declared once, and found everywhere."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.predictions import predicted, random_predictions

from fastdefect.metrics import (
    HEADLINE,
    METRICS,
    Metric,
    lower_is_better,
    score,
)


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
    docs = Path(__file__).parents[3] / "docs" / "evaluation.md"
    text = docs.read_text(encoding="utf-8").partition("**The metrics**")[2].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`", text.replace("`gate`", "")) == list(METRICS)
