"""From the answers of people at the line to a labelled set that a training takes."""

import mimetypes
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fastdefect.data.photos import PRODUCT_COLUMN, VIEW_COLUMN
from fastdefect.data.reading.formats import IMAGE_SUFFIXES
from fastdefect.errors import DataError, StoreError
from fastdefect.events import Note, OnEvent
from fastdefect.files import typed, write_json
from fastdefect.jobs.queueing.labelled import (
    Labelled,
    LeftOut,
    Reason,
    labelled,
    one_label_each,
)
from fastdefect.jobs.queueing.photo_set import (
    TABLE,
    SetPhoto,
    add_photo,
    expect_new,
    inside,
    new_folder,
    write_table,
)
from fastdefect.run import Run
from fastdefect.serving.store import Store
from fastdefect.text import counted

REPORT = "queue-export.json"


@dataclass(frozen=True)
class Asked:
    """What to export: the answers in ``store`` on inspections from ``since``, into ``out``.

    ``run``: its photos come into the set, too.
    """

    store: Path
    out: Path
    since: datetime | None = None
    run: Run | None = None


@dataclass(frozen=True)
class Exported:
    """The photos of the line with their labels, those left out, and the photos of the run."""

    asked: Asked
    photos: tuple[Labelled, ...]
    left_out: tuple[LeftOut, ...]
    of_run: int

    @property
    def reasons(self) -> Counter[str]:
        """The number of photos left out, by reason."""
        return Counter(each.reason.value for each in self.left_out)

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``; a file of the set has it, too."""
        run, since = self.asked.run, self.asked.since
        return {
            "store": str(self.asked.store),
            "out": str(self.asked.out),
            "since": None if since is None else since.isoformat(),
            "run": None if run is None else run.name,
            "photos": len(self.photos),
            "parts": len({each.part for each in self.photos}),
            "photos_of_run": self.of_run,
            "by_label": dict(sorted(Counter(each.label for each in self.photos).items())),
            "by_choice": dict(sorted(Counter(each.chosen_by for each in self.photos).items())),
            "left_out": [_left_out(each) for each in self.left_out],
        }


def queue_export(asked: Asked, *, on_event: OnEvent) -> Exported:
    """Write the labelled photos of the line, and those of the run if asked for.

    Raises ``StoreError`` for a folder that is no store, ``DataError`` if no photo has a label.
    """
    expect_new(asked.out)
    earlier = () if asked.run is None else _photos_of(asked.run, on_event)
    with Store.open(asked.store, read_only=True) as store, new_folder(asked.out) as folder:
        kept, left_out = _labelled(store, asked.since)
        kept, of_run = _without(kept, {sha256 for sha256, _ in earlier})
        left_out += of_run
        photos = [photo for _, photo in earlier]
        for photo in photos:
            add_photo(folder, photo)
        line = [_taken(store, each, folder) for each in kept]
        photos += [taken for taken in line if isinstance(taken, SetPhoto)]
        left_out += [lost for lost in line if isinstance(lost, LeftOut)]
        kept = [each for each, got in zip(kept, line, strict=True) if isinstance(got, SetPhoto)]
        if not kept:
            raise _nothing(asked, left_out)
        exported = Exported(asked, tuple(kept), tuple(left_out), len(earlier))
        write_table(folder, photos, split=asked.run is not None)
        write_json(folder / REPORT, exported.as_json())
    for reason, n in exported.reasons.items():
        text = f"{counted(n, 'photo')} left out: {reason}. They are listed in {REPORT}."
        on_event(Note(text, "info" if reason == Reason.OF_RUN else "warning"))
    return exported


def _labelled(store: Store, since: datetime | None) -> tuple[list[Labelled], list[LeftOut]]:
    found: list[Labelled | LeftOut] = []
    for inspection, answers in store.answered(since):
        model = store.model(inspection.model)
        if model is None:  # never: a row of an inspection refers to a row of a model
            raise RuntimeError(inspection.model)
        found += labelled(inspection, answers, model)
    kept, disputed = one_label_each(each for each in found if isinstance(each, Labelled))
    return kept, [*(each for each in found if isinstance(each, LeftOut)), *disputed]


def _without(photos: Sequence[Labelled], known: set[str]) -> tuple[list[Labelled], list[LeftOut]]:
    """The photos that are not of the run, and those that are."""
    of_run = [each for each in photos if each.photo.sha256 in known]
    left_out = [LeftOut(each.inspection, each.photo, Reason.OF_RUN) for each in of_run]
    return [each for each in photos if each.photo.sha256 not in known], left_out


def _taken(store: Store, each: Labelled, folder: Path) -> SetPhoto | LeftOut:
    """The photo, which is in the set now, or why it can't be in it.

    A running server may move or delete the file at any moment (retention).
    """
    sha256 = each.photo.sha256
    try:
        there = store.photo(sha256) is not None
    except StoreError:
        return LeftOut(each.inspection, each.photo, Reason.DAMAGED)
    while there and (path := store.photo_path(sha256)) is not None:
        photo = _of_line(each, path)
        try:
            add_photo(folder, photo)
        except FileNotFoundError:
            if path.exists():  # it is the folder of the set that is gone
                raise
            continue
        return photo
    return LeftOut(each.inspection, each.photo, Reason.GONE)


def _of_line(each: Labelled, file: Path) -> SetPhoto:
    inspection = each.inspection
    return SetPhoto(
        file,
        # With the hash, photos of two stores differ, in a set made of an earlier one.
        f"line/{inspection.number:08d}-{each.photo.sha256[:12]}{_suffix(each)}",
        each.label,
        each.part,
        "",
        each.chosen_by,
        inspection.bundle,
        inspection.id,
        view=each.photo.view or "",
        product=each.photo.product or "",
    )


def _suffix(each: Labelled) -> str:
    """That of the name or the kind: a photo is found by its suffix, and read by its content."""
    given = Path(each.photo.name).suffix.lower()
    for suffix in (given, mimetypes.guess_extension(each.photo.kind) or ""):
        if suffix in IMAGE_SUFFIXES:
            return suffix
    return ".jpg"


def _photos_of(run: Run, on_event: OnEvent) -> list[tuple[str, SetPhoto]]:
    """The photos of the run with their sha256; they keep their sides, and have current labels."""
    from fastdefect.data.splitting.split import SPLITS
    from fastdefect.jobs.trained.run_photos import find_run_photos
    from fastdefect.jobs.training.sides import known_photos

    found = find_run_photos(run, on_event)
    found.require(SPLITS)
    found.tell(on_event)
    known = {photo.sha256: photo for photo in reversed(known_photos(run))}
    return [
        (
            sha256,
            SetPhoto(
                photo.path,
                inside(photo.row["path"], sha256),
                photo.label,
                known[sha256].part or "",
                known[sha256].side,
                view=photo.row.get(VIEW_COLUMN) or "",
                product=photo.row.get(PRODUCT_COLUMN) or "",
            ),
        )
        for photo in found.found.photos
        for sha256 in (photo.row["sha256"],)
    ]


def _nothing(asked: Asked, left_out: Sequence[LeftOut]) -> DataError:
    reasons = Counter(each.reason.value for each in left_out)
    why = "".join(f" {counted(n, 'photo')} left out: {reason}." for reason, n in reasons.items())
    since = "" if asked.since is None else f" on inspections from {asked.since:%Y-%m-%d %H:%M}"
    return DataError(
        f"Expected answers of people in {asked.store}{since}, but no photo has a label.{why}",
        "Answer photos of the queue on the page of fastdefect serve.",
    )


def next_commands(exported: Exported) -> list[str]:
    """What to do with the set."""
    run, out = exported.asked.run, typed(exported.asked.out)
    if run is None:
        return [
            f"These are the photos of the line alone: fastdefect fit {out} --from RUN trains on "
            "them alone, too. With the photos of a run: --with RUN."
        ]
    return [f"Next: fastdefect fit {out} --from {run.name}"]


def _left_out(each: LeftOut) -> dict[str, Any]:
    return {
        "inspection": each.inspection.id,
        "part": each.inspection.part,
        "sha256": each.photo.sha256,
        "reason": each.reason.value,
    }


__all__ = ["TABLE", "Asked", "Exported", "next_commands", "queue_export"]
