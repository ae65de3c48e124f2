"""Limits that a run's metrics must keep before anything is shipped."""

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

    Raises ``UsageError`` for a value that the metric can't have: 5 for 5 % would let all pass.
    """

    metric: str
    value: float
    at_most: bool

    def __post_init__(self) -> None:
        low, high = METRICS[self.metric].span
        if not low <= self.value <= high:
            raise UsageError(
                f"A limit of {self.value:g} for {self.metric}, which is from {low:g} to {high:g}.",
                "Rates are shares: 0.05 is 5 %.",
            )


@dataclass(frozen=True)
class Check:
    """A limit and what was measured; ``holds`` is the verdict on the metric or its bad end."""

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

    A metric of which less is better may only get a highest value, any other a lowest: the
    contrary is a slip of the pen.
    """
    option = "--max" if at_most else "--min"
    given, _, number = text.partition("=")
    name = given.strip().lower().replace("-", "_").replace(" ", "_")
    if name not in METRICS:
        raise UsageError(
            f"{option} {text}: there is no metric {given.strip()!r}.",
            f"The metrics are {', '.join(METRICS)}.",
        )
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"{option} {text}: expected METRIC=NUMBER.", f"Such as {option} {name}=0.9"
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
    """Judge each limit: by the metric itself, or ("upper") by the bad end of its interval.

    A metric that is not defined holds nothing. One without an interval has no bad end that is
    known, so it fails at "upper".
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
