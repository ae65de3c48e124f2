"""What a run is held against: targets of the user's, or those of the pipeline it replaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastdefect.errors import UsageError
from fastdefect.metrics import HEADLINE, lower_is_better


@dataclass(frozen=True)
class Target:
    """One line of the mission: ``low`` to ``high`` is what was promised, in shares."""

    metric: str
    label: str
    split: str
    previous: float | None
    low: float
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    """A target beside what the run reached."""

    target: Target
    value: float
    met: bool


# The hand-made pipeline: a small CNN, three epochs, 624 defective and 415 good castings;
# and what its improved version promised. The gap is training minus validation accuracy.
LEGACY = (
    Target("accuracy", "training accuracy", "train", 0.6169, 0.75, 0.85),
    Target("accuracy", "validation accuracy", "valid", 0.7701, 0.85, 0.95),
    Target("f1", "F1", "valid", 0.77, 0.85, 0.95),
    Target("auc", "AUC", "valid", 0.77, 0.85, 0.95),
    Target("gap", "gap, train - valid", "valid", 0.6169 - 0.7701, 0.05, 0.10),
)


def parse_target(text: str) -> Target:
    """``f1=0.95`` on validation; raises ``UsageError`` if it is not METRIC=SHARE."""
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
    """Hold ``metrics`` (by split, as in ``metrics.json``) against each target.

    A metric that is better when higher is met from ``low`` on; one that is better when lower,
    up to ``low``; the mission's gap up to the upper end of what it promised, in size.
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
