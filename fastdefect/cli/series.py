"""Start, resume and show trainings, for the commands that train."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

from fastdefect.cli.session import INTERRUPTED_EXIT, command_line, show
from fastdefect.config import RunConfig

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.series.series import SeriesReport
    from fastdefect.reporting.tables.table_data import TableData
    from fastdefect.run import Run


@dataclass(frozen=True)
class Launch:
    """A new run, or a run to resume.

    ``settings``, ``runs`` and ``name`` are those of a new run. ``resumed`` is the run to resume.
    ``trackers`` are the names of experiment trackers; None for those of the resumed run.
    """

    settings: RunConfig
    runs: Path
    name: str | None
    resumed: "Run | None"
    trackers: tuple[str, ...] | None = ()

    def run_job(
        self,
        job: Any,
        screen: "Screen",
        plan: Mapping[str, Any] = MappingProxyType({}),
        **limits: Any,
    ) -> Any:
        """Call ``job.resume`` or ``job.start``, and return its report.

        ``plan`` has further arguments of ``start``, and ``limits`` of both.
        """
        from fastdefect.tracking.tracked import tracked
        from fastdefect.training.weights import require_weights

        if self.resumed is None:  # before the trackers, which would record a failed training
            require_weights(self.settings.model.weights)
        with tracked(self.trackers, screen, self.resumed) as on_event:
            if self.resumed is not None:
                return job.resume(self.resumed, on_event=on_event, **limits)
            from fastdefect.jobs.training.new_run import NewRun

            new = NewRun(self.runs, self.name, command_line())
            return job.start(self.settings, new, on_event=on_event, **plan, **limits)


def series_lines(series: "SeriesReport") -> list[str]:
    """Lines with the folder of the run, and its diverged and unfinished trainings."""
    from fastdefect.reporting.tables.unfinished import left_line

    lines = [f"Run: {series.run.folder}"]
    if series.diverged:
        lines.append(f"Diverged and excluded: {', '.join(m.name for m in series.diverged)}")
    if series.left:
        left = [member.name for member in series.left]
        lines.append(left_line(len(series.finished), left, series.seconds_left))
        lines.append(f"Resume with: {series.run.resume_command}")
    return lines


def show_series(
    screen: "Screen",
    command: str,
    report: Any,
    *,
    tables: "Iterable[TableData]" = (),
    lines: Sequence[str] = (),
) -> None:
    """Show a report with ``series`` and ``files``. Exit with 130 if it was interrupted."""
    from fastdefect.run import RunStatus

    files: Sequence[Path] = report.files
    written = [f"Written: {file}" for file in files]
    closing = [*lines, *written, *series_lines(report.series)]
    show(screen, command, report.as_json(), tables=tables, lines=closing)
    if report.series.reason == RunStatus.INTERRUPTED:
        raise typer.Exit(INTERRUPTED_EXIT)
