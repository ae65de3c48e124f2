"""Targets for the metrics of a run: the user's own, or those of the pipeline it replaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastdefect.errors import UsageError
from fastdefect.metrics import HEADLINE, lower_is_better


@dataclass(frozen=True)
class Target:
    """A target for a metric on a split: from ``low`` to ``high``, as shares.

    ``previous`` is the value of the replaced pipeline, if known.
    """

    metric: str
    label: str
    split: str
    previous: float | None
    low: float
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    """A target and the value that the run reached."""

    target: Target
    value: float
    met: bool


# The previous pipeline (a small CNN, three epochs, 624 defective and 415 good castings) and the
# promised values of its improved version. The gap is training minus validation accuracy.
LEGACY = (
    Target("accuracy", "training accuracy", "train", 0.6169, 0.75, 0.85),
    Target("accuracy", "validation accuracy", "valid", 0.7701, 0.85, 0.95),
    Target("f1", "F1", "valid", 0.77, 0.85, 0.95),
    Target("auc", "AUC", "valid", 0.77, 0.85, 0.95),
    Target("gap", "gap, train - valid", "valid", 0.6169 - 0.7701, 0.05, 0.10),
)


def parse_target(text: str) -> Target:
    """``f1=0.95`` on validation; raises ``UsageError`` if it is not METRIC=VALUE."""
    metric, _, value = text.partition("=")
    metric = metric.strip()
    known = (*HEADLINE, "gap")
    try:
        share = float(value)
    except ValueError:
        share = float("nan")
    if metric not in known or not 0 <= share <= 1:
        raise UsageError(
            f"--target {text}: expected METRIC=VALUE with a value from 0 to 1.",
            f"The metrics are {', '.join(known)}; for example --target f1=0.95.",
        )
    return Target(metric, metric, "valid", None, share)


def judge(targets: Sequence[Target], metrics: Mapping[str, Mapping[str, Any]]) -> list[Verdict]:
    """Compare ``metrics`` (by split, as in ``metrics.json``) with each target.

    A metric for which higher is better must be at least ``low``. One for which lower is better must
    be at most ``low``. The absolute gap must be at most the upper end of its target.
    """
    return [_judge(target, metrics) for target in targets]


def _judge(target: Target, metrics: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if target.metric == "gap":
        value = metrics["train"]["accuracy"] - metrics["valid"]["accuracy"]
        return Verdict(target, value, abs(value) <= (target.high or target.low))
    found = metrics[target.split][target.metric]
    value = float("nan") if found is None else found
    if lower_is_better(target.metric):
        return Verdict(target, value, value <= target.low)
    return Verdict(target, value, value >= target.low)
