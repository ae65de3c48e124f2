"""The findings of an audit as a table."""

import math
from collections import Counter
from collections.abc import Sequence

from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.findings import SEVERITIES, Finding, Severity
from fastdefect.reporting.sheets.contact_sheet import (
    clean,
)
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted

# Signs in addition to words and colour, in characters that every terminal and code page has.
_SIGNS: dict[Severity, str] = {"error": "!! error", "warning": "! warning", "info": "info"}


def findings_table(findings: Sequence[Finding]) -> TableData:
    """A row for each finding, most severe first: severity, kind and message, photos, figure.

    The message is below severity and kind in one cell, because a separate column would hold only
    one or two words per line in a terminal of 80 columns. A figure that only repeats the number of
    photos is omitted. Characters that cannot be printed, which file names can contain, become
    ``?``.
    """
    ranked = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    if not ranked:
        return TableData("Findings", ("finding",), (), empty="No findings.")
    last = len(ranked) - 1
    rows = tuple(
        # An empty line separates one finding from the next.
        (_text(finding) + ("\n" if row < last else ""), photos_text(finding), figure_text(finding))
        for row, finding in enumerate(ranked)
    )
    counts = Counter(finding.severity for finding in ranked)
    caption = ", ".join(
        f"{counts[severity]} info" if severity == "info" else counted(counts[severity], severity)
        for severity in SEVERITIES
        if counts[severity]
    )
    marks = {row: "bad" for row, finding in enumerate(ranked) if finding.severity == "error"}
    return TableData("Findings", ("finding", "photos", "figure"), rows, f"{caption}.", marks)


def _text(finding: Finding) -> str:
    return f"{_SIGNS[finding.severity]}: {finding.kind}\n{clean(finding.message)}"


def photos_text(finding: Finding) -> str:
    """The number of its photos, or ``-`` if it names none."""
    shown = finding.paths and CHECKS[finding.kind].of_photos
    return f"{len(finding.paths):,}" if shown else "-"


def figure_text(finding: Finding) -> str:
    """The value in the form of its kind, with its interval, if any, below it."""
    value, check = finding.value, CHECKS[finding.kind]
    if value is None or not math.isfinite(value):
        return "-"
    if value == len(finding.paths) and not check.form:
        return "-"
    text = check.written(value)
    if finding.interval is None:
        return text
    return f"{text}\n[{finding.interval[0]:.2f}, {finding.interval[1]:.2f}]"
