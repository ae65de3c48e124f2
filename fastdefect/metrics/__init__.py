"""The implementation of each metric, for one or many weightings of the photos."""

from fastdefect.metrics.registry import HEADLINE, METRICS, Metric, lower_is_better, measure
from fastdefect.metrics.score import (
    ClassMetrics,
    Metrics,
    best_f1,
    check_predictions,
    constant_prediction,
    score,
)
from fastdefect.metrics.weighted import (
    CALIBRATION_BINS,
    Labels,
    Weighted,
    calibration_gaps,
    class_metrics,
    confusions,
)

__all__ = [
    "CALIBRATION_BINS",
    "HEADLINE",
    "METRICS",
    "ClassMetrics",
    "Labels",
    "Metric",
    "Metrics",
    "Weighted",
    "best_f1",
    "calibration_gaps",
    "check_predictions",
    "class_metrics",
    "confusions",
    "constant_prediction",
    "lower_is_better",
    "measure",
    "score",
]
