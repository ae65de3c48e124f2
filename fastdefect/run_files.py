"""The files of a run folder: their names and contents, and functions to read and write them.

The extension of a name is its format. ``*`` stands for a split, optionally followed by views. For
photos from elsewhere it is data-<folder>-<hash of the photos>, and data, a copy of the latest.
"""

import csv as csv_format
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastdefect.errors import RunError
from fastdefect.files import read_csv, write_csv, write_json

SPLIT_COLUMNS = ("path", "label", "part", "split", "sha256")
REPORT = "report.html"
_RESTORE = "Restore the file from a copy, or repeat the command that wrote it."


@dataclass(frozen=True)
class RunFile:
    """The content and format of a file.

    ``columns``: the columns of a CSV; empty if the writer gives them. ``optional``: a missing file
    reads as empty instead of raising an error. ``kind``: the type of the JSON value.
    """

    contents: str
    columns: tuple[str, ...] = ()
    optional: bool = False
    kind: type = dict


FILES: Mapping[str, RunFile] = MappingProxyType(
    {
        # Every run
        "run.json": RunFile("schema, kind, status, times, command"),
        "config.toml": RunFile("all resolved settings; fit --config repeats the run"),
        "split.csv": RunFile(
            "the split of each photo", (*SPLIT_COLUMNS, "given_part", "view", "product")
        ),
        "findings.json": RunFile("findings of the audit of the photos", kind=list),
        "findings.csv": RunFile(
            "the same findings, a row per photo",
            ("kind", "severity", "message", "value", "low", "high", "path"),
        ),
        "environment.json": RunFile("versions, device, git commit"),
        "log.txt": RunFile("all messages with their times"),
        "openings.json": RunFile(
            "each opening of the sealed test: time, command, purpose", optional=True, kind=list
        ),
        "data_root.json": RunFile(
            "the folder where the photos were found again, their paths in it, and the data in it",
            optional=True,
        ),
        "earlier.csv": RunFile(
            "the photos of the runs that this run continues", ("sha256", "given_part", "split")
        ),
        "tracking.json": RunFile(
            "by experiment tracker: the id of the run there, its logged epochs, how it ended",
            optional=True,
        ),
        # A training
        "recipe.json": RunFile("the chosen recipe, and the evidence for it"),
        "floor.json": RunFile(
            "AUC and accuracy of a linear classifier on frozen features, cross-validated in train",
            optional=True,
        ),
        "history.csv": RunFile("a row per epoch", optional=True),
        "model.json": RunFile("architecture, classes, good class, preprocessing, views"),
        "model.safetensors": RunFile(
            "weights of the best epoch; for an ensemble, of all its networks"
        ),
        "memory.safetensors": RunFile("the memory of good parts that fit --learn both joins to it"),
        "checkpoint.safetensors": RunFile("the last state, for fit --resume"),
        "metrics.json": RunFile("metrics by split", optional=True),
        "predictions-*.csv": RunFile("path, label, predicted, p_<class>, ... of a split"),
        "background_swap.json": RunFile(
            "decisions that change with the background of another class, by split", optional=True
        ),
        "calibration.json": RunFile(
            "the temperature fitted to validation, by views", optional=True
        ),
        "curves.png": RunFile("plot of the history"),
        "confusion.png": RunFile("confusion matrix on validation"),
        # Commands on a finished training
        "operating_point.json": RunFile(
            "the decision threshold or review band, and its criterion", optional=True
        ),
        "reference.safetensors": RunFile(
            "features of training photos, for the check for unlike photos"
        ),
        "baseline.csv": RunFile(
            "the distance of held-out photos to the training photos, for drift",
            ("path", "part", "distance"),
        ),
        "tta.json": RunFile(
            "metrics with test-time augmentation, by split and views", optional=True
        ),
        "evaluation-*.json": RunFile("all metrics of a split with their intervals"),
        "evaluation-*.png": RunFile("plots of the evaluation"),
        "confusion-*.png": RunFile("confusion matrix of the split"),
        "unseen-*.json": RunFile(
            "the escapes of each type of defect by a training without it", optional=True
        ),
        "stress-*.json": RunFile("decisions changed by disturbances"),
        "stress-*.png": RunFile("plot of the stress test"),
        "label-check.csv": RunFile("labels to check again"),
        "label-check.png": RunFile("photos of these labels"),
        REPORT: RunFile("the report for people, complete in itself"),
        # A cross-validation, or a model of the networks of folds
        "folds.csv": RunFile("the fold of each photo", (*SPLIT_COLUMNS, "fold")),
        # Several trainings on the same photos
        "quick_test.json": RunFile("both trainings of a quick test, and their differences"),
        "ablation.json": RunFile("metrics by step and seed, and the gain of each step"),
        "ablation.png": RunFile("plot of the ablation"),
        "learning_curve.json": RunFile("the trainings, the fitted power law, and its forecast"),
        "learning_curve.png": RunFile("plot of the learning curve"),
        # A search
        "study.json": RunFile(
            "every trial: settings, metrics of each training, state", optional=True
        ),
        "trials.csv": RunFile("the same trials as a table, a row per trial"),
        "tuning.json": RunFile("the winner, its metrics on valid, and the importance of settings"),
    }
)


def file_called(name: str) -> RunFile:
    """The entry of ``name`` in ``FILES``. Raises ``ValueError`` if there is no such entry."""
    for known, file in FILES.items():
        if fnmatchcase(name, known):
            return file
    raise ValueError(f"Expected a file of a run folder, got {name!r}")


def read_file(folder: Path, name: str) -> Any:
    """The content of a JSON file, or the rows of a CSV as ``list[dict[str, str]]``.

    Raises ``RunError`` if the file is damaged, or missing and not optional.
    """
    file, path = file_called(name), folder / name
    csv = path.suffix == ".csv"
    if file.optional and not path.exists():
        return [] if csv else file.kind()
    try:
        content = read_csv(path) if csv else json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            f"{folder} is not a run: it has no {name}.",
            "Give the folder or name of a run. `fastdefect runs` lists them.",
        ) from error
    except (OSError, ValueError, RecursionError, csv_format.Error) as error:
        raise RunError(f"{path} can't be read: {error}.", _RESTORE) from error
    if not csv and not isinstance(content, file.kind):
        expected = "a list" if file.kind is list else "an object"
        raise RunError(f"{path} is damaged: expected {expected}, found {content!r:.40}.", _RESTORE)
    return content


def write_file(folder: Path, name: str, value: Any, columns: Sequence[str] = ()) -> Path:
    """Write JSON, or rows as CSV, and return the path.

    ``columns`` is for a CSV without columns in ``FILES``.
    """
    file, path = file_called(name), folder / name
    if path.suffix == ".csv":
        write_csv(path, value, columns or file.columns)
    elif path.suffix == ".json":
        write_json(path, value)
    else:
        raise ValueError(f"Expected a JSON or CSV file, got {name!r}")
    return path


def write_findings(folder: Path, findings: Sequence[Mapping[str, Any]]) -> tuple[Path, Path]:
    """Write ``findings.json`` and ``findings.csv`` (a row per photo) of a run or an audit."""
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
    return (
        write_file(folder, "findings.json", findings),
        write_file(folder, "findings.csv", rows),
    )
