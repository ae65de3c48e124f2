"""A run: a folder with the files of a training, or of several trainings on the same photos.

runs/<name>/             its files: see ``run_files.FILES``
  fold-1/, fold-2/ ...   cross-validation (``fit --folds K``): a run for each fold. The parent run
                         has no model, but predictions-oof.csv of the held-out photos
  member-1/ ...          ensemble (``fit --members N``): a run for each network. The parent run has
                         all files of a training except history, curves and checkpoint
  1-of-8-repeat-1/ ...   series of trainings (``learning-curve``, ``ablate``, ``quick-test``): a
                         run for each. The parent run has the split before any subsampling
  cover/, lid/ ...       series of products (``fit --each-product``): a run for each product
  unseen-types/          a series in a trained run (``evaluate --unseen-types``): a run in it for
                         each type of defect that is left out of the training
  best/                  search (``tune``): the best trial, trained on all of train. The folds are
                         those of train that the search holds out in turn
  tensorboard/, wandb/   files of trackers (``fit --log``)
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve_kept, to_toml
from fastdefect.errors import RunError
from fastdefect.files import typed, write_text
from fastdefect.locks import locked, release
from fastdefect.run_files import file_called, read_file, write_file, write_findings

SCHEMA = 1


class RunStatus(StrEnum):
    """The state of a run, or how it ended: ``status`` in run.json."""

    RUNNING = "running"
    FINISHED = "finished"
    EARLY_STOPPING = "early stopping"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    DIVERGED = "diverged"
    OUT_OF_BUDGET = "out of budget"


class RunKind(StrEnum):
    """The kind of a run: ``kind`` in run.json. An older run without this key is a training."""

    TRAINING = "training"
    CROSS_VALIDATION = "cross-validation"
    FOLD = "fold"
    LEARNING_CURVE = "learning curve"
    ABLATION = "ablation"
    QUICK_TEST = "quick test"
    TUNING = "tuning"
    UNSEEN_TYPES = "unseen types"
    EACH_PRODUCT = "each product"
    MEMBER = "member"
    ENSEMBLE = "ensemble"

    @property
    def command(self) -> str:
        """The command that creates and resumes a run of this kind."""
        return SERIES.get(self, "fit")


# The kinds that consist of several trainings on the same photos, each a MEMBER, and their commands.
SERIES = {
    RunKind.LEARNING_CURVE: "learning-curve",
    RunKind.ABLATION: "ablate",
    RunKind.QUICK_TEST: "quick-test",
    RunKind.TUNING: "tune",
    RunKind.UNSEEN_TYPES: "evaluate --unseen-types",
    RunKind.EACH_PRODUCT: "fit",
}
UNSEEN_FOLDER = "unseen-types"  # in the run whose types are left out
LOCK = "lock"  # in a run while it is trained


@dataclass(frozen=True)
class DataRoot:
    """The ``folder`` where the photos of a run were found again, and their paths in it, by name.

    ``data`` is the folder or file below it that took the place of the data; None if they have lost
    their layout.
    """

    folder: Path
    names: Mapping[str, str]
    data: Path | None


@dataclass(frozen=True)
class Run:
    """One run on disk, with methods to read and write its files. Each write is atomic."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    # Its files

    def path(self, name: str) -> Path:
        """The path of a file of ``run_files.FILES``, which may not exist yet."""
        file_called(name)
        return self.folder / name

    def read(self, name: str) -> Any:
        """The content of a JSON file, or the rows of a CSV; empty for a missing optional file.

        Raises ``RunError`` if the file is damaged, or missing and not optional.
        """
        return read_file(self.folder, name)

    def write(self, name: str, value: Any, columns: Sequence[str] = ()) -> Path:
        """Write JSON, or rows as CSV, and return the path.

        ``columns`` is for a CSV without columns in ``FILES``.
        """
        return write_file(self.folder, name, value, columns)

    def put(self, name: str, key: str | tuple[str, str], value: Any) -> None:
        """Set one entry of a JSON file, and keep the others. Two keys address a nested entry."""
        content = self.read(name)
        *outer, last = (key,) if isinstance(key, str) else key
        inner = content
        for each in outer:
            inner = inner.setdefault(each, {})
        inner[last] = value
        self.write(name, content)

    def predictions_path(self, split: str, views: str = "none") -> Path:
        """The predictions on ``split``; the name includes the views of test-time augmentation."""
        suffix = "" if views == "none" else f"-{views.replace(':', '-')}"
        return self.path(f"predictions-{split}{suffix}.csv")

    def write_predictions(
        self, split: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], views: str
    ) -> None:
        """Write ``predictions-<split>.csv``."""
        self.write(self.predictions_path(split, views).name, rows, columns)

    def report_path(self, kind: str, split: str, suffix: str) -> Path:
        """A file of an evaluation: ``evaluation-valid.png``, ``stress-test.json``."""
        return self.path(f"{kind}-{split}{suffix}")

    def write_findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Write ``findings.json``, and the same findings as a CSV with a row per photo."""
        write_findings(self.folder, findings)

    def read_history(self) -> list[dict[str, float]]:
        """The rows of ``history.csv`` as numbers; empty cells are NaN."""
        return [
            {key: float(value) if value else float("nan") for key, value in row.items()}
            for row in self.read("history.csv")
        ]

    def read_whole_history(self) -> list[dict[str, float]]:
        """``read_history``; for an ensemble, the concatenated histories of its trainings."""
        if self.read_kind() != RunKind.ENSEMBLE:
            return self.read_history()
        return [row for member in self.members() for row in member.read_history()]

    def forget_decisions(self) -> tuple[str, ...]:
        """Delete the decisions for an older model; return the names of the deleted files.

        These are the operating point, the temperatures, the reference features with the distances
        to them, the predictions by views, and the figures of unseen types. They do not apply to a
        model that is trained further.
        """
        stale = (
            self.path("operating_point.json"),
            self.path("calibration.json"),
            self.path("reference.safetensors"),
            self.path("baseline.csv"),
            *sorted(self.folder.glob("predictions-*-*.csv")),
            *sorted(self.folder.glob("unseen-*.json")),
        )
        deleted = tuple(path for path in stale if path.exists())
        for path in deleted:
            path.unlink()
        return tuple(path.name for path in deleted)

    def forget_checkpoint(self) -> None:
        """Delete the checkpoint, for a training that will not be resumed."""
        self.path("checkpoint.safetensors").unlink(missing_ok=True)

    # The runs inside it

    def fold(self, number: int) -> "Run":
        """The run of a fold of a cross-validation, from 1. It may not exist yet."""
        return Run(self.folder / f"fold-{number}")

    def member(self, name: str) -> "Run":
        """One of several trainings inside this run. It may not exist yet."""
        return Run(self.folder / name)

    def members(self) -> list["Run"]:
        """The trainings inside this run that were started, by name."""
        folders = sorted(path.parent for path in self.folder.glob("*/run.json"))
        return [Run(folder) for folder in folders if folder.name != UNSEEN_FOLDER]

    @property
    def parent(self) -> "Run | None":
        """The run that contains this training, or None."""
        around = Run(self.folder.parent)
        inside = self.read_kind() in (RunKind.FOLD, RunKind.MEMBER, RunKind.UNSEEN_TYPES)
        return around if inside and around.path("run.json").is_file() else None

    @property
    def whole(self) -> "Run":
        """The outermost run around this one, or itself: its trainings share photos and test."""
        around = self.parent
        return around.whole if around else self

    # State and settings

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training the run, or one inside it, during the block.

        Raises ``RunError`` if another process trains it.
        """
        path = self.whole.folder / LOCK
        lock = locked(path, needed=False)
        if lock is None:
            raise RunError(
                f"{self.whole.folder}: another process trains this run.",
                "Wait until it has ended, or stop it; then resume the run.",
            )
        try:
            yield
        finally:
            release(path, lock)

    def begin(self, config: RunConfig, command: str, kind: RunKind, started: datetime) -> None:
        """Write ``config.toml``, and ``run.json`` with the status ``RUNNING``."""
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
        """The content of ``run.json``. Raises ``RunError`` for an unknown schema."""
        state: dict[str, Any] = self.read("run.json")
        if state.get("schema") != SCHEMA:
            raise RunError(
                f"{self.path('run.json')}: expected schema {SCHEMA}, but got "
                f"{state.get('schema')}.",
                "Use the version of fastdefect that wrote the run (see its environment.json).",
            )
        return state

    def update_state(self, **changes: Any) -> None:
        """Change entries of ``run.json``."""
        self.write("run.json", {**self.read("run.json"), **changes})

    def read_kind(self) -> RunKind:
        """The kind of the run. Raises ``RunError`` for an unknown kind."""
        kind = self.read_state().get("kind", RunKind.TRAINING)
        try:
            return RunKind(kind)
        except ValueError as error:
            raise RunError(
                f"{self.path('run.json')}: expected one of the kinds {', '.join(RunKind)}, but "
                f"got {kind!r}.",
                "Use the version of fastdefect that wrote the run (see its environment.json).",
            ) from error

    def read_config(self) -> RunConfig:
        """The config of the run."""
        return resolve_kept(self.path("config.toml"))

    @property
    def resume_command(self) -> str:
        """The command line that resumes the run."""
        kind = self.read_kind()
        if kind == RunKind.UNSEEN_TYPES:
            return f"fastdefect evaluate {typed(self.folder.parent)} --unseen-types"
        return f"fastdefect {kind.command} --resume {typed(self.folder)}"

    def require_model(self) -> None:
        """Raise ``RunError`` with a hint if the run has no model to evaluate."""
        kind = self.read_kind()
        if kind in SERIES:
            example = f": {typed(members[0].folder)}" if (members := self.members()) else "."
            raise RunError(
                f"{self.name} has no single model: it is a series of trainings ({kind}).",
                f"Give one of its trainings{example}",
            )
        if kind == RunKind.CROSS_VALIDATION:
            raise RunError(
                f"{self.name} has no single model: it is a cross-validation.",
                f"Give one of its folds: {typed(self.fold(1).folder)}",
            )
        if not self.path("model.safetensors").exists():
            ensemble = kind == RunKind.ENSEMBLE
            reason = "not all of its networks are trained" if ensemble else "no epoch is finished"
            raise RunError(
                f"{self.name} has no model yet: {reason}.",
                f"Resume it with: {self.resume_command}",
            )

    def require_trained(self) -> None:
        """Raise ``RunError`` if the run has neither a model nor the networks of folds."""
        if self.read_kind() != RunKind.CROSS_VALIDATION:
            self.require_model()
        elif not self.fold(1).path("model.safetensors").exists():
            raise RunError(
                f"{self.name} has no network yet: no fold is finished.",
                f"Resume it with: {self.resume_command}",
            )

    # The sealed test

    def note_opening(self, command: str, what: str) -> int:
        """Record an opening of the test in ``openings.json``; return the number of openings."""
        time = datetime.now(UTC).isoformat(timespec="seconds")
        openings = [*self.read_openings(), {"time": time, "command": command, "what": what}]
        self.whole.write("openings.json", openings)
        return len(openings)

    def read_openings(self) -> list[dict[str, str]]:
        """``openings.json``, oldest first: time (ISO, UTC), command and purpose."""
        return list(self.whole.read("openings.json"))

    # The place of its photos

    def note_data_root(self, found: DataRoot) -> None:
        """Remember where the photos are now."""
        content = {
            "root": found.folder.as_posix(),
            "data": found.data.as_posix() if found.data else None,
            "names": dict(found.names),
        }
        self.whole.write("data_root.json", content)

    def read_data_root(self) -> DataRoot | None:
        """What ``note_data_root`` noted; None if the photos are where the training read them."""
        content = self.whole.read("data_root.json")
        if not content:
            return None
        try:
            names = {str(name): str(path) for name, path in content["names"].items()}
            data = content.get("data", content["root"])  # no such entry: of an earlier version
            return DataRoot(Path(content["root"]), names, Path(data) if data else None)
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self.whole.path('data_root.json')} is damaged: {error!r}.",
                "Delete it, and give the folder of the photos again: --data-root DIR.",
            ) from error
