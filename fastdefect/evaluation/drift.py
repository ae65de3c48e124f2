"""Are the photos of a day like those that a model was measured on?

``drift_findings`` tests the distance to the training photos and P(defect). The share of rejected
photos is reported and not tested, because a line has another share of defects than a training set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastdefect.evaluation.drift_findings import ALPHA, Finding, find_drift
from fastdefect.evaluation.statistics.rates import Rate, rate_of
from fastdefect.inference.baseline import Sample


@dataclass(frozen=True, eq=False)
class Day:
    """The photos of one file."""

    name: str
    sample: Sample
    unreadable: int = 0
    unlike: int = 0


@dataclass(frozen=True)
class DayReport:
    """A day against the baseline: its findings, and the share of rejected photos, not tested."""

    name: str
    photos: int
    parts: int
    unreadable: int
    unlike: int
    rejected: Rate
    findings: tuple[Finding, ...]

    @property
    def drifted(self) -> bool:
        """Whether a quantity drifted."""
        return any(finding.verdict == "drift" for finding in self.findings)

    @property
    def tested(self) -> bool:
        """Whether any quantity had enough parts."""
        return any(finding.p_value is not None for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """All values."""
        counts = {
            name: getattr(self, name)
            for name in ("name", "photos", "parts", "unreadable", "unlike", "drifted")
        }
        return {
            **counts,
            "rejected": self.rejected.as_json(),
            "findings": [finding.as_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class DriftReport:
    """All days in order, at ``alpha`` for the whole report; ``rejected`` is of the baseline."""

    alpha: float
    photos: int
    parts: int
    rejected: Rate
    days: tuple[DayReport, ...]

    @property
    def drifted(self) -> bool:
        """Whether any day drifted."""
        return any(day.drifted for day in self.days)

    def as_json(self) -> dict[str, Any]:
        """All values."""
        return {
            "alpha": self.alpha,
            "drifted": self.drifted,
            "baseline": {
                "photos": self.photos,
                "parts": self.parts,
                "rejected": self.rejected.as_json(),
            },
            "days": [day.as_json() for day in self.days],
        }


def drift(baseline: Sample, days: Sequence[Day], *, alpha: float = ALPHA) -> DriftReport:
    """Test each quantity of each day; the chance of any false alarm is at most ``alpha``."""
    findings = find_drift(baseline, [day.sample for day in days], alpha=alpha)
    reports = tuple(_day_report(day, found) for day, found in zip(days, findings, strict=True))
    rejected = rate_of(~baseline.passed, baseline.parts)
    return DriftReport(alpha, len(baseline), baseline.n_parts, rejected, reports)


def _day_report(day: Day, findings: tuple[Finding, ...]) -> DayReport:
    sample = day.sample
    rejected = rate_of(~sample.passed, sample.parts)
    return DayReport(
        day.name, len(sample), sample.n_parts, day.unreadable, day.unlike, rejected, findings
    )
