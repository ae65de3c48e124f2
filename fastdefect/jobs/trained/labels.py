"""Labels that were corrected after the predictions of a run were stored."""

from fastdefect.errors import DataError, UsageError
from fastdefect.evaluation.predictions import Predictions
from fastdefect.events import Note, OnEvent
from fastdefect.files import typed
from fastdefect.jobs.trained.run_photos import photos_to_show
from fastdefect.run import Run, RunKind
from fastdefect.text import counted


def tell_old_labels(run: Run, predictions: Predictions, on_event: OnEvent) -> None:
    """Warn of photos of stored ``predictions`` that have another label now.

    The predictions can be used without the photos: if these can't be found, nothing is reported.
    """
    labels = [predictions.classes[index] for index in predictions.y_true]
    stored = dict(zip(predictions.names, labels, strict=True))
    try:
        now = photos_to_show(run, predictions.names, on_event)
    except (DataError, UsageError):
        return
    n = sum(entry.label != stored[name] for name, entry in now.items())
    if not n:
        return
    have = "has" if n == 1 else "have"
    remedy = (
        "To check the new labels, train again."
        if run.read_kind() == RunKind.CROSS_VALIDATION
        else f"To use the current labels: fastdefect evaluate {typed(run.folder)}"
    )
    on_event(
        Note(
            f"{n} of the {counted(len(stored), 'photo')} {have} another label now. The stored "
            f"predictions of {run.name} are used with the labels of that time. {remedy}",
            "warning",
        )
    )
