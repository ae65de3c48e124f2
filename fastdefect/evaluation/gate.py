"""Limits that a run's figures must keep before anything is shipped."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastdefect.errors import UsageError
from fastdefect.evaluation.evaluate import Estimate
from fastdefect.metrics import FIGURES, LOWER_IS_BETTER

At = Literal["point", "upper"]


# What a figure can be, where that is not 0 to 1; the Brier score of many classes goes to 2.
_RANGES = {"mcc": (-1.0, 1.0), "brier": (0.0, 2.0), "log_loss": (0.0, math.inf)}


@dataclass(frozen=True)
class Limit:
    """``figure``, one of ``metrics.FIGURES``, must be at most or at least ``value``.

    Raises ``UsageError`` for a value that the figure can't have: 5 for 5 % would let all pass.
    """

    figure: str
    value: float
    at_most: bool

    def __post_init__(self) -> None:
        low, high = _RANGES.get(self.figure, (0.0, 1.0))
        if not low <= self.value <= high:
            raise UsageError(
                f"A limit of {self.value:g} for {self.figure}, which is from {low:g} to {high:g}.",
                "Rates are shares: 0.05 is 5 %.",
            )


@dataclass(frozen=True)
class Check:
    """A limit and what was measured; ``holds`` is the verdict on the figure or its bad end."""

    figure: str
    limit: float
    at_most: bool
    estimate: Estimate
    holds: bool

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {**vars(self), "estimate": self.estimate.as_json()}


def parse_limit(text: str, *, at_most: bool) -> Limit:
    """``f1=0.95`` as a limit; raises ``UsageError`` for an unknown figure or no finite number.

    A figure of which less is better may only get a highest value, any other a lowest: the
    contrary is a slip of the pen.
    """
    option = "--max" if at_most else "--min"
    name, _, number = text.partition("=")
    figure = name.strip().lower().replace("-", "_").replace(" ", "_")
    if figure not in FIGURES:
        raise UsageError(
            f"{option} {text}: there is no figure {name.strip()!r}.",
            f"The figures are {', '.join(FIGURES)}.",
        )
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"{option} {text}: expected FIGURE=NUMBER.", f"Such as {option} {figure}=0.9"
        )
    if at_most != (figure in LOWER_IS_BETTER):
        better = "lower" if figure in LOWER_IS_BETTER else "higher"
        raise UsageError(
            f"{option} {text}: {better} is better for {figure}.",
            f"Did you mean {'--min' if at_most else '--max'} {text}?",
        )
    return Limit(figure, value, at_most)


def check_limits(
    limits: Sequence[Limit], estimates: Mapping[str, Estimate], at: At
) -> tuple[Check, ...]:
    """Judge each limit: by the figure itself, or ("upper") by the bad end of its interval.

    A figure that is not defined holds nothing. One without an interval has no bad end that is
    known, so it fails at "upper".
    """
    return tuple(
        Check(
            limit.figure,
            limit.value,
            limit.at_most,
            estimates[limit.figure],
            _holds(limit, estimates[limit.figure], at),
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
