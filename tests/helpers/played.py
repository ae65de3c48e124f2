"""Fake trainings: the members of a series end at once, with figures that the test sets.

Tests check which trainings begin, on which photos, and the use of their figures.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest

from fastdefect.config import RunConfig
from fastdefect.data.splitting.split import split_rows
from fastdefect.data.training_data import TrainingData
from fastdefect.evaluation.predictions import predictions_of
from fastdefect.jobs import ablate
from fastdefect.jobs.series import budget, members, series
from fastdefect.run import Run, RunStatus
from fastdefect.training.backbones import Backbone, LoadedWeights, build_backbone
from fastdefect.training.learner import ModelSpec
from helpers.photos import PREPROCESSING


@dataclass
class Ended:
    """What a training reports."""

    reason: str


@dataclass
class Played:
    """Trainings that take ``seconds`` each by a clock of their own.

    ``wrong`` says how many validation photos a training of this name and config decides wrongly;
    ``train_accuracy`` is what it reaches on the others. ``stops`` names one that Ctrl-C ends.
    """

    wrong: Callable[[str, RunConfig], int] = lambda name, config: 1
    train_accuracy: float = 1.0
    seconds: float = 10.0
    stops: str = ""
    now: float = 0.0
    begun: list[str] = field(default_factory=list)
    configs: dict[str, RunConfig] = field(default_factory=dict)
    data: dict[str, TrainingData] = field(default_factory=dict)

    def assemble(self, config: RunConfig, log: Any, *, data: TrainingData) -> Any:
        return config, data

    def begin(self, run: Run, made: tuple[RunConfig, TrainingData], log: Any, stop: Any) -> Ended:
        config, data = made
        self.begun.append(run.name)
        self.configs[run.name], self.data[run.name] = made
        self.now += self.seconds
        run.write("split.csv", split_rows(data.manifest, data.split))
        if run.name == self.stops:
            run.update_state(status=RunStatus.INTERRUPTED)
            return Ended(RunStatus.INTERRUPTED)
        manifest = data.manifest
        spec = ModelSpec(config.model.arch, manifest.classes, manifest.good, PREPROCESSING)
        run.write("model.json", spec.as_json())
        run.path("model.safetensors").touch()
        photos = [manifest.photos[i] for i in data.split.valid]
        right = np.array([manifest.classes.index(photo.label) for photo in photos])
        n = self.wrong(run.name, config)
        said = np.where(np.arange(len(right)) < n, 1 - right, right)
        y_prob = np.full((len(right), 2), 0.2)
        y_prob[np.arange(len(right)), said] = 0.8
        valid = predictions_of(photos, manifest.classes, manifest.good, y_prob)
        run.write_predictions("valid", valid.rows(), valid.columns(), "none")
        run.put("metrics.json", "valid", valid.metrics().as_json())
        run.put(
            "metrics.json", "train", {**valid.metrics().as_json(), "accuracy": self.train_accuracy}
        )
        run.update_state(status=RunStatus.FINISHED)
        return Ended(RunStatus.FINISHED)


@cache
def built_once(arch: str, weights: str, image_size: int) -> tuple[Backbone, LoadedWeights]:
    """The network by which a member is checked; a played training does not change it."""
    return build_backbone(arch, weights, image_size)


def play(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Played:
    """Let every series play its trainings; two classes only."""
    played = Played(**options)
    for module in (series, ablate):
        monkeypatch.setattr(module, "build_backbone", built_once)
    monkeypatch.setattr(members, "assemble", played.assemble)
    monkeypatch.setattr(members, "begin", played.begin)
    for module in (members, budget):
        monkeypatch.setattr(module, "monotonic", lambda: played.now)
    return played
