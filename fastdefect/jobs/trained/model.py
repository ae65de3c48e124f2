"""The best model of a run, for predictions."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.config import Device
from fastdefect.data.reading.view_input import without_view
from fastdefect.data.store import PhotoStore
from fastdefect.errors import RunError
from fastdefect.evaluation.predictions import Predictions, predictions_of
from fastdefect.evaluation.robustness.background_swap import (
    BackgroundSwap,
    LabelledPhotos,
    swap_background,
)
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.process import keep_freed_memory
from fastdefect.run import Run
from fastdefect.text import counted, first
from fastdefect.training.backbones import build_backbone
from fastdefect.training.checkpoint import restore_network
from fastdefect.training.ensemble import Ensemble
from fastdefect.training.joint import Halves, Joint
from fastdefect.training.learner import ModelSpec, build_network, choose_device
from fastdefect.training.predict import Predictor, View


@dataclass(frozen=True)
class TrainedModel:
    """The best model of a run, and the photos to predict.

    ``judges``: if ``photos`` are in folds, the networks trained without each fold.
    """

    predictor: Predictor
    spec: ModelSpec
    photos: EvaluationPhotos
    judges: Sequence[Predictor] = ()

    def predict(
        self, views: Sequence[View] = (), *, on_event: OnEvent, label: str = "predicting"
    ) -> Predictions:
        """The predictions of its photos, averaged over ``views``."""
        rows, total = self.photos.rows, len(self.photos.side)
        if text := unknown_views_text(self.spec.preprocessing.view_input, self.photos.shown.views):
            on_event(Note(text, "warning"))
        y_prob = self._probabilities(
            self.photos.store,
            rows,
            range(total),
            views,
            lambda done: on_event(Progress(label, done, total)),
        )
        return self.joined(y_prob)

    def predict_pixels(
        self, pixels: NDArray[np.uint8], positions: Sequence[int], views: Sequence[View] = ()
    ) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) of changed photos (n, size, size, 3) uint8.

        ``positions``: the index of each among the model's photos.
        """
        return self._probabilities(pixels, range(len(pixels)), positions, views, None)

    def swap_backgrounds(
        self,
        predictions: Predictions,
        views: Sequence[View] = (),
        *,
        seed: int = 0,
        on_event: OnEvent,
    ) -> BackgroundSwap | None:
        """The decisions that another class's background changes; None if there is one class."""
        total = len(self.photos.side)
        return swap_background(
            lambda swapped, at: self.predict_pixels(swapped, at, views),
            LabelledPhotos(
                self.photos.store, self.photos.rows, predictions.y_true, self.spec.good_indices
            ),
            predictions.y_prob,
            seed=seed,
            on_batch=lambda done: on_event(Progress("swapping backgrounds", done, total)),
        )

    def halves(self, views: Sequence[View] = (), *, on_event: OnEvent) -> Floats:
        """The probabilities (n, 2, n_classes) by each half of a joint model."""
        return halves_of(self.predictor).probabilities(
            self.photos.store,
            self.photos.rows,
            views=views,
            on_batch=lambda done: on_event(
                Progress("predicting by each half", done, len(self.photos.side))
            ),
        )

    def _probabilities(
        self,
        store: PhotoStore | NDArray[np.uint8],
        rows: Sequence[int],
        positions: Sequence[int],
        views: Sequence[View],
        on_batch: Callable[[int], None] | None,
    ) -> NDArray[np.float64]:
        """Predict each photo; with folds, by the network that did not train on its part."""
        fold = self.photos.fold
        network_of = np.array([fold[i] - 1 if fold else 0 for i in positions])
        y_prob = np.empty((len(rows), len(self.spec.classes)))
        seen = self.photos.shown.views
        done = 0
        for number in np.unique(network_of):
            (mine,) = np.nonzero(network_of == number)
            judge = self.judges[number] if fold else self.predictor
            y_prob[mine] = judge.probabilities(
                store,
                [rows[int(i)] for i in mine],
                views=views,
                seen_from=[seen[positions[int(i)]] for i in mine],
                on_batch=partial(_add_offset, done, on_batch) if on_batch else None,
            )
            done += len(mine)
        return y_prob

    def joined(self, y_prob: NDArray[np.float64]) -> Predictions:
        """The probabilities (n, n_classes) of its photos with their names and labels."""
        return predictions_of(self.photos.photos, self.spec.classes, self.spec.good, y_prob)


def read_spec(run: Run) -> ModelSpec:
    """The description of the run's model; raises ``RunError`` if there is no model."""
    run.require_model()
    return ModelSpec.from_json(run.read("model.json"))


def load_network(run: Run, device: Device) -> tuple[Predictor, ModelSpec]:
    """The run's best model without photos, in single precision."""
    spec, on = read_spec(run), choose_device(device)
    backbone, _ = build_backbone(spec.arch, "none", spec.preprocessing.image_size)
    network = build_network(spec, backbone, on)
    restore_network(network, run.path("model.safetensors"))
    keep_freed_memory()
    return Predictor(network.eval(), spec.preprocessing, on), spec


def halves_of(predictor: Predictor) -> Predictor:
    """The predictor of both halves of a joint model, (n, 2, n_classes) for n photos."""
    if not isinstance(predictor.network, Joint):
        raise TypeError(f"Expected a joint model, got {type(predictor.network).__name__}")
    return replace(predictor, network=Halves(predictor.network))


def load_model(run: Run, photos: EvaluationPhotos, device: Device) -> TrainedModel:
    """The run's best model with the ``photos`` to predict."""
    predictor, spec = load_network(run, device)
    return TrainedModel(predictor, spec, photos, judges_of(run, predictor, photos.fold))


def fold_name(number: int) -> str:
    """The folder of the network trained without fold ``number`` (from 1), in a ``--final`` run."""
    return f"fold-{number}"


def judges_of(run: Run, model: Predictor, fold: Sequence[int] | None) -> Sequence[Predictor]:
    """The networks of the folds, which have the architecture of the model or of its members.

    ``fold`` numbers the fold of each photo, from 1; without folds there are none.
    """
    if not fold:
        return ()
    network = model.network
    one = network.networks[0] if isinstance(network, Ensemble) else network
    judges = []
    for number in range(1, max(fold) + 1):
        path = run.member(fold_name(number)).path("model.safetensors")
        if not path.exists():
            raise RunError(
                f"Expected the network trained without fold {number} in {path}, but there is no "
                "such file. No other network can predict the photos of this fold.",
                "Delete its folder and train it again: " + run.resume_command,
            )
        judge = deepcopy(one)
        restore_network(judge, path)
        judges.append(replace(model, network=judge))
    return judges


def unknown_views_text(known: Sequence[str], views: Sequence[str | None]) -> str:
    """The photos whose view a network with an input for it does not know; empty if there is none.

    ``known`` are the views of this input, and ``views`` those of the photos.
    """
    if not (n := without_view(known, views)):
        return ""
    return (
        f"{n} of {counted(len(views), 'photo')} have no view that the network knows "
        f"({first(known)}): it decides on them without a view."
    )


def _add_offset(offset: int, on_batch: Callable[[int], None], done: int) -> None:
    on_batch(offset + done)
