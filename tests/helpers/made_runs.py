"""Runs that were never trained: folders with all that is read of a finished one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.loaders import Preprocessing
from fastdefect.evaluation.predictions import Predictions
from fastdefect.run import Run
from fastdefect.run_registry import create_run
from fastdefect.training.learner import ModelSpec

CLASSES = ("defect", "good")
SIZE = 16


def split_row(path: str, part: str, split: str = "valid") -> dict[str, str]:
    """A row of ``split.csv``; the label is the folder, the hash that of the path."""
    digest = hashlib.sha256(path.encode()).hexdigest()
    return {
        "path": path,
        "label": path.partition("/")[0],
        "part": part,
        "split": split,
        "sha256": digest,
        "given_part": part,
    }


def made_run(
    runs: Path,
    name: str,
    rows: Sequence[Mapping[str, str]],
    p_defect: Mapping[str, float],
    *,
    data: Path | DataConfig = Path("nowhere"),
    classes: tuple[str, ...] = CLASSES,
    good: str | None = "good",
    **settings: Any,
) -> Run:
    """A run whose model says ``p_defect`` of the validation photos among ``rows``, by path.

    Its temperature is 1 and it has no operating point. ``settings`` are sections of the config.
    """
    of_data = data if isinstance(data, DataConfig) else DataConfig(data=data, image_size=SIZE)
    config = replace(RunConfig(data=of_data), **settings)
    run = create_run(runs, name, config, "fit")
    run.write("split.csv", rows)
    steps = Preprocessing(SIZE, "squish", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    of_good = (good,) if good else ()
    spec = ModelSpec(config.model.arch, classes, of_good, steps)
    run.write("model.json", {**spec.as_json(), "parameters": 1234})
    run.path("model.safetensors").write_bytes(b"0" * 500_000)
    run.write("history.csv", [{"epoch": 1, "seconds": 2.5}, {"epoch": 2, "seconds": 1.5}], HISTORY)
    run.put("calibration.json", "none", {"value": 1.0})
    shown = [row for row in rows if row["split"] == "valid"]
    # What is not the defect's is the last class's.
    y_prob = np.zeros((len(shown), len(classes)))
    y_prob[:, 0] = [p_defect[row["path"]] for row in shown]
    y_prob[:, -1] += 1 - y_prob[:, 0]
    said = Predictions(
        tuple(row["path"] for row in shown),
        classes,
        of_good,
        np.array([classes.index(row["label"]) for row in shown]),
        y_prob,
    )
    run.write_predictions("valid", said.rows(), said.columns(), "none")
    return run


HISTORY = ("epoch", "seconds")
