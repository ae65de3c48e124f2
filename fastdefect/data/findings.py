"""Findings: what is wrong or remarkable about the photos, and the checks that make them.

A check is declared once, beside its code. ``data/audit/registry.py`` collects the checks; flags,
tables, pictures and the list in ``docs/data.md`` derive from what is collected.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fastdefect.aliases import Interval

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")  # the gravest first


@dataclass(frozen=True)
class Finding:
    """One kind of trouble and every photo that has it.

    ``value`` is the number behind it (a count, a share, an AUC), ``interval`` its 95 %
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


@dataclass(frozen=True)
class Singles:
    """A picture of photos that have nothing to do with each other, in the order of the finding.

    Below each photo stands a note. ``note`` is a format of the ``photo``
    (``"is {photo.facts.kind}"``). ``measure`` names a field of the photo's ``Appearance``, which
    is written in ``form`` beside what is usual in the photo's class. ``rank`` sorts the findings
    of a sheet, the lowest first.
    """

    rank: int
    note: str = ""
    measure: str = ""
    form: str = "{}"


@dataclass(frozen=True)
class Together:
    """A picture of photos that belong together, in a row.

    ``by`` is what the photos of a row share: a ``file`` (the same bytes), a ``shot`` (copies of
    it, too), a ``part``, a ``found part`` (a part, or what the search joined against the given
    parts) or the ``closest`` of file, shot and part that they all share. ``mark_labels`` marks
    the photos whose label is not the usual one of their row, ``sizes`` notes dimensions and file
    size, and ``beside_training`` puts the photos of the finding before the other photos of their
    part that have a split. ``rank`` sorts the findings of a sheet, the lowest first.
    """

    rank: int
    by: Literal["file", "shot", "part", "found part", "closest"]
    mark_labels: bool = False
    sizes: bool = False
    beside_training: bool = False


@dataclass(frozen=True)
class Check:
    """One kind of finding: what it is called, how grave it is, and how it is shown.

    ``severity`` is the gravest that a finding of this kind has; a single finding may be milder.
    ``rank`` sorts the kinds of one severity, the lowest first. ``meaning`` is one line for the
    documentation. ``form`` is the format of a finding's value; without one the value is a count.
    ``of_photos`` is false where the paths name folders, or files that are no photos. ``picture``
    says how photos are drawn on the sheet of worst cases, None where there is nothing to see.
    """

    kind: str
    severity: Severity
    rank: int
    meaning: str
    form: str = ""
    of_photos: bool = True
    picture: Singles | Together | None = None

    def finding(
        self,
        message: str,
        value: float | None = None,
        paths: Sequence[str] = (),
        *,
        interval: tuple[float, float] | None = None,
        severity: Severity | None = None,
    ) -> Finding:
        """A finding of this kind; raises ``ValueError`` if it is graver than the kind."""
        severity = severity or self.severity
        if SEVERITIES.index(severity) < SEVERITIES.index(self.severity):
            raise ValueError(
                f"Expected a finding {self.kind!r} of at most {self.severity!r}, got {severity!r}"
            )
        return Finding(self.kind, severity, message, value, interval, tuple(paths))

    def written(self, value: float) -> str:
        """A finding's finite value for people: ``12.5% of test``, ``AUC 0.93``, ``1,204``."""
        count = "{:,.0f}" if float(value).is_integer() else "{:.2f}"
        return (self.form or count).format(value)
