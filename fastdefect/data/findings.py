"""Findings: what is wrong or remarkable about the photos, as plain values."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fastdefect.aliases import Interval

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One kind of trouble and every photo that has it.

    ``value`` is the figure behind it (a count, a share, an AUC), ``interval`` its 95 %
    interval where one is known, ``paths`` the photos' names relative to the data folder.
    """

    kind: str
    severity: Severity
    message: str
    value: float | None = None
    interval: Interval | None = None
    paths: tuple[str, ...] = ()


def findings_as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The list that is written as ``findings.json``."""
    return [asdict(finding) for finding in findings]
