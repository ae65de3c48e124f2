"""``fastdefect tune``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastdefect.cli.session import (
    INTERRUPTED_EXIT,
    TRAIN,
    ConfigFile,
    DataRoot,
    Json,
    NewName,
    Quiet,
    Runs,
    app,
    budget_minutes,
    command_line,
    refuse_with_resume,
    run_to_resume,
    sealed_text,
    session,
    show,
)
from fastdefect.config_resolve import override, resolve
from fastdefect.errors import UsageError
from fastdefect.files import typed
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.tune import TuneReport

_BUDGET = "30m"


@app.command(rich_help_panel=TRAIN)
@with_config_options(sections=("data", "model", "training"))
def tune(
    flags: dict[str, Any],
    *,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="MIN",
            show_default=_BUDGET,
            help="Total time, e.g. 30m or 2h; --resume continues.",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of trials within the budget.")
    ] = None,
    search_folds: Annotated[
        int | None,
        typer.Option(
            min=2, max=10, show_default="3", help="Number of folds of train to search on."
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(metavar="FIELD,FIELD", help="Search only these settings."),
    ] = None,
    archs: Annotated[
        str | None, typer.Option(metavar="ARCH,ARCH", help="Architectures to choose from.")
    ] = None,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Resume a search for another --budget.")
    ] = None,
    data_root: DataRoot = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search for settings (recipe, image size, rates) within train, and train the winner."""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "space": space, "archs": archs}
        refuse_with_resume(
            resume,
            {**flags, **own, "search-folds": search_folds},
            "Remove them; only --budget and --trials can be changed.",
        )
        settings, minutes = resolve(flags, config), budget_minutes(budget)
        candidates = _names(archs, "--archs")
        if candidates:
            named = "arch" in settings.given and settings.model.arch != "auto"
            first = [settings.model.arch] if named else []
            candidates = tuple(dict.fromkeys([*first, *candidates]))
            settings = override(settings, {"arch": candidates[0]})
        resumed = run_to_resume(resume, runs, data_root, screen)
        from fastdefect.jobs import tune as job
        from fastdefect.jobs.training.new_run import NewRun

        if resumed is not None:
            report = job.resume(resumed, minutes=minutes, trials=trials, on_event=screen)
        else:
            request = job.TuneRequest(
                minutes=_minutes(minutes),
                trials=trials,
                folds=3 if search_folds is None else search_folds,
                space=_names(space, "--space") or None,
                archs=candidates,
            )
            report = job.start(
                settings, request, NewRun(runs, name, command_line()), on_event=screen
            )
        _show(screen, report)


def _minutes(given: float | None) -> float:
    return given if given is not None else float(budget_minutes(_BUDGET) or 0)


def _names(text: str | None, flag: str) -> tuple[str, ...]:
    """The names in a comma-separated list. Raises ``UsageError`` for an empty name."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(
            f"{flag} {text!r}: expected names separated by commas, but one is empty.",
            "Remove the extra comma.",
        )
    return names


def _show(screen: "Screen", report: "TuneReport") -> None:
    from fastdefect.reporting.tables.tune import (
        effects_table,
        ranking_table,
        search_line,
        too_few_line,
        unseen_line,
    )
    from fastdefect.run import RunStatus

    tables, lines = [], []
    if report.ranking:
        scored = sum(trial.reached(report.rungs) > 0 for trial in report.trials)
        if report.effects:
            tables.append(effects_table(report.effects, scored))
        else:
            lines.append(too_few_line(scored))
        tables.append(ranking_table(report.ranking, report.rungs))
        lines.append(search_line(report.ranking[0][0], report.rungs, len(report.trials)))
    if report.unseen is not None:
        unseen = report.unseen
        lines.append(unseen_line(unseen.metrics, unseen.intervals, unseen.n_parts, unseen.n_leaked))
    lines += [f"Written: {file}" for file in report.files]
    lines.append(f"Run: {report.best.run.folder if report.best else report.run.folder}")
    if report.best and report.n_test:
        lines.append(
            f"{sealed_text(report.n_test)}: "
            f"fastdefect evaluate {typed(report.best.run.folder)} --split test"
        )
    if report.reason != RunStatus.FINISHED:
        lines.append(f"Resume with: {report.run.resume_command} --budget {_BUDGET}")
    show(screen, "tune", report.as_json(), tables=tables, lines=lines)
    if report.reason == RunStatus.INTERRUPTED:
        raise typer.Exit(INTERRUPTED_EXIT)
