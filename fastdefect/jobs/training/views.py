"""The views of a photo that a run's decisions average: given, or chosen on validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.config import RunConfig
from fastdefect.errors import UsageError
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
    run: Run, config: RunConfig, valid: Predictions, predict: PredictViews, on_event: OnEvent
) -> Deciding:
    """The views that decisions average, stored in ``model.json``, with their predictions.

    ``auto`` is flips if they raise the AUC of validation or, at an equal AUC, lower its log loss,
    both calibrated. It is none without augmentation, as such a model was not trained on flipped
    parts, and in trainings that are compared with each other. ``valid``: the predictions without
    views; ``predict`` gives them with views.
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
            deciding = _better(run, valid, _predicted(run, _TRIED, predict), on_event)
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


def _better(run: Run, valid: Predictions, flipped: Deciding, on_event: OnEvent) -> Deciding:
    plain = Deciding("none", valid)
    temperatures = [keep_temperature(run, each.views, each.valid) for each in (plain, flipped)]
    before, after = (t.nll_after for t in temperatures if t)
    auc = [each.valid.metrics().auc for each in (plain, flipped)]
    # AUC first: the temperature and the operating point correct a shift of the probabilities.
    better = flipped if (auc[1], -after) > (auc[0], -before) else plain
    insist = "none, which is four times as fast" if better is flipped else _TRIED
    decided = (
        "decisions average these views" if better is flipped else "decisions use the photo alone"
    )
    on_event(
        Note(
            f"Four flipped views of each photo change the AUC of validation from {auc[0]:.3f} to "
            f"{auc[1]:.3f}, the log loss from {before:.3f} to {after:.3f}: "
            f"{decided}. To override: --views {insist}."
        )
    )
    return better
