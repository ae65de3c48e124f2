"""What the commands that train several times end with."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fastdefect.cli.session import INTERRUPTED_EXIT, show

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.series.series import SeriesReport
    from fastdefect.reporting.tables.table_data import TableData


def series_lines(series: "SeriesReport") -> list[str]:
    """Where the run is, what diverged, and what is left to do."""
    from fastdefect.reporting.tables.unfinished import left_line

    lines = [f"Run: {series.run.folder}"]
    if series.diverged:
        lines.append(f"Diverged and left out: {', '.join(m.name for m in series.diverged)}")
    if series.left:
        left = [member.name for member in series.left]
        lines.append(left_line(len(series.finished), left, series.seconds_left))
        lines.append(f"Go on with: {series.run.resume_command}")
    return lines


def show_series(
    screen: "Screen",
    command: str,
    report: Any,
    *,
    tables: "Iterable[TableData]" = (),
    lines: Sequence[str] = (),
) -> None:
    """Show a report that has a ``series`` and ``files``; exit by 130 if it was interrupted."""
    from fastdefect.run import RunStatus

    files: Sequence[Path] = report.files
    written = [f"Written: {file}" for file in files]
    closing = [*lines, *written, *series_lines(report.series)]
    show(screen, command, report.as_json(), tables=tables, lines=closing)
    if report.series.reason == RunStatus.INTERRUPTED:
        raise typer.Exit(INTERRUPTED_EXIT)
