"""``fastdefect export``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fastdefect.cli.session import (
    USE,
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


@app.command(rich_help_panel=USE)
@with_request("data_root", "views", "threshold")
def export(
    run: RunName = None,
    *,
    request: Request,
    out: Annotated[Path, typer.Option("--out", help="The bundle to write, a .fdb file.")] = Path(
        "model.fdb"
    ),
    runtime: Annotated[
        Literal["onnx", "openvino"], typer.Option("--format", help="Runtime of the network.")
    ] = "onnx",
    quantize: Annotated[
        Literal["none", "bf16", "int8"],
        typer.Option(
            "--quantize",
            help="int8 (ONNX), bf16 (OpenVINO): faster on some CPUs, less exact; int8 is smaller.",
        ),
    ] = "none",
    max_difference: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Largest change of a probability that is accepted.",
            show_default="0.001; bf16: 0.05; int8: 0.2",
        ),
    ] = None,
    max_flips: Annotated[
        float, typer.Option(min=0, max=1, help="Share of changed decisions that is accepted.")
    ] = 0.0,
    unlike: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.5,
            help="Share of known parts that may be sent to people as unlike; 0: off.",
        ),
    ] = 0.01,
    examples: Annotated[
        int,
        typer.Option(min=0, max=1000, help="Validation photos to put into the bundle, for a test."),
    ] = 0,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the model with its decision rule as one file, checked against the run."""
    with session(quiet, as_json) as screen:
        chosen = run_with_model(run, runs)
        from fastdefect.jobs.export import Export, RefusedBundleError
        from fastdefect.jobs.export import export as job
        from fastdefect.reporting.tables.export import check_table
        from fastdefect.tracking.tracked import log_file

        precision = "fp32" if quantize == "none" else quantize
        wanted = Export(out, runtime, precision, max_difference, max_flips, unlike, examples)
        try:
            exported = job(chosen, request, wanted, on_event=screen)
        except RefusedBundleError as refused:
            screen.table(check_table(*refused.as_rows()))
            raise
        log_file(chosen, exported.out, screen)
        show(
            screen,
            "export",
            exported.as_json(),
            tables=exported.tables(),
            files=[exported.out],
        )
