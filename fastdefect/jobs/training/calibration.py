"""The temperature of a run, fitted on validation and stored with the model."""

import numpy as np

from fastdefect.evaluation.decisions.calibration import Temperature, fit_temperature
from fastdefect.evaluation.predictions import Predictions
from fastdefect.run import Run


def keep_temperature(run: Run, views: str, valid: Predictions) -> Temperature | None:
    """Fit the temperature to validation predictions and store it.

    Return None, and store nothing, if all photos are of one class: a fit needs two. Raises
    ``DataError`` for predictions that are not finite.
    """
    if len(np.unique(valid.y_true)) < 2:
        return None
    temperature = fit_temperature(valid.y_true, valid.y_prob)
    run.put("calibration.json", views, temperature.as_json())
    return temperature
