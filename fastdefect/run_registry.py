"""The folder of all runs: create, open and list runs."""

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.errors import RunError, UsageError
from fastdefect.files import sync_folder, typed
from fastdefect.locks import locked, release
from fastdefect.machine import is_failure, machine_error
from fastdefect.run import LOCK, SERIES, Run, RunKind

LATEST = "latest"


def create_run(
    runs: Path,
    name: str | None,
    config: RunConfig,
    command: str,
    *,
    kind: RunKind = RunKind.TRAINING,
) -> Run:
    """Create a run folder in ``runs`` and point ``runs/latest`` to it.

    The default name consists of time and architecture. Raises ``UsageError`` if the name is in
    use or not valid for a folder, or if ``runs`` can't be written to.
    """
    started = datetime.now(UTC)
    folder = _named(runs, name) if name else _unused(runs, started, config.model.arch)
    try:
        folder.mkdir(parents=True, exist_ok=_is_half_made(folder))
        sync_folder(runs)
        lock = locked(folder / LOCK, needed=False)
    except FileExistsError as error:
        raise _in_use(folder, kind) from error
    except OSError as error:
        if is_failure(error) and (failed := machine_error(error, folder)) is not None:
            raise failed from error
        raise UsageError(
            f"--runs {runs}: {folder} can't be created: {error.strerror}.",
            "Choose a folder with write permission.",
        ) from error
    if lock is None:
        raise _in_use(folder, kind)
    run = Run(folder)
    try:
        if run.path("run.json").exists():  # another process was faster
            raise _in_use(folder, kind)
        run.begin(config, command, kind, started)
    finally:
        release(folder / LOCK, lock)
    _point_latest(runs, folder.name)
    return run


def _in_use(folder: Path, kind: RunKind) -> UsageError:
    return UsageError(
        f"--name {folder.name}: {folder} already exists.",
        f"Choose another name, or resume it with: fastdefect {kind.command} --resume "
        f"{typed(folder)}",
    )


def _is_half_made(folder: Path) -> bool:
    """Whether a process was killed while it made this run: there is no ``run.json`` yet."""
    return folder.is_dir() and all(
        each.name in ("config.toml", LOCK) or each.name.startswith((".config.toml-", ".run.json-"))
        for each in folder.iterdir()
    )


def create_fold(parent: Run, number: int) -> Run:
    """Create the run of a fold of a cross-validation, or restart it if it exists.

    Its config is that of ``parent``, including ``folds``: it repeats the whole cross-validation,
    as a single fold can't be repeated.
    """
    return _begin_inside(parent, parent.fold(number), parent.read_config(), RunKind.FOLD)


def create_member(parent: Run, name: str, config: RunConfig, kind: RunKind = RunKind.MEMBER) -> Run:
    """Create the run of one of several trainings inside ``parent``, or restart it if it exists.

    ``kind``: that of a series of trainings inside ``parent``.
    """
    return _begin_inside(parent, parent.member(name), config, kind)


def _begin_inside(parent: Run, run: Run, config: RunConfig, kind: RunKind) -> Run:
    run.folder.mkdir(exist_ok=True)
    sync_folder(parent.folder)
    command = str(parent.read_state().get("command", ""))
    run.begin(config, command, kind, datetime.now(UTC))
    return run


def _named(runs: Path, name: str) -> Path:
    # In any case: Windows and macOS do not distinguish Latest from latest.
    if name.casefold() == LATEST or not re.fullmatch(r"[\w][\w .+-]*(?<![ .])", name):
        raise UsageError(
            f"--name {name!r} is not valid as the name of a run.",
            f"Use letters, digits, - _ + and dots. {LATEST!r} is reserved.",
        )
    return runs / name


def _unused(runs: Path, started: datetime, arch: str) -> Path:
    base = f"{started:%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9_.-]', '-', arch)}"
    candidates = (runs / (base if n == 1 else f"{base}-{n}") for n in range(1, 1000))
    return next(folder for folder in candidates if not folder.exists())


def _point_latest(runs: Path, name: str) -> None:
    """Write a relative symbolic link, or a file with the name if links are not permitted."""
    for left in runs.glob(f".{LATEST}-*"):  # of a process that was killed
        left.unlink(missing_ok=True)
    temporary = runs / f".{LATEST}-{os.getpid()}"
    try:
        temporary.symlink_to(name, target_is_directory=True)
    except OSError:
        temporary.write_text(name, encoding="utf-8")
    if os.name == "nt":  # Windows can't replace a link to a folder by renaming
        (runs / LATEST).unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # another process has just begun a newer run
        temporary.replace(runs / LATEST)


def open_run(reference: str | None, runs: Path) -> Run:
    """The run at ``reference``, a folder or a name in ``runs``, or the latest run for None.

    Raises ``RunError`` if there is no such run.
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
        "List the runs with `fastdefect runs`, or create one with `fastdefect fit`.",
    )


def _candidates(reference: str | None, runs: Path) -> list[Path]:
    if reference is None:
        # The newest existing run, if the run that runs/latest points to was deleted.
        return [_followed(runs / LATEST), *(run.folder for run in reversed(list_runs(runs)))]
    return [_followed(Path(reference)), _followed(runs / reference)]


def _followed(path: Path) -> Path:
    if path.is_file() and path.name == LATEST:
        return path.parent / path.read_text(encoding="utf-8").strip()
    return path


def list_runs(runs: Path) -> list[Run]:
    """All runs in ``runs``, oldest first."""
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
    """The summary of a run in a list: name, status, epochs, arch and validation metrics.

    ``folds`` is the number of folds of a cross-validation, else None; its metrics are
    out-of-fold. ``trainings`` is the number of trainings that were started in a series or an
    ensemble, else None. A series has no metrics; those of an ensemble are of its average.
    A run that can't be read (damaged, or from another version) must not hide the others: its
    status is "unreadable", and its other values are empty.
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
