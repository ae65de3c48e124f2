"""The folder of all runs: one is made, found again, and listed."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.errors import RunError, UsageError
from fastdefect.files import typed
from fastdefect.run import SERIES, Run, RunKind

LATEST = "latest"


def create_run(
    runs: Path,
    name: str | None,
    config: RunConfig,
    command: str,
    *,
    kind: RunKind = RunKind.TRAINING,
) -> Run:
    """Make a new run folder under ``runs`` and point ``runs/latest`` to it.

    Without a name it is the time and the architecture. Raises ``UsageError`` if the name is
    taken or can't be a folder's, or ``runs`` can't be written to.
    """
    started = datetime.now(UTC)
    folder = _named(runs, name) if name else _unused(runs, started, config.model.arch)
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise UsageError(
            f"--name {folder.name}: {folder} exists already.",
            f"Choose another name, or go on with it: fastdefect {kind.command} --resume "
            f"{typed(folder)}",
        ) from error
    except OSError as error:
        raise UsageError(
            f"--runs {runs}: {folder} can't be made: {error.strerror}.",
            "Choose a folder that you may write to.",
        ) from error
    run = Run(folder)
    run.begin(config, command, kind, started)
    _point_latest(runs, folder.name)
    return run


def create_fold(parent: Run, number: int) -> Run:
    """The run for a fold of a cross-validation, with its settings; begun anew if it is there.

    The settings hold ``folds``: repeating them repeats the cross-validation, as a fold alone
    can't be.
    """
    return _begin_inside(parent, parent.fold(number), parent.read_config(), RunKind.FOLD)


def create_member(parent: Run, name: str, config: RunConfig) -> Run:
    """The run for one of several trainings inside ``parent``; begun anew if it is there."""
    return _begin_inside(parent, parent.member(name), config, RunKind.MEMBER)


def _begin_inside(parent: Run, run: Run, config: RunConfig, kind: RunKind) -> Run:
    run.folder.mkdir(exist_ok=True)
    command = str(parent.read_state().get("command", ""))
    run.begin(config, command, kind, datetime.now(UTC))
    return run


def _named(runs: Path, name: str) -> Path:
    # Whatever its case: to Windows and macOS, Latest and latest are one.
    if name.casefold() == LATEST or not re.fullmatch(r"[\w][\w .+-]*(?<![ .])", name):
        raise UsageError(
            f"--name {name!r} can't name a run.",
            f"Use letters, digits, - _ + and dots; {LATEST!r} is taken.",
        )
    return runs / name


def _unused(runs: Path, started: datetime, arch: str) -> Path:
    base = f"{started:%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9_.-]', '-', arch)}"
    candidates = (runs / (base if n == 1 else f"{base}-{n}") for n in range(1, 1000))
    return next(folder for folder in candidates if not folder.exists())


def _point_latest(runs: Path, name: str) -> None:
    """A relative symbolic link; where the system allows none (Windows), a file with the name."""
    temporary = runs / f".{LATEST}-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(name, target_is_directory=True)
    except OSError:
        temporary.write_text(name, encoding="utf-8")
    if os.name == "nt":  # which can't rename over a link to a folder
        (runs / LATEST).unlink(missing_ok=True)
    temporary.replace(runs / LATEST)


def open_run(reference: str | None, runs: Path) -> Run:
    """The run that ``reference`` names: a folder, a name under ``runs``, or the latest.

    Raises ``RunError`` if there is none.
    """
    for folder in _candidates(reference, runs):
        if (folder / "run.json").is_file():
            run = Run(folder.resolve())
            run.read_state()
            return run
    raise RunError(
        f"No run at {reference} nor at {runs / reference}."
        if reference
        else f"No run in {runs} yet.",
        "`fastdefect runs` lists the runs; `fastdefect fit` makes one.",
    )


def _candidates(reference: str | None, runs: Path) -> list[Path]:
    if reference is None:
        # The newest that is left, should the one that runs/latest names have been deleted.
        return [_followed(runs / LATEST), *(run.folder for run in reversed(list_runs(runs)))]
    return [_followed(Path(reference)), _followed(runs / reference)]


def _followed(path: Path) -> Path:
    if path.is_file() and path.name == LATEST:
        return path.parent / path.read_text(encoding="utf-8").strip()
    return path


def list_runs(runs: Path) -> list[Run]:
    """All runs under ``runs``, oldest first."""
    if not runs.is_dir():
        return []
    found = [
        Run(folder)
        for folder in runs.iterdir()
        if folder.is_dir() and not folder.is_symlink() and (folder / "run.json").is_file()
    ]
    return sorted(found, key=lambda run: (_started(run), run.name))


def _started(run: Run) -> str:
    try:
        return str(run.read_state().get("started", ""))
    except RunError:
        return ""


def summarise(run: Run) -> dict[str, Any]:
    """What a list of runs shows of one: name, status, epochs, arch and validation metrics.

    A cross-validation's metrics are those of its held-out photos, and ``folds`` is how many
    it has; it is None for a single training. Of several trainings on the same photos
    ``trainings`` is how many were begun; there are no metrics but of an ensemble's average.
    A run that can't be read (damaged, or another version's) must not hide the others: its
    status is "unreadable", and the rest is empty.
    """
    try:
        state, config, metrics = run.read_state(), run.read_config(), run.read("metrics.json")
        kind = run.read_kind()
        crossed, several = kind == RunKind.CROSS_VALIDATION, kind in (*SERIES, RunKind.ENSEMBLE)
        return {
            "name": run.name,
            "status": state.get("status", "unknown"),
            "started": state.get("started", ""),
            "epochs": len(run.read_whole_history()),
            "folds": config.report.folds if crossed else None,
            "trainings": len(run.members()) if several else None,
            "arch": config.model.arch,
            "valid": metrics.get("oof" if crossed else "valid", {}),
        }
    except (RunError, UsageError):
        return {
            "name": run.name,
            "status": "unreadable",
            "started": "",
            "epochs": 0,
            "folds": None,
            "trainings": None,
            "arch": "-",
            "valid": {},
        }
