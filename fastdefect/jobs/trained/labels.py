"""Labels that were corrected after the predictions of a run were stored."""

from collections.abc import Sequence

from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.events import Note, OnEvent
from fastdefect.files import typed
from fastdefect.jobs.trained.run_photos import photos_to_show
from fastdefect.run import Run, RunKind
from fastdefect.text import counted


def tell_old_labels(run: Run, predictions: Predictions, on_event: OnEvent) -> None:
    """Warn of photos of stored ``predictions`` that have another label now.

    The predictions can be used without the photos: if these can't be found, nothing is reported.
    """
    stored = _label_of(predictions)
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


def keep_predictions(
    run: Run, names: Sequence[str], predictions: Predictions, views: str, on_event: OnEvent
) -> None:
    """Write predictions of photos with their current labels into the run, under each of ``names``.

    A temperature that was fitted to other labels of the same photos is deleted: the next decision
    fits it again.
    """
    temperatures = run.read("calibration.json")
    if "valid" in names and views in temperatures and _relabelled(run, predictions, views):
        del temperatures[views]
        run.write("calibration.json", temperatures)
        on_event(Note(_old_temperature_text(run)))
    for name in names:
        run.write_predictions(name, predictions.rows(), predictions.columns(), views)


def _relabelled(run: Run, now: Predictions, views: str) -> bool:
    """Whether stored predictions of validation have other labels than ``now``, or are damaged."""
    path = run.predictions_path("valid", views)
    if not path.exists():
        return False
    try:
        stored = read_predictions(path, now.classes, now.good)
    except RunError:
        return True
    return _label_of(stored) != _label_of(now)


def _label_of(predictions: Predictions) -> dict[str, str]:
    labels = [predictions.classes[index] for index in predictions.y_true]
    return dict(zip(predictions.names, labels, strict=True))


def _old_temperature_text(run: Run) -> str:
    text = (
        f"The temperature of {run.name} was fitted to other labels of validation. It is fitted to "
        "the current labels when it is needed again."
    )
    if run.path("operating_point.json").exists():
        text += (
            " The threshold was chosen with the other temperature. To choose it again: fastdefect "
            f"threshold {typed(run.folder)}"
        )
    return text
