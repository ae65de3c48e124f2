"""What a threshold is to be chosen by."""

import math
from dataclasses import dataclass

from fastdefect.errors import UsageError
from fastdefect.evaluation.decisions.guarantees import check_promise
from fastdefect.evaluation.decisions.operating_point import Costs


@dataclass(frozen=True)
class Criteria:
    """What the threshold is to be chosen by; with nothing given, by the highest F1.

    ``cost_escape`` and ``cost_overkill`` in any one currency, with the line's own
    ``defect_rate``. The limits are shares. ``confidence``, if given, asks that they hold on
    unseen parts. Both limits together make a band with people in it. ``parts_per_day`` tells
    what those people get to see, at the ``defect_rate``.
    """

    cost_escape: float | None = None
    cost_overkill: float | None = None
    defect_rate: float | None = None
    max_escape: float | None = None
    max_overkill: float | None = None
    confidence: float | None = None
    parts_per_day: int | None = None

    @property
    def limits(self) -> tuple[float, ...]:
        """The limits that are given."""
        both = (self.max_escape, self.max_overkill)
        return tuple(limit for limit in both if limit is not None)

    @property
    def costs(self) -> Costs | None:
        """The costs, if they are what it is chosen by; ``check`` knows whether they are whole."""
        if self.cost_escape is None or self.cost_overkill is None or self.defect_rate is None:
            return None
        return Costs(self.cost_escape, self.cost_overkill, self.defect_rate)

    def check(self) -> None:
        """Raises ``UsageError`` if parts of it contradict one another, or say nothing."""
        for name, value in vars(self).items():
            if value is not None and not math.isfinite(value):
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} {value}: expected a finite number.")
        if (self.cost_escape, self.cost_overkill) != (None, None):
            self._check_costs()
        elif self.defect_rate is not None and self.parts_per_day is None:
            raise UsageError(
                "--defect-rate alone chooses nothing.",
                "It goes with --cost-escape and --cost-overkill, or with --parts-per-day.",
            )
        if self.parts_per_day is not None and (len(self.limits) < 2 or self.defect_rate is None):
            raise UsageError(
                "--parts-per-day tells how many parts people must look at, so it goes with "
                "--max-escape, --max-overkill and --defect-rate."
            )
        if self.confidence is not None:
            self._check_promise(self.confidence)

    def _check_costs(self) -> None:
        given = (self.cost_escape, self.cost_overkill)
        if None in (*given, self.defect_rate):
            raise UsageError(
                "Choosing by cost needs --cost-escape, --cost-overkill and --defect-rate.",
                "The defect rate is the line's own, such as --defect-rate 0.02: photos are "
                "mostly collected with far more defects than that.",
            )
        if not any(given):
            raise UsageError("Both costs are 0.", "Give at least one of them a cost.")
        if self.limits or self.confidence is not None:
            raise UsageError(
                "Choose by cost or by limits, not by both.",
                "Leave out the costs, or --max-escape, --max-overkill and --confidence.",
            )

    def _check_promise(self, confidence: float) -> None:
        if not self.limits:
            raise UsageError(
                "--confidence needs a limit to be confident of.",
                "Add --max-escape, --max-overkill, or both.",
            )
        for limit in self.limits:
            try:
                check_promise(limit, confidence)
            except ValueError as error:
                raise UsageError(
                    f"No number of parts proves a rate of at most {limit:g}, or it needs no proof.",
                    "With --confidence, give limits above 0 and below 1, such as 0.01.",
                ) from error
