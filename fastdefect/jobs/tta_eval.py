"""``fastdefect tta-eval``: measure a run's model without and with test-time augmentation."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fastai.learner import Learner

from fastdefect.data.loaders import LoaderOptions, build_loaders
from fastdefect.errors import UsageError
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.robustness.background_swap import BackgroundSwap
from fastdefect.evaluation.statistics.paired import McNemar, mcnemar, mcnemar_by_part
from fastdefect.evaluation.views import parse_views, resolve_views
from fastdefect.events import OnEvent
from fastdefect.jobs.trained.labels import keep_predictions
from fastdefect.jobs.trained.model import TrainedModel, load_model, read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import settle_root
from fastdefect.metrics import Metrics
from fastdefect.run import Run
from fastdefect.training.callbacks import Position, RepeatableDraws
from fastdefect.training.learner import build_loss, choose_device

# The background swap of the plain and of the averaged predictions.
Swaps = tuple[BackgroundSwap | None, BackgroundSwap | None]


@dataclass(frozen=True)
class TtaReport:
    """The metrics without and with views; ``seconds`` per photo for each, without decoding.

    ``photos`` and ``parts`` test the changed decisions for significance. ``opening`` counts the
    openings of the sealed test up to this one; None if the test was not opened.
    """

    run: Run
    split: str
    opening: int | None
    views: str
    plain: Metrics
    averaged: Metrics
    photos: McNemar
    parts: McNemar
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
            "mcnemar": {"photos": self.photos.as_json(), "parts": self.parts.as_json()},
            "seconds_per_photo": {"plain": self.seconds[0], "averaged": self.seconds[1]},
            "background_swap": {
                name: swap.as_json()
                for name, swap in zip(("plain", "averaged"), self.swaps, strict=True)
                if swap is not None
            },
            "files": [str(file) for file in self.files],
        }


@dataclass(frozen=True)
class _Arm:
    """The predictions with ``views``, the seconds per photo, and their background swap."""

    views: str
    predictions: Predictions
    seconds: float
    swap: BackgroundSwap | None


def tta_eval(run: Run, request: Request, *, on_event: OnEvent) -> TtaReport:
    """Predict without and with views; write both predictions and their metrics into the run.

    The views are flips unless ``request`` names others. Raises ``RunError`` if the run has no model
    or no such photos.
    """
    device = request.device
    views = resolve_views(request.views or "flips", run.read_config().data.augment)
    fixed, n_random = parse_views(views)
    spec = read_spec(run)
    settle_root(run, request.data_root, request.sides, on_event)
    choose_device(device)  # a missing device must not open the test
    photos = load_evaluation_photos(
        run, request, spec, what="test-time augmentation", on_event=on_event
    )
    if n_random and photos.fold is not None:
        raise UsageError(
            f"--views {views}: random views need one network for all photos, but each validation "
            f"photo of {run.name} is predicted by the network of its fold.",
            "Choose fixed views, for example --views flips, or --split test, or --data.",
        )
    model = load_model(run, photos, device)

    def timed(predict: Callable[[], Predictions]) -> tuple[Predictions, float]:
        begin = time.perf_counter()
        predictions = predict()
        return predictions, (time.perf_counter() - begin) / len(photos.side)

    plain, plain_seconds = timed(lambda: model.predict(on_event=on_event, label="without views"))
    if n_random:
        averaged, seconds = timed(lambda: _random_views(run, model, n_random))
    else:
        averaged, seconds = timed(
            lambda: model.predict(fixed, on_event=on_event, label=f"views: {views}")
        )
    plain_swap = model.swap_backgrounds(plain, on_event=on_event)
    swap = model.swap_backgrounds(averaged, fixed, on_event=on_event) if fixed else None
    return _keep(
        run,
        photos,
        _Arm("none", plain, plain_seconds, plain_swap),
        _Arm(views, averaged, seconds, swap),
        on_event,
    )


def _random_views(run: Run, model: TrainedModel, n: int) -> Predictions:
    """Predict by fastai's ``learn.tta``, which needs a Learner; the run's seed fixes the draws."""
    config, photos, spec = run.read_config(), model.photos, model.spec
    device = model.predictor.device
    dls: Any = build_loaders(
        photos.manifest,
        photos.store,
        photos.side,
        photos.side,
        LoaderOptions(
            classes=spec.classes,
            preprocessing=spec.preprocessing,
            augment=config.data.augment,
            batch_size=config.training.batch_size,
            seed=config.training.seed,
            device=device,
        ),
    )
    learn = Learner(
        dls,
        model.predictor.network,
        build_loss(None, 0.0, device),
        cbs=[RepeatableDraws(config.training.seed, Position(), first_epoch=0)],
    )
    with learn.no_bar(), learn.no_logging():
        y_prob, _ = learn.tta(n=n)
    return model.joined(y_prob.as_subclass(torch.Tensor).double().numpy())


def _keep(
    run: Run, photos: EvaluationPhotos, plain: _Arm, averaged: _Arm, on_event: OnEvent
) -> TtaReport:
    """Write the predictions and figures of both into the run; return the report."""
    arms = (plain, averaged)
    before, after = (arm.predictions.metrics() for arm in arms)
    was_right, is_right = (
        arm.predictions.y_prob.argmax(axis=1) == arm.predictions.y_true for arm in arms
    )
    by_photo = mcnemar(was_right, is_right)
    by_part = mcnemar_by_part(was_right, is_right, photos.parts)
    files = []
    for arm in arms if averaged.views != "none" else (plain,):
        keep_predictions(run, photos.names, arm.predictions, arm.views, on_event)
        files.append(run.predictions_path(photos.stem, arm.views))
    more = {"seconds_per_photo": averaged.seconds, "mcnemar": by_photo.as_json()}
    for name in photos.names:
        run.put("metrics.json", name, before.as_json())
        run.put("tta.json", (name, averaged.views), after.as_json() | more)
        if plain.swap is not None:
            run.put("background_swap.json", name, plain.swap.as_json())
    return TtaReport(
        run=run,
        split=photos.split,
        opening=photos.opening,
        views=averaged.views,
        plain=before,
        averaged=after,
        photos=by_photo,
        parts=by_part,
        seconds=(plain.seconds, averaged.seconds),
        swaps=(plain.swap, averaged.swap),
        files=tuple(files),
    )
