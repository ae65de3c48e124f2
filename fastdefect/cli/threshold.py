"""``fastdefect threshold``."""

from pathlib import Path
from typing import Annotated

import typer

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
@with_request("data", "include_trained", "data_root", "views", "decide", "part_rule", "device")
def threshold(
    run: RunName = None,
    *,
    request: Request,
    cost_escape: Annotated[
        float | None, typer.Option(min=0, help="Cost of an escape, in any currency.")
    ] = None,
    cost_overkill: Annotated[
        float | None, typer.Option(min=0, help="Cost of an overkill, in the same currency.")
    ] = None,
    defect_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Defect rate in production.")
    ] = None,
    max_escape: Annotated[
        float | None, typer.Option(min=0, max=1, help="Maximum escape rate, e.g. 0.01.")
    ] = None,
    max_overkill: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Maximum overkill rate; with both limits, people review the rest."
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.9999, help="Guarantee the limits on unseen parts, e.g. 0.95."),
    ] = None,
    parts_per_day: Annotated[
        int | None, typer.Option(min=1, help="Parts inspected per day, for the load of the review.")
    ] = None,
    by_product: Annotated[
        bool,
        typer.Option(
            "--by-product", help="Also choose a threshold for each product with enough photos."
        ),
    ] = False,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Choose the decision threshold of a run by F1, cost or limits, and save it in the run.

    It is chosen on the validation photos, or on those of --data.
    """
    with session(quiet, as_json) as screen:
        chosen = run_with_model(run, runs)
        from fastdefect.evaluation.decisions.criteria import Criteria
        from fastdefect.jobs.threshold import choose_threshold
        from fastdefect.reporting.tables.by_part import part_notes, rules_table
        from fastdefect.reporting.tables.evaluate import band_table, threshold_table
        from fastdefect.reporting.tables.products import product_points_table

        criteria = Criteria(
            cost_escape=cost_escape,
            cost_overkill=cost_overkill,
            defect_rate=defect_rate,
            max_escape=max_escape,
            max_overkill=max_overkill,
            confidence=confidence,
            parts_per_day=parts_per_day,
        )
        report = choose_threshold(chosen, criteria, request, by_product=by_product, on_event=screen)
        tables = []
        if report.band is not None:
            tables.append(
                band_table(report.band, report.load, said=report.said, source=report.source)
            )
        if report.point is not None:
            tables.append(
                threshold_table(report.before, report.point, said=report.said, source=report.source)
            )
        notes = (
            part_notes(report.part_rule, report.facts) if report.part_rule and report.facts else []
        )
        if report.rules:
            tables.append(rules_table(report.rules))
        if report.products:
            tables.append(product_points_table(report.products))
        alone = report.alone
        lines = (
            *([f"Threshold {alone.threshold:.4f}, {alone.said}."] if alone else []),
            *([" ".join(notes)] if notes else []),
            f"Saved: {report.path}. evaluate and gate use it from now on.",
            "Check it once on the sealed test: fastdefect evaluate --split test",
        )
        show(screen, "threshold", report.as_json(), tables=tables, lines=lines)
