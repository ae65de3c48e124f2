"""The commands about a finished run's worth."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fastdefect.cli.session import (
    Data,
    Json,
    OnDevice,
    Quiet,
    RunName,
    Runs,
    Split,
    Threshold,
    Views,
    app,
    command_line,
    session,
)


@app.command()
def evaluate(
    run: RunName = None,
    *,
    split: Split = "valid",
    data: Data = None,
    views: Views = None,
    threshold: Threshold = "stored",
    device: OnDevice = "auto",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure a run's model: every figure with its interval, what it proves, plots."""
    with session(quiet, as_json) as screen:
        from fastdefect.run_registry import open_run

        chosen = open_run(run, runs)
        chosen.require_model()
        from fastdefect.jobs.evaluate import evaluate as job
        from fastdefect.reporting.tables.evaluate import claim_lines, evaluation_tables

        report = job(
            chosen,
            split=split,
            data=data,
            views=views,
            threshold=threshold,
            device=device,
            command=command_line(),
            on_event=screen,
        )
        tables = evaluation_tables(
            report.evaluation,
            report.uncalibrated,
            report.by_type,
            report.decision,
            report.sent,
            split=report.split,
            opening=report.opening,
        )
        for table in tables:
            screen.table(table)
        for line in claim_lines(report.evaluation):
            screen.line(line)
        for file in report.files:
            screen.line(f"Written: {file}")
        screen.result("evaluation", report.as_json())


@app.command()
def threshold(
    run: RunName = None,
    *,
    cost_escape: Annotated[
        float | None, typer.Option(min=0, help="What an escape costs, in any currency.")
    ] = None,
    cost_overkill: Annotated[
        float | None, typer.Option(min=0, help="What an overkill costs, in the same.")
    ] = None,
    defect_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of defects on the line itself.")
    ] = None,
    max_escape: Annotated[
        float | None, typer.Option(min=0, max=1, help="Highest escape rate, such as 0.01.")
    ] = None,
    max_overkill: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Highest overkill rate; both: people look at the rest."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.9999, help="Guarantee the limits on unseen parts, as 0.95."),
    ] = None,
    parts_per_day: Annotated[
        int | None, typer.Option(min=1, help="Parts inspected a day, for the load on people.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Choose on these labelled photos instead.")
    ] = None,
    views: Annotated[
        str | None,
        typer.Option(
            help="Average over views: none, auto, flips, dihedral, ...",
            show_default="the run's own",
        ),
    ] = None,
    device: OnDevice = "auto",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Choose how the run decides: by F1, cost, or limits; kept beside the model."""
    with session(quiet, as_json) as screen:
        from fastdefect.run_registry import open_run

        chosen = open_run(run, runs)
        chosen.require_model()
        from fastdefect.evaluation.decisions.criteria import Wish
        from fastdefect.jobs.threshold import choose_threshold
        from fastdefect.reporting.tables.evaluate import band_table, threshold_table

        report = choose_threshold(
            chosen,
            Wish(
                cost_escape=cost_escape,
                cost_overkill=cost_overkill,
                defect_rate=defect_rate,
                max_escape=max_escape,
                max_overkill=max_overkill,
                confidence=confidence,
                parts_per_day=parts_per_day,
            ),
            data=data,
            views=views,
            device=device,
            command=command_line(),
            on_event=screen,
        )
        if report.band is not None:
            screen.table(
                band_table(report.band, report.load, said=report.said, source=report.source)
            )
        if report.point is not None:
            screen.table(
                threshold_table(report.before, report.point, said=report.said, source=report.source)
            )
        screen.line(f"Kept: {report.path}. From now on evaluate and gate decide by it.")
        screen.line("Check it once on the sealed test: fastdefect evaluate --split test")
        screen.result("threshold", report.as_json())


@app.command()
def gate(
    run: RunName = None,
    *,
    max_escape: Annotated[
        float | None, typer.Option(min=0, max=1, help="Highest escape rate.")
    ] = None,
    max_overkill: Annotated[
        float | None, typer.Option(min=0, max=1, help="Highest overkill rate.")
    ] = None,
    minimum: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="FIGURE=VALUE", help="Lowest value, f1=0.95; repeatable."),
    ] = None,
    maximum: Annotated[
        list[str] | None,
        typer.Option("--max", metavar="FIGURE=VALUE", help="Highest, brier=0.1; repeatable."),
    ] = None,
    at: Annotated[
        Literal["point", "upper"],
        typer.Option(help="Judge the figure itself, or its interval's bad end (upper)."),
    ] = "point",
    split: Split = "valid",
    data: Data = None,
    views: Views = None,
    threshold: Threshold = "stored",
    device: OnDevice = "auto",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Exit 1, with a table of what failed, unless the run keeps its limits."""
    with session(quiet, as_json) as screen:
        from fastdefect.run_registry import open_run

        chosen = open_run(run, runs)
        chosen.require_model()
        from fastdefect.evaluation.gate import Limit, parse_limit
        from fastdefect.jobs.gate import gate as job
        from fastdefect.reporting.tables.evaluate import gate_table

        rates = (("escape_rate", max_escape), ("overkill_rate", max_overkill))
        limits = [Limit(name, value, at_most=True) for name, value in rates if value is not None]
        limits += [parse_limit(text, at_most=False) for text in minimum or []]
        limits += [parse_limit(text, at_most=True) for text in maximum or []]
        report = job(
            chosen,
            limits,
            at=at,
            split=split,
            data=data,
            views=views,
            threshold=threshold,
            device=device,
            command=command_line(),
            on_event=screen,
        )
        screen.table(gate_table(report.checks, at=at))
        screen.result("gate", report.as_json())
        if not report.passed:
            raise typer.Exit(1)


@app.command("tta-eval")
def tta_eval(
    run: RunName = None,
    *,
    views: Annotated[
        str,
        typer.Option(
            help="auto, flips, dihedral, turns, mirror, half-turn, none, or random:N (learn.tta)."
        ),
    ] = "flips",
    split: Split = "valid",
    data: Data = None,
    device: OnDevice = "auto",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure a run's model without and with test-time augmentation."""
    with session(quiet, as_json) as screen:
        from fastdefect.run_registry import open_run

        chosen = open_run(run, runs)
        chosen.require_model()
        from fastdefect.jobs.tta_eval import tta_eval as job
        from fastdefect.reporting.tables.fit import tta_table

        report = job(
            chosen,
            views=views,
            split=split,
            data=data,
            device=device,
            command=command_line(),
            on_event=screen,
        )
        screen.table(
            tta_table(
                report.plain,
                report.averaged,
                report.seconds,
                split=report.split,
                views=report.views,
                opening=report.opening,
                swaps=report.swaps,
                changes={"photos": report.photos, "parts": report.parts},
            )
        )
        for file in report.files:
            screen.line(f"Predictions: {file}")
        screen.result("result", report.as_json())


@app.command("runs")
def list_of_runs(
    *,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the runs, oldest first."""
    with session(as_json=as_json) as screen:
        from fastdefect.reporting.tables.fit import runs_table
        from fastdefect.run_registry import list_runs, summarise

        rows = [summarise(run) for run in list_runs(runs)]
        screen.table(runs_table(rows))
        screen.result("runs", {"runs": rows})
