"""Findings: problems and notable facts about the photos, and the checks that report them.

Each check is declared once, beside its code. ``data/audit/registry.py`` collects the checks. The
flags, tables, pictures and the list in ``docs/data.md`` derive from that collection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fastdefect.aliases import Interval

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")  # most severe first


@dataclass(frozen=True)
class Finding:
    """One kind of problem, with all photos affected by it.

    ``value`` is the number behind the finding (a count, a share, an AUC). ``interval`` is its
    95 % interval, if one is available. ``paths`` are the names of the photos relative to the data
    folder.
    """

    kind: str
    severity: Severity
    message: str
    value: float | None = None
    interval: Interval | None = None
    paths: tuple[str, ...] = ()


def findings_as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The content of ``findings.json``."""
    return [asdict(finding) for finding in findings]


@dataclass(frozen=True)
class Singles:
    """A picture of unrelated photos, in the order of the finding.

    A note is printed below each photo. ``note`` is a format string with the field ``photo``
    (``"is {photo.facts.kind}"``). ``measure`` names a field of the photo's ``Appearance``; its
    value is formatted with ``form`` and printed with the typical value of the class. ``rank``
    sorts the findings of a sheet in ascending order.
    """

    rank: int
    note: str = ""
    measure: str = ""
    form: str = "{}"


@dataclass(frozen=True)
class Together:
    """A picture of related photos, one row per group.

    ``by`` defines the groups: ``file`` (identical bytes), ``shot`` (also copies of one shot),
    ``part``, ``found part`` (a part, or photos that the search joined contrary to the given
    parts) or ``closest`` (the narrowest of file, shot and part that the photos share).
    ``mark_labels`` marks the photos with a label other than the most frequent one of their row.
    ``sizes`` prints dimensions and file size. ``beside_training`` places the photos of the
    finding before the other photos of their part that have a split. ``rank`` sorts the findings
    of a sheet in ascending order.
    """

    rank: int
    by: Literal["file", "shot", "part", "found part", "closest"]
    mark_labels: bool = False
    sizes: bool = False
    beside_training: bool = False


@dataclass(frozen=True)
class Check:
    """One kind of finding: its name, its severity and its presentation.

    ``severity`` is the highest severity of this kind; a single finding can be less severe.
    ``rank`` sorts the kinds of one severity in ascending order. ``meaning`` is one line for the
    documentation. ``form`` is the format of the value; without it the value is a count.
    ``of_photos`` is False where the paths name folders or files that are not photos. ``picture``
    defines how the sheet of worst cases shows the photos, or is None.
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
        """Return a finding; raise ``ValueError`` if it is more severe than its kind."""
        severity = severity or self.severity
        if SEVERITIES.index(severity) < SEVERITIES.index(self.severity):
            raise ValueError(
                f"Expected a finding {self.kind!r} of at most {self.severity!r}, got {severity!r}"
            )
        return Finding(self.kind, severity, message, value, interval, tuple(paths))

    def written(self, value: float) -> str:
        """Return a finite value as text: ``12.5% of test``, ``AUC 0.93``, ``1,204``."""
        count = "{:,.0f}" if float(value).is_integer() else "{:.2f}"
        return (self.form or count).format(value)
