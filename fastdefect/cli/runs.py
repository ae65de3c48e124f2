"""``fastdefect runs``."""

from pathlib import Path

from fastdefect.cli.session import USE, Json, Runs, app, session, show


@app.command("runs", rich_help_panel=USE)
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
        show(screen, "runs", {"runs": rows}, tables=[runs_table(rows)])
