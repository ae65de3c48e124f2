"""A run's best model, ready to predict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fastai.learner import Learner
from numpy.typing import NDArray
from safetensors.torch import load_file

from fastdefect.config import Device
from fastdefect.data.loaders import build_loaders
from fastdefect.data.store import PhotoStore
from fastdefect.evaluation.predictions import Predictions, predictions_of
from fastdefect.events import OnEvent, Progress
from fastdefect.jobs.assemble import choose_machine
from fastdefect.jobs.evaluation_photos import EvaluationPhotos
from fastdefect.run import Run
from fastdefect.training.backbones import build_backbone
from fastdefect.training.learner import ModelSpec, build_learner, build_loss
from fastdefect.training.predict import View, class_probabilities


@dataclass(frozen=True)
class TrainedModel:
    """The best model of a run in a Learner over the photos that it is measured on."""

    learn: Learner
    spec: ModelSpec
    photos: EvaluationPhotos

    @property
    def good_index(self) -> int | None:
        """The good class's index, if any."""
        return self.spec.classes.index(self.spec.good) if self.spec.good else None

    def predict(
        self, views: Sequence[View] = (), *, on_event: OnEvent, label: str = "predicting"
    ) -> Predictions:
        """What it says of its photos, averaged over ``views``."""
        total = len(self.photos.side)
        y_prob = class_probabilities(
            self.learn.model,
            self.photos.store,
            self.photos.rows,
            self.spec.preprocessing,
            device=self.learn.dls.device,
            views=views,
            on_batch=lambda done: on_event(Progress(label, done, total)),
        )
        return self.joined(y_prob)

    def predict_pixels(
        self, pixels: PhotoStore | NDArray[np.uint8], views: Sequence[View] = ()
    ) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) of any photos (n, size, size, 3) uint8."""
        return class_probabilities(
            self.learn.model,
            pixels,
            range(len(pixels)),
            self.spec.preprocessing,
            device=self.learn.dls.device,
            views=views,
        )

    def joined(self, y_prob: NDArray[np.float64]) -> Predictions:
        """The probabilities (n, n_classes) of its photos, with their names and labels."""
        return predictions_of(self.photos.photos, self.spec.classes, self.spec.good, y_prob)


def read_spec(run: Run) -> ModelSpec:
    """What the run's model is; raises ``RunError`` if it has none."""
    run.require_model()
    return ModelSpec.from_json(run.read_model_spec())


def load_model(run: Run, photos: EvaluationPhotos, device: Device) -> TrainedModel:
    """The run's best model, built as it was for training."""
    config, spec = run.read_config(), read_spec(run)
    training = config.training
    machine = choose_machine(replace(training, device=device, precision="auto", workers=0))
    backbone, _ = build_backbone(spec.arch, "none", spec.preprocessing.image_size)
    dls: Any = build_loaders(
        photos.manifest,
        photos.store,
        photos.side,
        photos.side,
        classes=spec.classes,
        preprocessing=spec.preprocessing,
        augment=config.data.augment,
        balanced=False,
        batch_size=training.batch_size,
        workers=0,
        seed=training.seed,
        device=machine.device,
    )
    loss = build_loss(None, 0.0, machine.device)
    learn = build_learner(
        dls,
        backbone,
        loss,
        training=training,
        precision="fp32",
        head=spec.head,
        members=spec.members,
    )
    learn.model.load_state_dict(load_file(run.model_path))
    return TrainedModel(learn, spec, photos)
