"""The run folder: the sole owner of its file names and of what each holds.

runs/<name>/
  run.json             schema, status, times, the command
  config.toml          every setting, resolved; ``fit --config`` repeats the run
  split.csv            path,label,part,split,sha256
  findings.json/.csv   what was remarkable about the photos
  environment.json     versions, device, git commit
  history.csv          a row per epoch
  model.json           architecture, classes, good class, preprocessing
  model.safetensors    weights of the best epoch
  checkpoint.safetensors  the last state, for ``fit --resume``
  metrics.json         by split
  predictions-<split>.csv  path,label,predicted,p_<class>,...
  tta.json             what test-time augmentation gave, by split and views
  curves.png, confusion.png, log.txt
runs/latest            points to the newest run
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig, resolve, to_toml
from fastdefect.errors import RunError, UsageError
from fastdefect.files import read_csv, write_csv, write_json, write_text

SCHEMA = 1
LATEST = "latest"
# What run.json's status can be.
RUNNING, FINISHED, EARLY, INTERRUPTED, FAILED = (
    "running",
    "finished",
    "early stopping",
    "interrupted",
    "failed",
)
FINDING_COLUMNS = ("kind", "severity", "message", "value", "low", "high", "path")


@dataclass(frozen=True)
class Run:
    """One run on disk. Methods read and write its files; each write is whole or not there."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def config_path(self) -> Path:
        """The resolved config, TOML."""
        return self.folder / "config.toml"

    @property
    def split_path(self) -> Path:
        """Which photo is on which side."""
        return self.folder / "split.csv"

    @property
    def model_path(self) -> Path:
        """Weights of the best epoch, safetensors."""
        return self.folder / "model.safetensors"

    @property
    def checkpoint_path(self) -> Path:
        """The last state of the fit, safetensors."""
        return self.folder / "checkpoint.safetensors"

    @property
    def curves_path(self) -> Path:
        """The plot of the history."""
        return self.folder / "curves.png"

    @property
    def confusion_path(self) -> Path:
        """The plot of the confusion matrix on validation."""
        return self.folder / "confusion.png"

    @property
    def log_path(self) -> Path:
        """All that was told, line by line with its time."""
        return self.folder / "log.txt"

    def predictions_path(self, split: str, views: str = "none") -> Path:
        """Predictions on ``split``; with test-time augmentation the views are in the name."""
        suffix = "" if views == "none" else f"-{views.replace(':', '-')}"
        return self.folder / f"predictions-{split}{suffix}.csv"

    # What the run is

    def read_state(self) -> dict[str, Any]:
        """``run.json``; raises ``RunError`` if this is no run of a known schema."""
        state = self._read_json("run.json")
        if state.get("schema") != SCHEMA:
            raise RunError(
                f"{self.folder} has schema {state.get('schema')}, but this version reads {SCHEMA}.",
                "Use the version of fastdefect that wrote it (see its environment.json).",
            )
        return state

    def update_state(self, **changes: Any) -> None:
        """Change entries of ``run.json``."""
        write_json(self.folder / "run.json", {**self._read_json("run.json"), **changes})

    def read_config(self) -> RunConfig:
        """The config that the run was made with."""
        return resolve({}, self.config_path)

    # What it found and learned

    def write_findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """``findings.json``, and the same as a CSV with a row per photo."""
        write_json(self.folder / "findings.json", findings)
        rows = [
            {
                **{key: finding[key] for key in ("kind", "severity", "message", "value")},
                "low": (finding["interval"] or (None, None))[0],
                "high": (finding["interval"] or (None, None))[1],
                "path": path,
            }
            for finding in findings
            for path in (finding["paths"] or ("",))
        ]
        write_csv(self.folder / "findings.csv", rows, FINDING_COLUMNS)

    def write_split(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """``split.csv``."""
        write_csv(self.split_path, rows, ("path", "label", "part", "split", "sha256"))

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """``environment.json``."""
        write_json(self.folder / "environment.json", environment)

    def write_model_spec(self, spec: Mapping[str, Any]) -> None:
        """``model.json``."""
        write_json(self.folder / "model.json", spec)

    def read_model_spec(self) -> dict[str, Any]:
        """``model.json``."""
        return self._read_json("model.json")

    def write_history(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """``history.csv``."""
        write_csv(self.folder / "history.csv", rows, columns)

    def read_history(self) -> list[dict[str, float]]:
        """The rows of ``history.csv`` as numbers; empty cells are NaN."""
        path = self.folder / "history.csv"
        if not path.exists():
            return []
        return [
            {key: float(value) if value else float("nan") for key, value in row.items()}
            for row in read_csv(path)
        ]

    def write_metrics(self, split: str, metrics: Mapping[str, Any]) -> None:
        """Put the metrics of one split into ``metrics.json``, beside those of others."""
        write_json(self.folder / "metrics.json", {**self.read_metrics(), split: metrics})

    def read_metrics(self) -> dict[str, Any]:
        """``metrics.json`` by split; empty before the first evaluation."""
        return self._read_json("metrics.json", missing={})

    def write_tta(self, split: str, views: str, result: Mapping[str, Any]) -> None:
        """Put one result into ``tta.json``, by split and views."""
        results = self._read_json("tta.json", missing={})
        results[split] = {**results.get(split, {}), views: result}
        write_json(self.folder / "tta.json", results)

    def write_predictions(
        self, split: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], views: str
    ) -> None:
        """``predictions-<split>.csv``."""
        write_csv(self.predictions_path(split, views), rows, columns)

    def _read_json(self, name: str, missing: dict[str, Any] | None = None) -> dict[str, Any]:
        path = self.folder / name
        if missing is not None and not path.exists():
            return dict(missing)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(
                f"{self.folder} is not a run: it has no {name}.",
                "`fastdefect runs` lists the runs; give a run's folder or name.",
            ) from error
        except (OSError, ValueError) as error:
            raise RunError(f"{path} can't be read: {error}.") from error
        if not isinstance(content, dict):
            raise RunError(f"{path} is damaged: expected an object, found {content!r:.40}.")
        return content


def create_run(runs: Path, name: str | None, config: RunConfig, command: str) -> Run:
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
            f"Choose another name, or go on with it: fastdefect fit --resume {folder}",
        ) from error
    except OSError as error:
        raise UsageError(
            f"--runs {runs}: {folder} can't be made: {error.strerror}.",
            "Choose a folder that you may write to.",
        ) from error
    run = Run(folder)
    write_text(run.config_path, to_toml(config))
    write_json(
        folder / "run.json",
        {
            "schema": SCHEMA,
            "status": RUNNING,
            "started": started.isoformat(timespec="seconds"),
            "command": command,
        },
    )
    _point_latest(runs, folder.name)
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
    """What a list of runs shows of one: name, status, epochs, arch and metrics by split.

    A run that can't be read (damaged, or another version's) must not hide the others: its
    status says so, and the rest is empty.
    """
    try:
        state = run.read_state()
        return {
            "name": run.name,
            "status": state.get("status", "unknown"),
            "started": state.get("started", ""),
            "epochs": len(run.read_history()),
            "arch": run.read_config().model.arch,
            "valid": run.read_metrics().get("valid", {}),
        }
    except (RunError, UsageError):
        return {
            "name": run.name,
            "status": "unreadable",
            "started": "",
            "epochs": 0,
            "arch": "-",
            "valid": {},
        }
