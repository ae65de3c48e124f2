"""The temperature of a run, fitted on validation and stored with the model."""

from dataclasses import replace

import numpy as np

from fastdefect.evaluation.decisions.calibration import Temperature, fit_temperature
from fastdefect.evaluation.predictions import Predictions
from fastdefect.run import Run


def keep_temperature(run: Run, views: str, valid: Predictions) -> Temperature | None:
    """Fit the temperature to validation predictions and store it.

    It is 1 for a joint model, whose classifier is calibrated inside: another one would move the
    bound of its memory. Return None, and store nothing, if all photos are of one class: a fit needs
    two. Raises ``DataError`` for predictions that are not finite.
    """
    if len(np.unique(valid.y_true)) < 2:
        return None
    temperature = fit_temperature(valid.y_true, valid.y_prob)
    if run.read("model.json").get("memory"):
        temperature = replace(
            temperature, value=1.0, nll_after=temperature.nll_before, bounded=False
        )
    run.put("calibration.json", views, temperature.as_json())
    return temperature
