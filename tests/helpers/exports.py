"""A model to export, and its photos, without any training."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fastdefect.config import DataConfig
from fastdefect.data.store import PhotoStore
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.trained.scorer import RunModel
from fastdefect.training.learner import ModelSpec
from helpers.bundles import SIZE, photo_of
from helpers.made_runs import made_run, split_row
from helpers.manifests import manifest, photo

RULE = DecisionRule("none", 1.0, 0.5, None, "by hand")


class _Graph:
    """What is asked of a graph that does not run."""

    network = None

    def widths(self) -> tuple[int, ...]:
        return (4,)


def made_model(folder: Path, *, train: int = 2, valid: int = 2, **data: Any) -> RunModel:
    """A run in ``folder`` on so many grey photos in ``folder / "data"``, from dark to bright.

    ``data`` are settings of its data.
    """
    rows = []
    for number in range(train + valid):
        label = ("defect", "good")[number % 2]
        path = folder / "data" / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo_of(10 + number)).save(path)
        name = f"{label}/{number}.png"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        row = split_row(name, name, "train" if number < train else "valid")
        rows.append({**row, "sha256": digest})
    settings = DataConfig(data=folder / "data", **{"image_size": SIZE, **data})
    p_defect = {row["path"]: 0.5 for row in rows}
    run = made_run(folder / "runs", "x", rows, p_defect, data=settings)
    graph: Any = _Graph()
    spec = ModelSpec.from_json(run.read("model.json"))
    return RunModel(run, spec, RULE, graph, torch.device("cpu"))


def validation_photos(
    folder: Path, names: Sequence[str], brightness: int = 128
) -> EvaluationPhotos:
    """PNGs called ``names`` in ``folder``, all good, as the validation photos of a run."""
    shown = []
    for row, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo_of(brightness)).save(path, "PNG")
        shown.append(replace(photo(name, "good"), path=path, row=row))
    store = PhotoStore(len(names), SIZE, "squish", limit_mb=1)
    return EvaluationPhotos(
        manifest(shown), store, tuple(range(len(names))), "valid", None, tuple(names)
    )


def even(n: int) -> np.ndarray:
    """Probabilities (n, 2) of a half."""
    return np.full((n, 2), 0.5)
