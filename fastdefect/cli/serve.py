"""``fastdefect serve``."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastdefect.cli.session import USE, Json, Quiet, app, session
from fastdefect.serving.settings import MIB, MOST_PHOTOS, Settings

if TYPE_CHECKING:
    from fastdefect.jobs.serve import Serving
    from fastdefect.serving.app import Access

_CENTURY = 36525  # days


@app.command(rich_help_panel=USE)
def serve(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle, from export.")],
    store: Annotated[
        Path, typer.Option("--store", metavar="DIR", help="Folder of decisions and photos.")
    ] = Settings.store,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = Settings.host,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = Settings.port,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the token that each request must contain."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Additional host name of this server."),
    ] = None,
    check_ok: Annotated[
        float,
        typer.Option("--check-ok", min=0, max=1, help="Share of OK decisions that people check."),
    ] = Settings.check_ok,
    check_reject: Annotated[
        float,
        typer.Option(
            "--check-reject", min=0, max=1, help="Share of reject decisions that people check."
        ),
    ] = Settings.check_reject,
    keep_days: Annotated[
        float | None,
        typer.Option(
            "--keep-days",
            min=0,
            max=_CENTURY,
            help="Delete photos after N days, but not those for people.",
            show_default="keep all",
        ),
    ] = None,
    keep_gb: Annotated[
        float | None,
        typer.Option(
            "--keep-gb",
            min=0,
            max=1_000_000,
            help="Delete the oldest photos above N gigabytes.",
            show_default="keep all",
        ),
    ] = None,
    max_mb: Annotated[
        float, typer.Option("--max-mb", min=0.001, max=1024, help="Largest photo in MiB.")
    ] = Settings.max_bytes / MIB,
    queue: Annotated[
        int,
        typer.Option(
            "--queue",
            min=MOST_PHOTOS,
            max=10_000,
            help="Most photos in work; then requests get 503.",
        ),
    ] = Settings.queue,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=0.1, max=3600, help="Seconds to receive a request, and to decide."
        ),
    ] = Settings.timeout,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=256,
            help="Photos that are decided at the same time.",
            show_default="as many as are fastest",
        ),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="Default language of the pages, such as de.")
    ] = Settings.language,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Decide on photos that come over HTTP, and collect the answers of people."""
    with session(quiet, as_json) as screen:
        from fastdefect.jobs.serve import read_token, require_packages
        from fastdefect.jobs.serve import serve as job

        require_packages()
        settings = Settings(
            store=store,
            host=host,
            port=port,
            token=None if token_file is None else read_token(token_file, screen),
            allowed_hosts=tuple(allow_host or ()),
            max_bytes=round(max_mb * MIB),
            queue=queue,
            timeout=timeout,
            check_ok=check_ok,
            check_reject=check_reject,
            keep_days=keep_days,
            keep_gb=keep_gb,
            language=language,
            threads=threads,
        )

        def on_start(started: "Serving") -> None:
            screen.line(f"{started.bundle} at {started.url}, store {started.store}. Ctrl-C ends.")
            screen.result("serving", asdict(started))

        def on_access(access: "Access") -> None:
            screen.line(
                f"{access.client} {access.method} {access.path} {access.status} "
                f"{access.milliseconds:.1f} ms"
            )
            screen.result("request", asdict(access))

        job(bundle, settings, on_event=screen, on_access=on_access, on_start=on_start)
        screen.line("Stopped.")
        screen.result("stopped", {})
