"""``fastdefect label-check``: rank labels that are probably wrong, with their photos."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.config import Device
from fastdefect.data.photos import Entry
from fastdefect.data.reading.images import Reading
from fastdefect.errors import DataError, RunError
from fastdefect.evaluation.by_part import Shown
from fastdefect.evaluation.label_check import Suspect, label_suspects
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.events import Note, OnEvent
from fastdefect.files import read_csv, write_csv
from fastdefect.jobs.cross_validate import OUT_OF_FOLD
from fastdefect.jobs.trained.decision import Judged, judge_validation
from fastdefect.jobs.trained.labels import tell_old_labels
from fastdefect.jobs.trained.run_photos import photos_to_show, settle_root
from fastdefect.reporting.sheets.label_check import draw_suspects
from fastdefect.run import Run, RunKind
from fastdefect.text import counted, first
from fastdefect.training.learner import ModelSpec

_COLUMNS = (
    *("path", "label", "suggested", "margin", "confidence"),
    *("part", "part_photos", "part_suspects"),
)


@dataclass(frozen=True)
class LabelCheck:
    """The result of ``label_check``: ``suspects`` among ``predictions``, the most certain first.

    ``source`` of the predictions: oof (out-of-fold, of a cross-validation) or valid.
    """

    run: Run
    source: str
    predictions: Predictions
    suspects: tuple[Suspect, ...]
    files: tuple[Path, ...]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the CSV: one for each suspect, with the names of classes."""
        names, classes = self.predictions.names, self.predictions.classes
        return [
            {
                "path": names[suspect.index],
                **{key: value for key, value in suspect.as_json().items() if key in _COLUMNS},
                "label": classes[suspect.label],
                "suggested": classes[suspect.suggested],
            }
            for suspect in self.suspects
        ]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "run": str(self.run.folder),
            "source": self.source,
            "photos": len(self.predictions.names),
            "suspects": self.rows(),
            "files": [str(file) for file in self.files],
        }


def label_check(
    run: Run, *, show: int, device: Device, on_event: OnEvent, data_root: Path | None = None
) -> LabelCheck:
    """Rank the labels that are probably wrong and write them into the run, with a contact sheet.

    A cross-validation gives predictions of all photos outside the test, each from the fold that
    held it out; another run gives predictions of its validation photos only. The test stays sealed.
    The sheet shows the first ``show`` labels; without suspects there is no sheet. ``data_root``:
    the folder where the photos are now.

    Raises ``RunError``, and writes nothing, if there are no such predictions or if all photos to
    show are missing.
    """
    settle_root(run, data_root, (), on_event)
    source, judged = _judge(run, device, on_event)
    predictions = judged.predictions
    tell_old_labels(run, predictions, on_event)
    suspects = tuple(label_suspects(predictions.y_true, predictions.y_prob, judged.parts))
    table, sheet = run.path("label-check.csv"), run.path("label-check.png")
    files = (table, sheet) if suspects else (table,)
    found = LabelCheck(run, source, predictions, suspects, files)
    shown = suspects[:show]
    if shown:
        photos = _find_photos(run, [predictions.names[each.index] for each in shown], on_event)
        if gone := len(shown) - len(photos):
            are = "is" if gone == 1 else "are"
            text = f"{gone} of the {len(shown)} photos to show {are} missing."
            on_event(Note(text, "warning"))
        paths = {name: entry.path for name, entry in photos.items()}
        of = f"{len(shown)} of {len(suspects)}" if len(shown) < len(suspects) else f"{len(shown)}"
        title = f"{run.name}: labels to check, {of}, the most certain first"
        how = Reading.of(run.read_config().data)
        draw_suspects(sheet, predictions, shown, paths, title=title, how=how)
    else:
        sheet.unlink(missing_ok=True)  # a sheet of an earlier check would be misleading
    write_csv(table, found.rows(), _COLUMNS)
    return found


def _judge(run: Run, device: Device, on_event: OnEvent) -> tuple[str, Judged]:
    if run.read_kind() == RunKind.CROSS_VALIDATION:
        return OUT_OF_FOLD, _read_out_of_fold(run)
    judged = judge_validation(run, "none", device, on_event)
    if run.path("folds.csv").exists():  # each photo was held out once
        return "valid", judged
    photos = counted(len(judged.parts), "validation photo")
    on_event(
        Note(
            f"Only the {photos} of {run.name} can be checked: a model reproduces the labels that "
            "it was trained on. fastdefect fit --final folds trains a run that covers all photos "
            "outside the test, and so does --folds 5.",
            "warning",
        )
    )
    return "valid", judged


def _read_out_of_fold(run: Run) -> Judged:
    path = run.predictions_path(OUT_OF_FOLD)
    if not path.exists():
        raise RunError(
            f"{run.name} has no out-of-fold predictions yet: not all of its folds are finished.",
            f"Continue it with: {run.resume_command}",
        )
    spec = ModelSpec.from_json(run.fold(1).read("model.json"))
    predictions = read_predictions(path, spec.classes, spec.good)
    try:
        parts = tuple(row["part"] for row in read_csv(path))
        return Judged(predictions, Shown.unknown(parts))
    except KeyError as error:
        raise RunError(
            f"Expected the parts in {path}, but it has no column {error}.",
            f"Write it again with: {run.resume_command}",
        ) from error


def _find_photos(run: Run, names: list[str], on_event: OnEvent) -> dict[str, Entry]:
    """The entries of ``names`` that still exist, with their current labels; none is decoded."""
    try:
        found = photos_to_show(run, names, on_event)
    except DataError as error:
        raise RunError(
            f"The photos of {run.name} can't be found: {error.message}", error.hint
        ) from error
    if not found:
        data = run.read_config().data.data
        raise RunError(
            f"Expected the {counted(len(names), 'photo')} to show in {data}, but all are missing: "
            f"{first(names)}.",
            "Restore them, name the folder that has them now (--data-root DIR), or train again on "
            "the current photos.",
        )
    return found
