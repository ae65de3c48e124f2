"""Which views of a photo a run's decisions average, where the user leaves it open."""

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

Ask = Callable[[Sequence[View]], Predictions]


@dataclass(frozen=True)
class Deciding:
    """The views that decisions average, by name, and the validation photos' predictions so."""

    views: str
    valid: Predictions


def settle_views(
    run: Run, config: RunConfig, valid: Predictions, ask: Ask, on_event: OnEvent
) -> Deciding:
    """The views that decisions average, kept in ``model.json``, with their predictions.

    ``auto``: flips if they raise the AUC of validation or, where that stays, lower its log loss,
    each calibrated; none without augmentation, as such a model knows no flipped parts, and in
    trainings that are compared with one another. ``valid``: the predictions without views; ``ask``
    gives them with some.
    """
    name: str = config.report.views
    deciding = Deciding("none", valid)
    if name == _AUTO:
        tried = (
            AUGMENTATIONS[config.data.augment].symmetries != "none"
            and run.read_kind() in (RunKind.TRAINING, RunKind.ENSEMBLE)
            and len(np.unique(valid.y_true)) > 1  # photos of one class rank nothing
        )
        if tried:
            deciding = _better(run, valid, _asked(run, _TRIED, ask), on_event)
    elif name != "none":
        deciding = _asked(run, name, ask)
        keep_temperature(run, name, deciding.valid)
    run.write("model.json", {**run.read("model.json"), "views": deciding.views})
    return deciding


def _asked(run: Run, name: str, ask: Ask) -> Deciding:
    found = ask(FIXED_VIEWS[name])
    run.write_predictions("valid", found.rows(), found.columns(), name)
    return Deciding(name, found)


def require_fixed(text: str) -> Sequence[View]:
    """The views of ``text``; raises ``UsageError`` for random ones and for no views' name.

    An operating point holds for what decides, and random views decide otherwise each time.
    """
    views, n_random = parse_views(text)
    if n_random:
        raise UsageError(
            f"--views {text}: random views are for tta-eval only.",
            "Choose fixed views, for example --views flips.",
        )
    return views


def _better(run: Run, valid: Predictions, flipped: Deciding, on_event: OnEvent) -> Deciding:
    plain = Deciding("none", valid)
    temperatures = [keep_temperature(run, each.views, each.valid) for each in (plain, flipped)]
    before, after = (t.nll_after for t in temperatures if t)
    auc = [each.valid.metrics().auc for each in (plain, flipped)]
    # Ranks first: what flips do to the threshold, temperature and operating point mend.
    better = flipped if (auc[1], -after) > (auc[0], -before) else plain
    insist = "none, which is four times as fast," if better is flipped else _TRIED
    on_event(
        Note(
            f"Four flipped views of each photo change the AUC of validation from {auc[0]:.3f} to "
            f"{auc[1]:.3f}, the log loss from {before:.3f} to {after:.3f}: decisions average "
            f"{better.views}; --views {insist} to insist."
        )
    )
    return better
