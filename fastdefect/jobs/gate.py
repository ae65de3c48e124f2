"""``fastdefect gate``: check a run against limits, for a pipeline that ships models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastdefect.config import Unit
from fastdefect.errors import UsageError
from fastdefect.evaluation.gate import At, Check, Limit, check_limits
from fastdefect.events import OnEvent
from fastdefect.jobs.evaluate import EvaluationReport, evaluate
from fastdefect.jobs.trained.decision import unit_text
from fastdefect.jobs.trained.request import Request
from fastdefect.reporting.ci.gate import gate_outcomes
from fastdefect.reporting.ci.outcomes import Outcomes
from fastdefect.run import Run
from fastdefect.text import counted


@dataclass(frozen=True)
class GateReport:
    """The checks, and the evaluation that they use."""

    checks: tuple[Check, ...]
    at: At
    evaluation: EvaluationReport

    @property
    def passed(self) -> bool:
        """Whether all limits hold."""
        return all(check.holds for check in self.checks)

    @property
    def unit(self) -> Unit:
        """What the limits count: photos, or parts."""
        return self.evaluation.decision.unit

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "run": str(self.evaluation.run.folder),
            "split": self.evaluation.split,
            "opening": self.evaluation.opening,
            "at": self.at,
            "unit": self.unit,
            "part_rule": self.evaluation.decision.part_rule,
            "passed": self.passed,
            "checks": [check.as_json() for check in self.checks],
        }

    def outcomes(self) -> Outcomes:
        """The checks for the system that runs the pipeline."""
        done = self.evaluation
        photos = counted(done.evaluation.metrics.n, "photo")
        parts = counted(done.evaluation.n_parts, "part")
        about = {"split": done.split, "photos": photos, "parts": parts, "at": self.at}
        about["decided"] = unit_text(done.decision.part_rule)
        if done.opening is not None:
            about["opening of the test"] = str(done.opening)
        where = f"split {done.split}, {photos} of {parts}"
        if self.unit == "part":
            where = f"split {done.split}, {parts} of {photos}"
        return gate_outcomes(done.run, self.checks, at=self.at, photos=where, about=about)


def gate(
    run: Run,
    limits: Sequence[Limit],
    request: Request,
    *,
    at: At,
    on_event: OnEvent,
) -> GateReport:
    """Evaluate the run as ``evaluate`` does and check its figures against the limits.

    Raises ``UsageError`` if there is no limit: every run would pass.
    """
    if not limits:
        raise UsageError(
            "Expected at least one limit, but got none.",
            "For example --max-escape 0.01 --max-overkill 0.05 --min f1=0.95",
        )
    evaluation = evaluate(run, request, on_event=on_event)
    checks = check_limits(limits, evaluation.decided.estimates, at)
    return GateReport(checks, at, evaluation)
