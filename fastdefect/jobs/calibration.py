"""The temperature that a run's validation photos ask for, kept beside the model."""

from fastdefect.errors import DataError
from fastdefect.evaluation.calibration import Temperature, fit_temperature
from fastdefect.evaluation.predictions import Predictions
from fastdefect.run import Run


def keep_temperature(run: Run, views: str, valid: Predictions) -> Temperature | None:
    """Fit the temperature to validation predictions and keep it; None where it can't be fitted."""
    try:
        temperature = fit_temperature(valid.y_true, valid.y_prob)
    except DataError:  # validation photos of one class say nothing of the others
        return None
    run.write_calibration(views, temperature.as_json())
    return temperature
