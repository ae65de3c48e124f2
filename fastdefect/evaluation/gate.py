"""Limits for the metrics of a run, checked before a release."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastdefect.errors import UsageError
from fastdefect.evaluation.evaluate import Estimate
from fastdefect.metrics import METRICS, lower_is_better

At = Literal["point", "upper"]


@dataclass(frozen=True)
class Limit:
    """``metric``, one of ``METRICS``, must be at most or at least ``value``.

    Raises ``UsageError`` for a value outside the metric's range: a limit of 5 for 5 % would accept
    everything.
    """

    metric: str
    value: float
    at_most: bool

    def __post_init__(self) -> None:
        low, high = METRICS[self.metric].span
        if not low <= self.value <= high:
            raise UsageError(
                f"The limit for {self.metric} must be from {low:g} to {high:g}, but it is "
                f"{self.value:g}.",
                "Give rates as shares: 0.05 is 5 %.",
            )


@dataclass(frozen=True)
class Check:
    """A limit and the measured value; ``holds`` is the verdict on the value or its bad end."""

    metric: str
    limit: float
    at_most: bool
    estimate: Estimate
    holds: bool

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {**vars(self), "estimate": self.estimate.as_json()}


def parse_limit(text: str, *, at_most: bool) -> Limit:
    """``f1=0.95`` as a limit; raises ``UsageError`` for an unknown metric or no finite number.

    A metric for which lower is better takes only a highest value, any other only a lowest value.
    The opposite is an input error.
    """
    option = "--max" if at_most else "--min"
    given, _, number = text.partition("=")
    name = given.strip().lower().replace("-", "_").replace(" ", "_")
    if name not in METRICS:
        raise UsageError(
            f"{option} {text}: unknown metric {given.strip()!r}.",
            f"Use one of {', '.join(METRICS)}.",
        )
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"{option} {text}: expected METRIC=NUMBER.", f"For example {option} {name}=0.9"
        )
    if at_most != lower_is_better(name):
        raise UsageError(
            f"{option} {text}: {METRICS[name].better} is better for {name}.",
            f"Did you mean {'--min' if at_most else '--max'} {text}?",
        )
    return Limit(name, value, at_most)


def check_limits(
    limits: Sequence[Limit], estimates: Mapping[str, Estimate], at: At
) -> tuple[Check, ...]:
    """Check each limit against the metric, or ("upper") against the bad end of its interval.

    A metric that is not defined fails. A metric without an interval has no known bad end, so it
    fails at "upper".
    """
    return tuple(
        Check(
            limit.metric,
            limit.value,
            limit.at_most,
            estimates[limit.metric],
            _holds(limit, estimates[limit.metric], at),
        )
        for limit in limits
    )


def _holds(limit: Limit, estimate: Estimate, at: At) -> bool:
    value = estimate.value
    if at == "upper":
        if estimate.interval is None:
            return False
        value = estimate.interval[1] if limit.at_most else estimate.interval[0]
    if math.isnan(value):
        return False
    return value <= limit.value if limit.at_most else value >= limit.value
