"""A run: a folder with all of a training, or of several on the same photos.

runs/<name>/             its files: see ``run_files.FILES``
  fold-1/, fold-2/ ...   of a cross-validation (``fit --folds K``): a run for each fold. The whole
                         has no model, but predictions-oof.csv, of the held-out photos
  member-1/ ...          of an ensemble (``fit --members N``): a run for each network. The whole
                         has all of a training but its history, curves and checkpoint
  1-of-8-repeat-1/ ...   of several trainings (``learning-curve``, ``ablate``, ``quick-test``): a
                         run for each; the split is that before any training leaves photos out
  best/                  of a search (``tune``): the winner, trained on all of train; the folds
                         are of train, and say what is held out together
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve_kept, to_toml
from fastdefect.errors import RunError
from fastdefect.files import typed, write_text
from fastdefect.run_files import file_called, read_file, write_file, write_findings

SCHEMA = 1


class RunStatus(StrEnum):
    """How far a run is, or how it ended: ``status`` in run.json."""

    RUNNING = "running"
    FINISHED = "finished"
    EARLY_STOPPING = "early stopping"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    DIVERGED = "diverged"
    OUT_OF_BUDGET = "out of budget"


class RunKind(StrEnum):
    """What a run is: ``kind`` in run.json. A run without one is older, and a training."""

    TRAINING = "training"
    CROSS_VALIDATION = "cross-validation"
    FOLD = "fold"
    LEARNING_CURVE = "learning curve"
    ABLATION = "ablation"
    QUICK_TEST = "quick test"
    TUNING = "tuning"
    MEMBER = "member"
    ENSEMBLE = "ensemble"

    @property
    def command(self) -> str:
        """The command that makes a run of this kind, and goes on with it."""
        return SERIES.get(self, "fit")


# The kinds that are several trainings on the same photos, each a MEMBER, and their commands.
SERIES = {
    RunKind.LEARNING_CURVE: "learning-curve",
    RunKind.ABLATION: "ablate",
    RunKind.QUICK_TEST: "quick-test",
    RunKind.TUNING: "tune",
}


@dataclass(frozen=True)
class Run:
    """One run on disk. Methods read and write its files; each write is whole or not there."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    # Its files

    def path(self, name: str) -> Path:
        """Where a file of ``run_files.FILES`` is; it may not exist yet."""
        file_called(name)
        return self.folder / name

    def read(self, name: str) -> Any:
        """What a JSON file holds, or the rows of a CSV; empty for an optional one not there.

        Raises ``RunError`` for one that is missing or damaged.
        """
        return read_file(self.folder, name)

    def write(self, name: str, value: Any, columns: Sequence[str] = ()) -> Path:
        """Write JSON, or rows as CSV; the path. ``columns`` where ``FILES`` names none."""
        return write_file(self.folder, name, value, columns)

    def put(self, name: str, key: str | tuple[str, str], value: Any) -> None:
        """Set one entry of a JSON file; two keys name one inside another. The others stay."""
        content = self.read(name)
        *outer, last = (key,) if isinstance(key, str) else key
        inner = content
        for each in outer:
            inner = inner.setdefault(each, {})
        inner[last] = value
        self.write(name, content)

    def predictions_path(self, split: str, views: str = "none") -> Path:
        """Predictions on ``split``; with test-time augmentation the views are in the name."""
        suffix = "" if views == "none" else f"-{views.replace(':', '-')}"
        return self.path(f"predictions-{split}{suffix}.csv")

    def write_predictions(
        self, split: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], views: str
    ) -> None:
        """``predictions-<split>.csv``."""
        self.write(self.predictions_path(split, views).name, rows, columns)

    def report_path(self, kind: str, split: str, suffix: str) -> Path:
        """A file of an evaluation: ``evaluation-valid.png``, ``stress-test.json``."""
        return self.path(f"{kind}-{split}{suffix}")

    def write_findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """``findings.json``, and the same as a CSV with a row per photo."""
        write_findings(self.folder, findings)

    def read_history(self) -> list[dict[str, float]]:
        """The rows of ``history.csv`` as numbers; empty cells are NaN."""
        return [
            {key: float(value) if value else float("nan") for key, value in row.items()}
            for row in self.read("history.csv")
        ]

    def read_whole_history(self) -> list[dict[str, float]]:
        """``read_history``; of an ensemble, that of its trainings, one after the other."""
        if self.read_kind() != RunKind.ENSEMBLE:
            return self.read_history()
        return [row for member in self.members() for row in member.read_history()]

    def forget_decisions(self) -> tuple[str, ...]:
        """Delete what was chosen for a model that trains on; the names of the files deleted.

        The operating point, the temperatures, and predictions by views: all of the older model.
        """
        stale = (
            self.path("operating_point.json"),
            self.path("calibration.json"),
            *sorted(self.folder.glob("predictions-*-*.csv")),
        )
        found = tuple(path for path in stale if path.exists())
        for path in found:
            path.unlink()
        return tuple(path.name for path in found)

    def forget_checkpoint(self) -> None:
        """Delete the state of a training that is not to be resumed."""
        self.path("checkpoint.safetensors").unlink(missing_ok=True)

    # The runs inside it

    def fold(self, number: int) -> "Run":
        """A cross-validation's run for one fold, from 1; it may not exist yet."""
        return Run(self.folder / f"fold-{number}")

    def member(self, name: str) -> "Run":
        """One of several trainings inside this run; it may not exist yet."""
        return Run(self.folder / name)

    def members(self) -> list["Run"]:
        """The trainings inside this run that were begun, by name."""
        folders = sorted(path.parent for path in self.folder.glob("*/run.json"))
        return [Run(folder) for folder in folders]

    # What it is

    def begin(self, config: RunConfig, command: str, kind: RunKind, started: datetime) -> None:
        """Write ``config.toml``, and a ``run.json`` with the status ``RUNNING``."""
        write_text(self.path("config.toml"), to_toml(config))
        state = {
            "schema": SCHEMA,
            "kind": kind,
            "status": RunStatus.RUNNING,
            "started": started.isoformat(timespec="seconds"),
            "command": command,
        }
        self.write("run.json", state)

    def read_state(self) -> dict[str, Any]:
        """``run.json``; raises ``RunError`` if this is no run of a known schema."""
        state: dict[str, Any] = self.read("run.json")
        if state.get("schema") != SCHEMA:
            raise RunError(
                f"{self.folder} has schema {state.get('schema')}, but this version reads {SCHEMA}.",
                "Use the version of fastdefect that wrote it (see its environment.json).",
            )
        return state

    def update_state(self, **changes: Any) -> None:
        """Change entries of ``run.json``."""
        self.write("run.json", {**self.read("run.json"), **changes})

    def read_kind(self) -> RunKind:
        """What the run is. Raises ``RunError`` for a kind that this version does not know."""
        kind = self.read_state().get("kind", RunKind.TRAINING)
        try:
            return RunKind(kind)
        except ValueError as error:
            raise RunError(
                f"{self.path('run.json')} has the kind {kind!r}: expected one of "
                f"{', '.join(RunKind)}.",
                "Use the version of fastdefect that wrote it (see its environment.json).",
            ) from error

    def read_config(self) -> RunConfig:
        """The config that the run was made with."""
        return resolve_kept(self.path("config.toml"))

    @property
    def resume_command(self) -> str:
        """What to type to go on with the run."""
        return f"fastdefect {self.read_kind().command} --resume {typed(self.folder)}"

    def require_model(self) -> None:
        """Raise ``RunError``, with what to do, unless there is a model to evaluate."""
        kind = self.read_kind()
        if kind in SERIES:
            named = f": {typed(members[0].folder)}" if (members := self.members()) else "."
            raise RunError(
                f"{self.name} is several trainings ({kind}): it has no single model.",
                f"Name one of them{named}",
            )
        if kind == RunKind.CROSS_VALIDATION:
            raise RunError(
                f"{self.name} is a cross-validation: it has no single model.",
                f"Name a fold: {typed(self.fold(1).folder)}",
            )
        if not self.path("model.safetensors").exists():
            ensemble = kind == RunKind.ENSEMBLE
            missing = "not all of its networks are trained" if ensemble else "no epoch was finished"
            raise RunError(
                f"{self.name} has no model yet: {missing}.",
                f"Go on with it: {self.resume_command}",
            )

    # The sealed test

    def note_opening(self, command: str, what: str) -> int:
        """Note in ``openings.json`` that the test is about to be opened; the number of openings."""
        time = datetime.now(UTC).isoformat(timespec="seconds")
        openings = [*self.read_openings(), {"time": time, "command": command, "what": what}]
        self._whole.write("openings.json", openings)
        return len(openings)

    def read_openings(self) -> list[dict[str, str]]:
        """``openings.json``, oldest first: time (ISO, UTC), command and what it was for."""
        return list(self._whole.read("openings.json"))

    @property
    def _whole(self) -> "Run":
        """All trainings inside a run have one test: its openings are counted together."""
        parent = Run(self.folder.parent)
        inside = self.read_kind() in (RunKind.FOLD, RunKind.MEMBER)
        return parent if inside and parent.path("run.json").is_file() else self
