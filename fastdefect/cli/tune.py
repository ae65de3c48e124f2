"""``fastdefect tune``: a search over settings, for those who have time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastdefect.cli.session import (
    INTERRUPTED_EXIT,
    TRAIN,
    ConfigFile,
    Json,
    NewName,
    Quiet,
    Runs,
    app,
    budget_minutes,
    command_line,
    refuse_with_resume,
    run_to_resume,
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
            metavar="MIN", show_default=_BUDGET, help="Minutes for it all, 30m or 2h; see --resume."
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="At most so many trials, whatever the budget.")
    ] = None,
    search_folds: Annotated[
        int | None,
        typer.Option(min=2, max=10, show_default="3", help="Folds of train to search on."),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(metavar="FIELD,FIELD", help="Search these settings and no others."),
    ] = None,
    archs: Annotated[
        str | None, typer.Option(metavar="ARCH,ARCH", help="Architectures to choose from.")
    ] = None,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with a search, for --budget more.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search recipe, size, rates and strengths inside train, then train the winner."""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "space": space, "archs": archs}
        refuse_with_resume(
            resume,
            {**flags, **own, "search-folds": search_folds},
            "Leave them out; only --budget and --trials may be given anew.",
        )
        settings, minutes = resolve(flags, config), budget_minutes(budget)
        chosen = _names(archs, "--archs")
        if chosen:
            named = "arch" in settings.given and settings.model.arch != "auto"
            first = [settings.model.arch] if named else []
            chosen = tuple(dict.fromkeys([*first, *chosen]))
            settings = override(settings, {"arch": chosen[0]})
        begun = run_to_resume(resume, runs)
        from fastdefect.jobs import tune as job

        if begun is not None:
            report = job.resume(begun, minutes=minutes, trials=trials, on_event=screen)
        else:
            request = job.TuneRequest(
                minutes=_minutes(minutes),
                trials=trials,
                folds=3 if search_folds is None else search_folds,
                space=_names(space, "--space") or None,
                archs=chosen,
            )
            report = job.start(
                settings, request, runs=runs, name=name, command=command_line(), on_event=screen
            )
        _show(screen, report)


def _minutes(given: float | None) -> float:
    return given if given is not None else float(budget_minutes(_BUDGET) or 0)


def _names(text: str | None, flag: str) -> tuple[str, ...]:
    """A list with commas; none without one. Raises ``UsageError`` for an empty one."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"{flag} {text!r}: expected names with commas between them.")
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
            f"{report.n_test} test photos are sealed; open them once, when all is chosen: "
            f"fastdefect evaluate {typed(report.best.run.folder)} --split test"
        )
    if report.reason != RunStatus.FINISHED:
        lines.append(f"Go on with: {report.run.resume_command} --budget {_BUDGET}")
    show(screen, "tune", report.as_json(), tables=tables, lines=lines)
    if report.reason == RunStatus.INTERRUPTED:
        raise typer.Exit(INTERRUPTED_EXIT)
