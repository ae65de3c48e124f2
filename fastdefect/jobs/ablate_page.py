"""Gather what the page of an ablation shows, from its report and the files of its run."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from fastdefect import __version__
from fastdefect.files import write_text, written_to
from fastdefect.jobs.ablate import AblationReport
from fastdefect.jobs.reports.run_record import run_record
from fastdefect.jobs.series.members import Finished
from fastdefect.jobs.series.series import seeds_from
from fastdefect.reporting.html.ablation import render_ablation
from fastdefect.reporting.html.ablation_facts import AblationFacts, Training
from fastdefect.reporting.tables.ablate import ablation_table
from fastdefect.reporting.tables.table_data import TableData


def with_page(report: AblationReport, path: Path, command: str) -> AblationReport:
    """Write the page of ``report`` to ``path``, and return the report with it.

    Nothing is trained or predicted. ``command`` is what was typed.
    """
    text = render_ablation(ablation_facts(report, command))
    with written_to(path, option="--report"):
        write_text(path, text)
    return replace(report, page=path, files=(*report.files, path))


def ablation_facts(report: AblationReport, command: str) -> AblationFacts:
    """What the page shows; the arguments are those of ``with_page``."""
    series, run = report.series, report.series.run
    plan = run.read_state()["plan"]
    return AblationFacts(
        record=run_record(run),
        plan=str(plan["steps"]),
        seeds=tuple(seeds_from(run.read_config().training.seed, plan["seeds"])),
        steps=report.steps,
        figures=report.figures,
        gains=report.gains,
        table=table_of(report),
        trainings=tuple(_training(each) for each in series.finished),
        left=tuple(member.name for member in series.left),
        diverged=tuple(member.name for member in series.diverged),
        resume=run.resume_command,
        command=command,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
    )


def table_of(report: AblationReport) -> TableData | None:
    """The table of the steps; None without a finished training."""
    if not report.figures:
        return None
    n_seeds = max(len(by_seed) for by_seed in report.figures.values())
    title = f"Ablation, {n_seeds} seed{'s' if n_seeds > 1 else ''}, validation"
    return ablation_table(report.steps, report.figures, report.gains, title=title)


def _training(finished: Finished) -> Training:
    member = finished.member
    return Training(
        member.name,
        member.config.training.seed,
        finished.seconds,
        int(finished.metrics["valid"]["n"]),
        len(finished.run.read_history()),
    )
