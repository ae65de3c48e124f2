"""``fastdefect gate``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fastdefect.cli.ci import Annotations, Junit, check_junit, publish
from fastdefect.cli.session import (
    DECIDE,
    Json,
    Quiet,
    RunName,
    Runs,
    app,
    run_with_model,
    session,
    show,
    with_request,
)
from fastdefect.jobs.trained.request import Request


@app.command(rich_help_panel=DECIDE)
@with_request(
    "split",
    "data",
    "include_trained",
    "data_root",
    "views",
    "threshold",
    "decide",
    "part_rule",
    "device",
)
def gate(
    run: RunName = None,
    *,
    request: Request,
    max_escape: Annotated[
        float | None, typer.Option(min=0, max=1, help="Maximum escape rate.")
    ] = None,
    max_overkill: Annotated[
        float | None, typer.Option(min=0, max=1, help="Maximum overkill rate.")
    ] = None,
    minimum: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="METRIC=VALUE", help="Minimum, e.g. f1=0.95; repeatable."),
    ] = None,
    maximum: Annotated[
        list[str] | None,
        typer.Option("--max", metavar="METRIC=VALUE", help="Maximum, e.g. brier=0.1; repeatable."),
    ] = None,
    at: Annotated[
        Literal["point", "upper"],
        typer.Option(help="Check the metric itself, or the worse end of its interval (upper)."),
    ] = "point",
    junit: Junit = None,
    annotations: Annotations = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check the metrics of a run against limits; exit with 1 if any of them fails."""
    with session(quiet, as_json) as screen:
        check_junit(junit)
        chosen = run_with_model(run, runs)
        from fastdefect.evaluation.gate import Limit, parse_limit
        from fastdefect.jobs.gate import gate as job
        from fastdefect.reporting.tables.evaluate import gate_table

        rates = (("escape_rate", max_escape), ("overkill_rate", max_overkill))
        limits = [Limit(name, value, at_most=True) for name, value in rates if value is not None]
        limits += [parse_limit(text, at_most=False) for text in minimum or []]
        limits += [parse_limit(text, at_most=True) for text in maximum or []]
        report = job(chosen, limits, request, at=at, on_event=screen)
        files = publish(report.outcomes(), junit, annotations)
        tables = [gate_table(report.checks, at=at, unit=report.unit)]
        show(screen, "gate", report.as_json(), tables=tables, files=files)
        if not report.passed:
            raise typer.Exit(1)
