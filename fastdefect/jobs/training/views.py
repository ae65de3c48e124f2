"""The views of a photo that a run's decisions average: given, or flips that validation checks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.config import RunConfig
from fastdefect.errors import UsageError
from fastdefect.evaluation.compare import Answers, FigureChange, SharedPhotos, compare
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.views import FIXED_VIEWS, parse_views
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.training.calibration import keep_temperature
from fastdefect.run import Run, RunKind
from fastdefect.training.predict import View

_AUTO = "auto"
_TRIED = "flips"

PredictViews = Callable[[Sequence[View]], Predictions]


@dataclass(frozen=True)
class Deciding:
    """The views that decisions average, by name, and the validation predictions with them."""

    views: str
    valid: Predictions


def settle_views(
    run: Run,
    config: RunConfig,
    valid: Predictions,
    parts: Sequence[str],
    predict: PredictViews,
    on_event: OnEvent,
) -> Deciding:
    """The views that decisions average, stored in ``model.json``, with their predictions.

    ``auto`` is flips, unless validation shows that they lower the AUC (``compare``): a mean over
    poses that the training has shown varies less than the answer for one of them, and a few
    validation parts can't tell the difference. It is none without augmentation, as such a model was
    not trained on flipped parts, and in trainings that are compared with each other. ``valid``: the
    predictions without views of photos of ``parts``; ``predict`` gives them with views.
    """
    name: str = config.report.views
    deciding = Deciding("none", valid)
    if name == _AUTO:
        tried = (
            AUGMENTATIONS[config.data.augment].symmetries != "none"
            # Flipped photos are unfamiliar to a memory, which does not contain them.
            and config.data.learn == "classes"
            and run.read_kind() in (RunKind.TRAINING, RunKind.ENSEMBLE)
            and len(np.unique(valid.y_true)) > 1  # one class has no AUC
        )
        if tried:
            flipped = _predicted(run, _TRIED, predict)
            deciding = _unless_worse(run, config, valid, flipped, parts, on_event)
    elif name != "none":
        deciding = _predicted(run, name, predict)
        keep_temperature(run, name, deciding.valid)
    run.write("model.json", {**run.read("model.json"), "views": deciding.views})
    return deciding


def _predicted(run: Run, name: str, predict: PredictViews) -> Deciding:
    found = predict(FIXED_VIEWS[name])
    run.write_predictions("valid", found.rows(), found.columns(), name)
    return Deciding(name, found)


def require_fixed(text: str) -> Sequence[View]:
    """The views of ``text``; raises ``UsageError`` for random views and unknown names.

    An operating point needs repeatable decisions, which random views don't give.
    """
    views, n_random = parse_views(text)
    if n_random:
        raise UsageError(
            f"--views {text}: only tta-eval takes random views.",
            "Choose fixed views, for example --views flips.",
        )
    return views


def _unless_worse(
    run: Run,
    config: RunConfig,
    valid: Predictions,
    flipped: Deciding,
    parts: Sequence[str],
    on_event: OnEvent,
) -> Deciding:
    plain = Deciding("none", valid)
    temperatures = [keep_temperature(run, each.views, each.valid) for each in (plain, flipped)]
    before, after = (t.nll_after for t in temperatures if t)
    # Not the log loss: the temperature and the operating point correct the probabilities.
    auc = _change_of_auc(valid, flipped.valid, parts, config.training.seed)
    worse = auc.verdict == "worse"
    decided = (
        f"decisions use the photo alone. To override: --views {_TRIED}"
        if worse
        else "decisions average these views. To override: --views none, which is four times as fast"
    )
    on_event(
        Note(
            "Four flipped views of each photo change the AUC of validation from "
            f"{auc.difference.before:.3f} to {auc.difference.after:.3f}"
            f"{', a significant loss' if worse else ''}, the log loss from {before:.3f} to "
            f"{after:.3f}: {decided}."
        )
    )
    return plain if worse else flipped


def _change_of_auc(
    plain: Predictions, flipped: Predictions, parts: Sequence[str], seed: int
) -> FigureChange:
    photos = SharedPhotos(plain.names, tuple(parts), plain.y_true, plain.classes, plain.good)
    before, after = (Answers(of.y_prob, of.y_prob.argmax(axis=1)) for of in (plain, flipped))
    return compare(photos, before, after, seed=seed).figures["auc"]
