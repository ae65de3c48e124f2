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
  bench_swap.json      decisions that change with another class's border light, by split
  openings.json        each opening of the sealed test: time, command, what for
  calibration.json     the temperature that validation asks for, by views
  operating_point.json the threshold or band that ``threshold`` chose, and why
  evaluation-<split>.json/.png  every figure with its interval
  stress-<split>.json/.png  decisions that disturbances flip
  label-check.csv/.png labels to look at again
  curves.png, confusion.png, log.txt

A cross-validation (``fit --folds K``) has no model of its own but a run for each fold:
  run.json, config.toml, findings.*, environment.json, metrics.json, openings.json, log.txt
  folds.csv            path,label,part,split,sha256,fold
  predictions-oof.csv  path,label,predicted,p_<class>,...,fold,part: of the held-out photos
  fold-1/, fold-2/ ... as above, and predictions-heldout.csv

An ensemble (``fit --members N``) has all of a training but its history, curves and checkpoint:
  model.safetensors    weights of all networks, which the model averages
  member-1/, member-2/ ... the trainings of the networks, as above, without checkpoints

Several trainings on the same photos (``learning-curve``) have a run for each, too:
  run.json, config.toml, findings.*, environment.json, openings.json, log.txt
  split.csv            before any training leaves photos out
  quick_test.json      a quick test's: both trainings, and what changed between them
  ablation.json/.png   an ablation's: figures by step and seed, what each step gained
  learning_curve.json/.png  the trainings, the law through them, and what it forecasts
  1-of-8-repeat-1/ ...  as above

A search (``tune``) keeps of its trials what they reached, and of the winner a run:
  run.json, config.toml, split.csv, findings.*, environment.json, openings.json, log.txt
  folds.csv            the training photos, and which are held out together
  study.json           every trial: settings, what each of its trainings reached, state
  trials.csv           the same for people, a row per trial
  tuning.json          the winner, what mattered, and its figure on valid
  best/                the winner, trained on all of train: as above
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig, resolve_kept, to_toml
from fastdefect.errors import RunError
from fastdefect.files import read_csv, typed, write_csv, write_json, write_text

SCHEMA = 1
# What run.json's status can be.
RUNNING, FINISHED, EARLY, INTERRUPTED, FAILED, DIVERGED, OUT_OF_BUDGET = (
    "running",
    "finished",
    "early stopping",
    "interrupted",
    "failed",
    "diverged",
    "out of budget",
)
# What run.json's kind can be; older runs have none and are trainings.
TRAINING, CROSS_VALIDATION, FOLD = "training", "cross-validation", "fold"
LEARNING_CURVE, ABLATION, QUICK_TEST = "learning curve", "ablation", "quick test"
TUNING = "tuning"
MEMBER, ENSEMBLE = "member", "ensemble"
# The kinds that are several trainings on the same photos, each a MEMBER, and their commands.
SERIES = {
    LEARNING_CURVE: "learning-curve",
    ABLATION: "ablate",
    QUICK_TEST: "quick-test",
    TUNING: "tune",
}
FINDING_COLUMNS = ("kind", "severity", "message", "value", "low", "high", "path")


def write_findings(folder: Path, findings: Sequence[Mapping[str, Any]]) -> tuple[Path, Path]:
    """``findings.json`` and ``findings.csv`` (a row per photo), in a run or beside an audit."""
    written = folder / "findings.json", folder / "findings.csv"
    write_json(written[0], findings)
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
    write_csv(written[1], rows, FINDING_COLUMNS)
    return written


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
    def folds_path(self) -> Path:
        """A cross-validation's: which photo is in which fold."""
        return self.folder / "folds.csv"

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

    def report_path(self, kind: str, split: str, suffix: str) -> Path:
        """A file of an evaluation: ``evaluation-valid.png``, ``stress-test.json``."""
        return self.folder / f"{kind}-{split}{suffix}"

    @property
    def label_check_path(self) -> Path:
        """Labels to look at again, a CSV; their contact sheet is beside it."""
        return self.folder / "label-check.csv"

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

    @property
    def learning_curve_path(self) -> Path:
        """The plot of a learning curve."""
        return self.folder / "learning_curve.png"

    # What the run is

    def begin(self, config: RunConfig, command: str, kind: str, started: datetime) -> None:
        """Write ``config.toml`` and a ``run.json`` that says it is running."""
        write_text(self.config_path, to_toml(config))
        state = {
            "schema": SCHEMA,
            "kind": kind,
            "status": RUNNING,
            "started": started.isoformat(timespec="seconds"),
            "command": command,
        }
        write_json(self.folder / "run.json", state)

    def read_kind(self) -> str:
        """One of the kinds above: ``TRAINING``, ``FOLD``, ``ENSEMBLE``, ..."""
        return str(self.read_state().get("kind", TRAINING))

    def require_model(self) -> None:
        """Raise ``RunError``, with what to do, unless there is a model to evaluate."""
        kind = self.read_kind()
        if kind in SERIES:
            named = f": {members[0].folder}" if (members := self.members()) else "."
            raise RunError(
                f"{self.name} is several trainings ({kind}): it has no single model.",
                f"Name one of them{named}",
            )
        if kind == CROSS_VALIDATION:
            raise RunError(
                f"{self.name} is a cross-validation: it has no single model.",
                f"Name a fold: {self.fold(1).folder}",
            )
        if not self.model_path.exists():
            missing = "not all of its networks are trained" if kind == ENSEMBLE else None
            raise RunError(
                f"{self.name} has no model yet: {missing or 'no epoch was finished'}.",
                f"Go on with it: fastdefect fit --resume {typed(self.folder)}",
            )

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
        return resolve_kept(self.config_path)

    @property
    def resume_command(self) -> str:
        """What to type to go on with the run."""
        return f"fastdefect {SERIES.get(self.read_kind(), 'fit')} --resume {typed(self.folder)}"

    # The sealed test

    def note_opening(self, command: str, what: str) -> int:
        """Note in ``openings.json`` that the test is about to be seen; the how-manyeth time."""
        time = datetime.now(UTC).isoformat(timespec="seconds")
        openings = [*self.read_openings(), {"time": time, "command": command, "what": what}]
        write_json(self._keeper_of_the_test.folder / "openings.json", openings)
        return len(openings)

    def read_openings(self) -> list[dict[str, str]]:
        """``openings.json``, oldest first: time (ISO, UTC), command and what it was for."""
        keeper = self._keeper_of_the_test
        return list(keeper._read_json("openings.json", list, missing=[]))

    @property
    def _keeper_of_the_test(self) -> "Run":
        """All trainings inside a run have one test: its openings are counted together."""
        parent = Run(self.folder.parent)
        whole = self.read_kind() in (FOLD, MEMBER) and (parent.folder / "run.json").is_file()
        return parent if whole else self

    # What it found and learned

    def write_findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """``findings.json``, and the same as a CSV with a row per photo."""
        write_findings(self.folder, findings)

    def write_split(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """``split.csv``."""
        write_csv(self.split_path, rows, ("path", "label", "part", "split", "sha256"))

    def write_folds(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """``folds.csv``."""
        write_csv(self.folds_path, rows, ("path", "label", "part", "split", "sha256", "fold"))

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """``environment.json``."""
        write_json(self.folder / "environment.json", environment)

    def write_recipe(self, choice: Mapping[str, Any]) -> None:
        """``recipe.json``: the recipe that was chosen, and the evidence."""
        write_json(self.folder / "recipe.json", choice)

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

    def read_whole_history(self) -> list[dict[str, float]]:
        """``read_history``; of an ensemble, that of its trainings, one after the other."""
        if self.read_kind() != ENSEMBLE:
            return self.read_history()
        return [row for member in self.members() for row in member.read_history()]

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

    def _read_json(self, name: str, kind: type = dict, missing: Any = None) -> Any:
        """What the file holds, a ``kind``; ``missing``, if given, where there is none."""
        path = self.folder / name
        if missing is not None and not path.exists():
            return missing
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(
                f"{self.folder} is not a run: it has no {name}.",
                "`fastdefect runs` lists the runs; give a run's folder or name.",
            ) from error
        except (OSError, ValueError) as error:
            raise RunError(f"{path} can't be read: {error}.") from error
        if not isinstance(content, kind):
            expected = "a list" if kind is list else "an object"
            raise RunError(f"{path} is damaged: expected {expected}, found {content!r:.40}.")
        return content

    def write_report(self, kind: str, split: str, content: Mapping[str, Any]) -> Path:
        """What an evaluation of one ``kind`` found on ``split``, JSON."""
        path = self.report_path(kind, split, ".json")
        write_json(path, content)
        return path

    def write_calibration(self, views: str, temperature: Mapping[str, Any]) -> None:
        """Put the temperature for ``views`` into ``calibration.json``, beside those of others."""
        write_json(
            self.folder / "calibration.json", {**self.read_calibration(), views: temperature}
        )

    def read_calibration(self) -> dict[str, Any]:
        """``calibration.json`` by views; empty before the first."""
        return self._read_json("calibration.json", missing={})

    @property
    def operating_point_path(self) -> Path:
        """What ``threshold`` chose, JSON."""
        return self.folder / "operating_point.json"

    def write_operating_point(self, content: Mapping[str, Any]) -> None:
        """``operating_point.json``."""
        write_json(self.operating_point_path, content)

    def read_operating_point(self) -> dict[str, Any] | None:
        """``operating_point.json``; None where none was chosen."""
        return self._read_json("operating_point.json", missing={}) or None

    @property
    def quick_test_path(self) -> Path:
        """A quick test's figures, JSON."""
        return self.folder / "quick_test.json"

    def write_quick_test(self, content: Mapping[str, Any]) -> None:
        """``quick_test.json``."""
        write_json(self.quick_test_path, content)

    @property
    def ablation_path(self) -> Path:
        """The plot of an ablation."""
        return self.folder / "ablation.png"

    def write_ablation(self, content: Mapping[str, Any]) -> Path:
        """``ablation.json``."""
        path = self.folder / "ablation.json"
        write_json(path, content)
        return path

    def write_learning_curve(self, content: Mapping[str, Any]) -> Path:
        """``learning_curve.json``."""
        path = self.folder / "learning_curve.json"
        write_json(path, content)
        return path

    def write_study(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """``study.json``: all trials, in their order."""
        write_json(self.folder / "study.json", {"trials": trials})

    def read_study(self) -> list[dict[str, Any]]:
        """The trials of ``study.json``; none before the first."""
        return list(self._read_json("study.json", missing={}).get("trials", []))

    def write_trials(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Path:
        """``trials.csv``."""
        path = self.folder / "trials.csv"
        write_csv(path, rows, columns)
        return path

    def write_tuning(self, content: Mapping[str, Any]) -> Path:
        """``tuning.json``."""
        path = self.folder / "tuning.json"
        write_json(path, content)
        return path

    def forget_decisions(self) -> tuple[str, ...]:
        """Delete what was chosen for a model that trains on; the names of the files deleted.

        The operating point, the temperatures, and predictions by views: all of the older model.
        """
        stale = (
            self.operating_point_path,
            self.folder / "calibration.json",
            *sorted(self.folder.glob("predictions-*-*.csv")),
        )
        found = tuple(path for path in stale if path.exists())
        for path in found:
            path.unlink()
        return tuple(path.name for path in found)

    def forget_checkpoint(self) -> None:
        """Delete the state of a training that won't be gone on with."""
        self.checkpoint_path.unlink(missing_ok=True)

    def write_bench_swap(self, split: str, result: Mapping[str, Any]) -> None:
        """Put the bench swap of one split into ``bench_swap.json``, beside those of others."""
        results = self._read_json("bench_swap.json", missing={})
        write_json(self.folder / "bench_swap.json", {**results, split: result})
