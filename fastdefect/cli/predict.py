"""``fastdefect predict``."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from fastdefect.cli.session import USE, Json, Quiet, Runs, app, session, show, with_request
from fastdefect.jobs.trained.request import Request

# Exit codes beside 0, 1 (an error) and 2 (wrong usage).
_FOUND = 3


@app.command(rich_help_panel=USE)
@with_request("data_root", "views", "threshold", "device")
def predict(
    model: Annotated[str, typer.Argument(metavar="RUN|BUNDLE", help="A run, or a bundle.")],
    photos: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, patterns, zips, tables; - reads a list from stdin."),
    ] = None,
    *,
    request: Request,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write a row for each photo: .csv, .jsonl or .parquet."),
    ] = None,
    by: Annotated[
        Literal["photo", "part"], typer.Option("--by", help="One decision a photo, or a part.")
    ] = "photo",
    part_from: Annotated[
        str | None,
        typer.Option(
            "--part-from",
            help="Regular expression for the part in a path.",
            show_default="that of the run",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the --out file of a killed prediction.")
    ] = False,
    watch: Annotated[
        Path | None,
        typer.Option("--watch", metavar="DIR", help="Decide on photos as they arrive in DIR."),
    ] = None,
    poll: Annotated[
        bool, typer.Option("--poll", help="With --watch: list DIR twice a second (network shares).")
    ] = False,
    fail_on: Annotated[
        Literal["unreadable", "look", "reject", "never"],
        typer.Option(
            "--fail-on", help="Exit with 3 if a photo is unreadable, or has this decision or worse."
        ),
    ] = "unreadable",
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Threads that read.", show_default="one a core"),
    ] = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Decide on photos without labels: OK, look (a person decides) or reject."""
    with session(quiet, as_json) as screen:
        from fastdefect.data.reading.unlabelled import Sources
        from fastdefect.jobs.predict import Output, check_output, failing
        from fastdefect.jobs.predict import predict as job
        from fastdefect.jobs.predicting.open_model import open_model
        from fastdefect.reporting.tables.predict import part_table, photo_table, summary_line

        output = Output(out, by, resume, part_from)
        check_output(output)
        scorer = open_model(model, runs, request, screen)
        if watch is not None:
            from fastdefect.jobs.watch import watch as watch_job

            predicted = watch_job(scorer, watch, photos or [], output, poll=poll, on_event=screen)
        else:
            sources = Sources.of(photos or [], scorer.judge.classes, sys.stdin)
            predicted = job(scorer, sources, output, threads=threads, on_event=screen)
        tally = predicted.tally
        if by == "part":
            table = part_table(predicted.model, predicted.parts)
        else:
            table = photo_table(predicted.model, tally.most_suspicious(), tally.total)
        show(
            screen,
            "predict",
            predicted.as_json(),
            tables=[table],
            lines=[summary_line(tally.as_json(), predicted.per_second, predicted.resumed)],
            files=[predicted.file] if predicted.file else [],
        )
        if failing(predicted, fail_on):
            raise typer.Exit(_FOUND)
