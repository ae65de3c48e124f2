"""``fastdefect predict``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fastdefect.cli.cluster import Address, Cluster, Engine, ShardPhotos, Workers
from fastdefect.cli.session import (
    FOUND_EXIT,
    USE,
    Json,
    Quiet,
    Runs,
    app,
    session,
    show,
    with_request,
)
from fastdefect.errors import UsageError
from fastdefect.jobs.trained.request import Request

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.predict import Predicted
    from fastdefect.jobs.predicting.rows import Row


@app.command(rich_help_panel=USE)
@with_request("data_root", "views", "threshold", "device")
def predict(
    model: Annotated[str, typer.Argument(metavar="RUN|BUNDLE", help="A run, or a bundle.")],
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, patterns, zips, tables, URLs (s3://BUCKET/DAY); - reads a list "
            "from stdin."
        ),
    ] = None,
    *,
    request: Request,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            help="Write the decisions: .csv, .jsonl or .parquet (--watch: .csv or .jsonl; --engine "
            "ray: a folder or URL).",
        ),
    ] = None,
    by: Annotated[
        Literal["photo", "part"] | None,
        typer.Option(
            "--by",
            help="One row for each photo, or for each part.",
            show_default="what the model decides",
        ),
    ] = None,
    part_from: Annotated[
        str | None,
        typer.Option(
            "--part-from",
            help="Regular expression for the part in a path.",
            show_default="that of the model",
        ),
    ] = None,
    product_from: Annotated[
        str | None,
        typer.Option(
            "--product-from",
            help="Regular expression for the product in a path, for thresholds by product.",
            show_default="that of the model",
        ),
    ] = None,
    view_from: Annotated[
        str | None,
        typer.Option(
            "--view-from",
            help="Regular expression for the view, such as the camera, in a path.",
            show_default="that of the model",
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
        bool, typer.Option("--poll", help="With --watch: list DIR regularly (network shares).")
    ] = False,
    fail_on: Annotated[
        Literal["unreadable", "look", "reject", "never"],
        typer.Option(
            "--fail-on",
            help="Exit with 3 if a photo is unreadable, or one (by part: a part) has this decision "
            "or worse.",
        ),
    ] = "unreadable",
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            help="Photos that are read and decided at the same time.",
            show_default="as many as are fastest",
        ),
    ] = None,
    engine: Engine = "local",
    address: Address = None,
    workers: Workers = None,
    shard_photos: ShardPhotos = None,
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
        from fastdefect.jobs.watch import Watched, check_watch
        from fastdefect.jobs.watch import watch as watch_job
        from fastdefect.reporting.tables.predict import row_line

        named = photos or []
        cluster = Cluster(engine, address, workers, shard_photos, threads)
        # A data set has another place than a file: a folder, or a URL.
        file = Path(out) if out and not cluster.is_used else None
        output = Output(file, by, resume, part_from, view_from, product_from)

        def on_row(row: "Row") -> None:
            if watch is not None:
                screen.line(row_line(row))
            screen.result("photo", row)

        if poll and watch is None:
            raise UsageError("--poll applies to --watch, but there is none.", "Add --watch DIR.")
        cluster.check(request, out, watch)
        if watch is not None:
            check_watch(watch, output, named)
            scorer = open_model(model, runs, request, screen)
            watched = Watched(watch, poll, threads)
            predicted = watch_job(scorer, watched, output, on_event=screen, on_row=on_row)
        elif cluster.is_used:
            found, to = (model, runs, request), (str(out), output)
            predicted = cluster.predict(found, named, to, screen, on_row)
        else:
            check_output(output)
            sources = Sources.of(named, sys.stdin.buffer)
            scorer = open_model(model, runs, request, screen)
            sources = sources.labelled(scorer.judge.classes)
            predicted = job(
                scorer, sources, output, threads=threads, on_event=screen, on_row=on_row
            )
        _show(screen, predicted)
        if failing(predicted, fail_on):
            raise typer.Exit(FOUND_EXIT)


def _show(screen: "Screen", predicted: "Predicted") -> None:
    from fastdefect.reporting.tables.predict import (
        part_table,
        parts_line,
        photo_table,
        summary_line,
    )

    tally, parts = predicted.tally, predicted.parts
    if parts is None:
        table = photo_table(predicted.model, tally.most_suspicious(), tally.total)
    else:
        table = part_table(predicted.model, parts.rows(), len(parts), parts.rule)
        for row in parts.rows():
            screen.result("part", row)
    show(
        screen,
        "predict",
        predicted.as_json(),
        tables=[table],
        lines=[
            *([] if parts is None else [parts_line(parts.decisions)]),
            summary_line(tally.as_json(), predicted.per_second, predicted.resumed),
        ],
        files=[predicted.file] if predicted.file else [],
    )
