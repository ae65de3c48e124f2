"""``fastdefect label-check``: labels to look at again, ranked, with their photos."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.config import Device
from fastdefect.data.load import list_data
from fastdefect.data.photos import Entry
from fastdefect.data.reading.images import Reading
from fastdefect.errors import DataError, RunError
from fastdefect.evaluation.label_check import Suspect, label_suspects
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.events import Note, OnEvent
from fastdefect.files import read_csv, write_csv
from fastdefect.jobs.cross_validate import OUT_OF_FOLD
from fastdefect.jobs.trained.decision import Judged, judge_validation
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
    """What ``label_check`` found: ``suspects`` are among ``predictions``, the surest first.

    ``source`` says where the predictions are from: oof, of a cross-validation, or valid.
    """

    run: Run
    source: str
    predictions: Predictions
    suspects: tuple[Suspect, ...]
    files: tuple[Path, ...]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each suspect, classes by their names: the CSV."""
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


def label_check(run: Run, *, show: int, device: Device, on_event: OnEvent) -> LabelCheck:
    """Rank the labels that are probably wrong and write them into the run, with a sheet.

    A cross-validation is asked about all photos outside the test, each by the fold that never
    saw it; another run only about its validation photos. The test stays sealed. The sheet shows
    the first ``show``; where no label is in doubt, there is none.

    Raises ``RunError`` if there are no such predictions, or none of the photos to show is where
    it was; nothing is written then.
    """
    source, judged = _judge(run, device, on_event)
    predictions = judged.predictions
    suspects = tuple(label_suspects(predictions.y_true, predictions.y_prob, judged.parts))
    table, sheet = run.path("label-check.csv"), run.path("label-check.png")
    files = (table, sheet) if suspects else (table,)
    found = LabelCheck(run, source, predictions, suspects, files)
    shown = suspects[:show]
    if shown:
        photos = _find_photos(run, [predictions.names[each.index] for each in shown])
        _tell_changes(predictions, shown, photos, on_event)
        paths = {name: entry.path for name, entry in photos.items()}
        of = f"{len(shown)} of {len(suspects)}" if len(shown) < len(suspects) else f"{len(shown)}"
        title = f"{run.name}: labels to look at again, {of}, the surest first"
        how = Reading.of(run.read_config().data)
        draw_suspects(sheet, predictions, shown, paths, title=title, how=how)
    else:
        sheet.unlink(missing_ok=True)  # an earlier one would be taken for this one's
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
            f"Only the {photos} of {run.name} can be asked about: a model repeats the labels that "
            "it was trained on. fastdefect fit --final folds makes a run that covers all photos "
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
            f"Go on with it: {run.resume_command}",
        )
    spec = ModelSpec.from_json(run.fold(1).read("model.json"))
    predictions = read_predictions(path, spec.classes, spec.good)
    try:
        return Judged(predictions, tuple(row["part"] for row in read_csv(path)))
    except KeyError as error:
        raise RunError(
            f"{path} names no parts: it has no column {error}.",
            f"Have it made again: {run.resume_command}",
        ) from error


def _find_photos(run: Run, names: list[str]) -> dict[str, Entry]:
    """Those of ``names`` that are still among the run's photos; none of them is opened."""
    config = run.read_config().data
    try:
        listing = list_data(config)
    except DataError as error:
        raise RunError(
            f"The photos of {run.name} can't be found: {error.message}",
            f"Put them back to {config.data}.",
        ) from error
    wanted = set(names)
    found = {entry.name: entry for entry in listing.entries if entry.name in wanted}
    if not found:
        raise RunError(
            f"None of the {counted(len(names), 'photo')} to show is in {config.data} any more: "
            f"{first(names)}.",
            "Put them back, or train again on the photos as they are.",
        )
    return found


def _tell_changes(
    predictions: Predictions,
    shown: tuple[Suspect, ...],
    photos: Mapping[str, Entry],
    on_event: OnEvent,
) -> None:
    """Labels that were mended since are told: the list is of those that the run was given."""
    given = {predictions.names[each.index]: predictions.classes[each.label] for each in shown}
    gone = len(given) - len(photos)
    other = sum(photos[name].label != label for name, label in given.items() if name in photos)
    if gone:
        on_event(
            Note(f"{gone} of the {len(given)} photos to show are not where they were.", "warning")
        )
    if other:
        on_event(
            Note(
                f"{other} of the {len(given)} photos to show have another label by now: train "
                "again, and the check is of the new ones.",
                "warning",
            )
        )
