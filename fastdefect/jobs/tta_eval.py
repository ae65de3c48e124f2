"""``fastdefect tta-eval``: a run's model on a split or on other photos, without and with TTA."""

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
from fastdefect.jobs.trained.model import TrainedModel, load_model, read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.metrics import Metrics
from fastdefect.run import Run
from fastdefect.training.callbacks import Position, RepeatableDraws
from fastdefect.training.learner import build_loss, choose_device

# How the plain and the averaged predictions fare on another class's background.
Swaps = tuple[BackgroundSwap | None, BackgroundSwap | None]


@dataclass(frozen=True)
class TtaReport:
    """Both sets of metrics; ``seconds`` per photo without and with views, decoding excluded.

    ``photos`` and ``parts`` tell how many decisions the views changed, and whether by luck.

    ``opening`` is the how-manyeth opening of the sealed test this was; None if it was none.
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


def tta_eval(run: Run, request: Request, *, on_event: OnEvent) -> TtaReport:
    """Predict twice, write both predictions and their metrics into the run, and report.

    Without views in ``request`` these are flips. Raises ``RunError`` if the run has no model or no
    such photos.
    """
    device = request.device
    views = resolve_views(request.views or "flips", run.read_config().data.augment)
    fixed, n_random = parse_views(views)
    spec = read_spec(run)
    choose_device(device)  # one that isn't there should not open the test
    photos = load_evaluation_photos(
        run, request, spec, what="test-time augmentation", on_event=on_event
    )
    if n_random and photos.fold is not None:
        raise UsageError(
            f"--views {views}: the validation photos of {run.name} are each for one of its "
            "networks, and random views are for one that is asked about all of them.",
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
    swaps = (
        model.swap_backgrounds(plain, on_event=on_event),
        model.swap_backgrounds(averaged, fixed, on_event=on_event) if fixed else None,
    )
    return _keep(run, photos, views, plain, averaged, (plain_seconds, seconds), swaps)


def _random_views(run: Run, model: TrainedModel, n: int) -> Predictions:
    """fastai's own ``learn.tta``, which wants a Learner; its draws repeat in the run's seed."""
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
    run: Run,
    photos: EvaluationPhotos,
    views: str,
    plain: Predictions,
    averaged: Predictions,
    seconds: tuple[float, float],
    swaps: Swaps,
) -> TtaReport:
    before, after = plain.metrics(), averaged.metrics()
    was, now = (each.y_prob.argmax(axis=1) == each.y_true for each in (plain, averaged))
    by_photo, by_part = mcnemar(was, now), mcnemar_by_part(was, now, photos.parts)
    run.write_predictions(photos.split, plain.rows(), plain.columns(), "none")
    files = [run.predictions_path(photos.split)]
    if views != "none":
        run.write_predictions(photos.split, averaged.rows(), averaged.columns(), views)
        files.append(run.predictions_path(photos.split, views))
    run.put("metrics.json", photos.split, before.as_json())
    more = {"seconds_per_photo": seconds[1], "mcnemar": by_photo.as_json()}
    run.put("tta.json", (photos.split, views), after.as_json() | more)
    if swaps[0] is not None:
        run.put("background_swap.json", photos.split, swaps[0].as_json())
    return TtaReport(
        run=run,
        split=photos.split,
        opening=photos.opening,
        views=views,
        plain=before,
        averaged=after,
        photos=by_photo,
        parts=by_part,
        seconds=seconds,
        swaps=swaps,
        files=tuple(files),
    )
