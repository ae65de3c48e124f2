"""``fastdefect tta-eval``: a run's model on a split or on other photos, without and with TTA."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.learner import Learner
from numpy.typing import NDArray
from safetensors.torch import load_file

from fastdefect.config import Device, RunConfig
from fastdefect.data.loaders import build_loaders
from fastdefect.evaluation.bench_swap import BenchSwap, bench_swap
from fastdefect.evaluation.predictions import Predictions, predictions_of
from fastdefect.evaluation.views import parse_views
from fastdefect.events import OnEvent, Progress
from fastdefect.jobs.evaluation_photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.fit import choose_machine
from fastdefect.metrics import Metrics
from fastdefect.run import Run
from fastdefect.training.backbones import build_backbone
from fastdefect.training.callbacks import Position, RepeatableDraws
from fastdefect.training.learner import ModelSpec, build_learner, build_loss
from fastdefect.training.predict import class_probabilities

# How the plain and the averaged predictions fare on another class's bench.
Swaps = tuple[BenchSwap | None, BenchSwap | None]


@dataclass(frozen=True)
class TtaReport:
    """Both sets of metrics; ``seconds`` per photo without and with views, decoding excluded.

    ``opening`` is the how-manyeth opening of the sealed test this was; None if it was none.
    """

    run: Run
    split: str
    opening: int | None
    views: str
    plain: Metrics
    averaged: Metrics
    seconds: tuple[float, float]
    swaps: Swaps
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "run": str(self.run.folder),
            "split": self.split,
            "opening": self.opening,
            "views": self.views,
            "plain": self.plain.as_json(),
            "averaged": self.averaged.as_json(),
            "seconds_per_photo": {"plain": self.seconds[0], "averaged": self.seconds[1]},
            "bench_swap": {
                name: swap.as_json()
                for name, swap in zip(("plain", "averaged"), self.swaps, strict=True)
                if swap is not None
            },
            "files": [str(file) for file in self.files],
        }


def tta_eval(
    run: Run,
    *,
    views: str,
    split: str,
    data: Path | None,
    device: Device,
    command: str,
    on_event: OnEvent,
) -> TtaReport:
    """Predict twice, write both predictions and their metrics into the run, and report.

    ``split`` is valid or test; with ``data``, all photos there are used instead. ``command``
    is noted if that opens the test. Raises ``RunError`` if the run has no model or no such
    photos.
    """
    fixed, n_random = parse_views(views)
    run.require_model()
    config = run.read_config()
    spec = ModelSpec.from_json(run.read_model_spec())
    photos = load_evaluation_photos(
        run,
        split=split,
        data=data,
        classes=spec.classes,
        good=spec.good,
        command=command,
        what="test-time augmentation",
        on_event=on_event,
    )
    learn = _load_learner(run, config, spec, photos, device)

    def predict(chosen: Any, label: str) -> tuple[Predictions, float]:
        begin = time.perf_counter()
        y_prob = class_probabilities(
            learn.model,
            photos.store,
            photos.rows,
            spec.preprocessing,
            device=learn.dls.device,
            views=chosen,
            on_batch=lambda done: on_event(Progress(label, done, len(photos.side))),
        )
        seconds = (time.perf_counter() - begin) / len(photos.side)
        return _join(photos, spec, y_prob), seconds

    plain, plain_seconds = predict((), "without views")
    if n_random:
        averaged, seconds = _random_views(learn, photos, spec, config, n_random)
    else:
        averaged, seconds = predict(fixed, f"views: {views}")
    swaps = (
        _swap_benches(learn, photos, spec, plain, (), on_event),
        _swap_benches(learn, photos, spec, averaged, fixed, on_event) if fixed else None,
    )
    return _keep(run, photos, views, plain, averaged, (plain_seconds, seconds), swaps)


def _swap_benches(
    learn: Learner,
    photos: EvaluationPhotos,
    spec: ModelSpec,
    predictions: Predictions,
    views: Any,
    on_event: OnEvent,
) -> BenchSwap | None:
    """How many decisions another class's bench changes; None with photos of one class only."""
    return bench_swap(
        lambda swapped: class_probabilities(
            learn.model,
            swapped,
            range(len(swapped)),
            spec.preprocessing,
            device=learn.dls.device,
            views=views,
        ),
        photos.store,
        photos.rows,
        predictions.y_true,
        predictions.y_prob,
        good=spec.classes.index(spec.good) if spec.good else None,
        seed=0,
        on_batch=lambda done: on_event(Progress("swapping benches", done, len(photos.side))),
    )


def _load_learner(
    run: Run, config: RunConfig, spec: ModelSpec, photos: EvaluationPhotos, device: Device
) -> Learner:
    """The run's best model in a Learner over ``photos``, built as it was for training."""
    training = config.training
    machine = choose_machine(replace(training, device=device, precision="auto", workers=0))
    backbone, _ = build_backbone(spec.arch, "none", spec.preprocessing.image_size)
    dls = build_loaders(
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
    learn = build_learner(dls, backbone, loss, training=training, precision="fp32")
    learn.model.load_state_dict(load_file(run.model_path))
    return learn


def _random_views(
    learn: Learner, photos: EvaluationPhotos, spec: ModelSpec, config: RunConfig, n: int
) -> tuple[Predictions, float]:
    """fastai's own ``learn.tta``, with draws that repeat in the run's seed."""
    begin = time.perf_counter()
    learn.add_cb(RepeatableDraws(config.training.seed, Position(), first_epoch=0))
    y_prob, _ = learn.tta(n=n)
    seconds = (time.perf_counter() - begin) / len(photos.side)
    return _join(photos, spec, y_prob.as_subclass(torch.Tensor).double().numpy()), seconds


def _join(photos: EvaluationPhotos, spec: ModelSpec, y_prob: NDArray[np.float64]) -> Predictions:
    return predictions_of(photos.photos, spec.classes, spec.good, y_prob)


def _keep(
    run: Run,
    photos: EvaluationPhotos,
    views: str,
    plain: Predictions,
    averaged: Predictions,
    seconds: tuple[float, float],
    swaps: Swaps,
) -> TtaReport:
    before, after = plain.metrics(), averaged.metrics()
    run.write_predictions(photos.split, plain.rows(), plain.columns(), "none")
    files = [run.predictions_path(photos.split)]
    if views != "none":
        run.write_predictions(photos.split, averaged.rows(), averaged.columns(), views)
        files.append(run.predictions_path(photos.split, views))
    run.write_metrics(photos.split, before.as_json())
    run.write_tta(photos.split, views, after.as_json() | {"seconds_per_photo": seconds[1]})
    if swaps[0] is not None:
        run.write_bench_swap(photos.split, swaps[0].as_json())
    return TtaReport(
        run, photos.split, photos.opening, views, before, after, seconds, swaps, tuple(files)
    )
