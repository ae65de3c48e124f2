"""The files of a run folder: the name of each, what it holds, and how it is read and written.

The end of a name is its format. ``*`` stands for a split, and for views after it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastdefect.errors import RunError
from fastdefect.files import read_csv, write_csv, write_json

_SPLIT = ("path", "label", "part", "split", "sha256")


@dataclass(frozen=True)
class RunFile:
    """What a file holds.

    ``columns``: those of a CSV; empty where the writer gives them. ``optional``: one that is not
    there reads as empty, else it is an error. ``kind``: what its JSON is.
    """

    holds: str
    columns: tuple[str, ...] = ()
    optional: bool = False
    kind: type = dict


FILES: Mapping[str, RunFile] = MappingProxyType(
    {
        # Of every run
        "run.json": RunFile("schema, kind, status, times, the command"),
        "config.toml": RunFile("every setting, resolved; fit --config repeats the run"),
        "split.csv": RunFile("which photo is in which split", _SPLIT),
        "findings.json": RunFile("what was remarkable about the photos", kind=list),
        "findings.csv": RunFile(
            "the same, a row per photo",
            ("kind", "severity", "message", "value", "low", "high", "path"),
        ),
        "environment.json": RunFile("versions, device, git commit"),
        "log.txt": RunFile("every message, with its time"),
        "openings.json": RunFile(
            "each opening of the sealed test: time, command, what for", optional=True, kind=list
        ),
        # Of a training
        "recipe.json": RunFile("the recipe that was chosen, and the evidence"),
        "history.csv": RunFile("a row per epoch", optional=True),
        "model.json": RunFile("architecture, classes, good class, preprocessing, views"),
        "model.safetensors": RunFile(
            "weights of the best epoch; of an ensemble, of all its networks"
        ),
        "checkpoint.safetensors": RunFile("the last state, for fit --resume"),
        "metrics.json": RunFile("metrics by split, empty before the first", optional=True),
        "predictions-*.csv": RunFile("path, label, predicted, p_<class>, ... of a split"),
        "background_swap.json": RunFile(
            "decisions that change with the border light of another class, by split", optional=True
        ),
        "calibration.json": RunFile(
            "the temperature that suits validation, by views", optional=True
        ),
        "curves.png": RunFile("the plot of the history"),
        "confusion.png": RunFile("the confusion matrix on validation"),
        # What the commands on a finished training add
        "operating_point.json": RunFile(
            "the threshold or band that threshold chose, and why", optional=True
        ),
        "tta.json": RunFile(
            "metrics with test-time augmentation, by split and views", optional=True
        ),
        "evaluation-*.json": RunFile("every metric of a split with its interval"),
        "evaluation-*.png": RunFile("its plots"),
        "confusion-*.png": RunFile("its confusion matrix"),
        "stress-*.json": RunFile("decisions that disturbances change"),
        "stress-*.png": RunFile("the plot of the same"),
        "label-check.csv": RunFile("labels to look at again"),
        "label-check.png": RunFile("their photos"),
        # Of a cross-validation, and of a model whose networks are those of folds
        "folds.csv": RunFile("which photo is in which fold", (*_SPLIT, "fold")),
        # Of several trainings on the same photos
        "quick_test.json": RunFile("both trainings of a quick test, and what changed between them"),
        "ablation.json": RunFile("metrics by step and seed, what each step gained"),
        "ablation.png": RunFile("the plot of the same"),
        "learning_curve.json": RunFile("the trainings, the law through them, and its forecast"),
        "learning_curve.png": RunFile("the plot of the same"),
        # Of a search
        "study.json": RunFile(
            "every trial: settings, metrics of each training, state", optional=True
        ),
        "trials.csv": RunFile("the same for people, a row per trial"),
        "tuning.json": RunFile("the winner, what mattered, and its metrics on valid"),
    }
)


def file_called(name: str) -> RunFile:
    """The entry of ``name`` in ``FILES``. Raises ``ValueError`` for a name that has none."""
    for known, file in FILES.items():
        if fnmatchcase(name, known):
            return file
    raise ValueError(f"Expected a file of a run folder, got {name!r}")


def read_file(folder: Path, name: str) -> Any:
    """What a JSON file holds, or the rows of a CSV as ``list[dict[str, str]]``.

    Raises ``RunError`` for one that is missing, unless it is optional, or damaged.
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
            "`fastdefect runs` lists the runs; give a run's folder or name.",
        ) from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path} can't be read: {error}.") from error
    if not csv and not isinstance(content, file.kind):
        expected = "a list" if file.kind is list else "an object"
        raise RunError(f"{path} is damaged: expected {expected}, found {content!r:.40}.")
    return content


def write_file(folder: Path, name: str, value: Any, columns: Sequence[str] = ()) -> Path:
    """Write JSON, or rows as CSV; the path. ``columns`` for a CSV that has none in ``FILES``."""
    file, path = file_called(name), folder / name
    if path.suffix == ".csv":
        write_csv(path, value, columns or file.columns)
    elif path.suffix == ".json":
        write_json(path, value)
    else:
        raise ValueError(f"Expected a JSON or CSV file, got {name!r}")
    return path


def write_findings(folder: Path, findings: Sequence[Mapping[str, Any]]) -> tuple[Path, Path]:
    """``findings.json`` and ``findings.csv`` (a row per photo), in a run or beside an audit."""
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
