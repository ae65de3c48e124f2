"""The criteria for the choice of a threshold."""

import math
from dataclasses import dataclass

from fastdefect.errors import UsageError
from fastdefect.evaluation.decisions.guarantees import check_promise
from fastdefect.evaluation.decisions.operating_point import Costs


@dataclass(frozen=True)
class Criteria:
    """The criteria for the choice of a threshold; the default is the highest F1.

    ``cost_escape`` and ``cost_overkill`` are in the same currency and go with the line's own
    ``defect_rate``. The limits are shares. With ``confidence``, they must hold on unseen parts.
    Both limits together give a review band. ``parts_per_day`` adds the number of parts in the band
    at the ``defect_rate``.
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
        """The given limits."""
        both = (self.max_escape, self.max_overkill)
        return tuple(limit for limit in both if limit is not None)

    @property
    def costs(self) -> Costs | None:
        """The costs, if all three values are given; ``check`` refuses incomplete ones."""
        if self.cost_escape is None or self.cost_overkill is None or self.defect_rate is None:
            return None
        return Costs(self.cost_escape, self.cost_overkill, self.defect_rate)

    def check(self) -> None:
        """Raise ``UsageError`` if the criteria are contradictory or incomplete."""
        for name, value in vars(self).items():
            if value is not None and not math.isfinite(value):
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} {value}: expected a finite number.")
        if (self.cost_escape, self.cost_overkill) != (None, None):
            self._check_costs()
        elif self.defect_rate is not None and self.parts_per_day is None:
            raise UsageError(
                "--defect-rate alone is not a criterion for a threshold.",
                "Use it with --cost-escape and --cost-overkill, or with --parts-per-day.",
            )
        if self.parts_per_day is not None and (len(self.limits) < 2 or self.defect_rate is None):
            raise UsageError(
                "--parts-per-day needs --max-escape, --max-overkill and --defect-rate.",
                "It gives the number of parts that people must review. Add the missing options.",
            )
        if self.confidence is not None:
            self._check_promise(self.confidence)

    def _check_costs(self) -> None:
        given = (self.cost_escape, self.cost_overkill)
        if None in (*given, self.defect_rate):
            raise UsageError(
                "The choice by cost needs --cost-escape, --cost-overkill and --defect-rate.",
                "Give the defect rate of the line, such as --defect-rate 0.02. Collected photos "
                "usually have far more defects than the line.",
            )
        if not any(given):
            raise UsageError("Both costs are 0.", "Set at least one of them above 0.")
        if self.limits or self.confidence is not None:
            raise UsageError(
                "Choose by cost or by limits, not by both.",
                "Remove the costs, or --max-escape, --max-overkill and --confidence.",
            )

    def _check_promise(self, confidence: float) -> None:
        if not self.limits:
            raise UsageError(
                "--confidence needs a limit to apply to.",
                "Add --max-escape, --max-overkill, or both.",
            )
        for limit in self.limits:
            try:
                check_promise(limit, confidence)
            except ValueError as error:
                raise UsageError(
                    f"A limit of {limit:g} at confidence {confidence:g} can't be tested: both must "
                    "be above 0 and below 1.",
                    "With --confidence, give limits such as 0.01 and a confidence such as 0.95.",
                ) from error
