"""The photos of a run where they are now: in its data folder, or below a folder named later.

An evaluation uses the current labels: the user corrected them on purpose. A training that continues
must have the photos and labels that it began with, or it would not be the same training.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastdefect.config import DataConfig
from fastdefect.data.load import list_data, read_data
from fastdefect.data.photos import UNUSED, Entry, Layout, Listing, Manifest
from fastdefect.data.reading.labels import JOINED
from fastdefect.data.splitting.found import Found, Place, find_photos
from fastdefect.data.splitting.split import SPLITS, saved_rows
from fastdefect.data.store import PhotoStore
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.jobs.trained.differences import changes_of_labels, tell_differences
from fastdefect.run import SERIES, DataRoot, Run, RunKind
from fastdefect.text import counted, first

ALL_SIDES = (*SPLITS, UNUSED)


@dataclass(frozen=True)
class RunPhotos:
    """The photos of a run, found in ``place``.

    ``config`` is that of the run, with the current place as its data. ``classes`` are those of the
    run. ``total`` is the number of its photos.
    """

    run: Run
    config: DataConfig
    classes: tuple[str, ...]
    layout: Layout
    found: Found
    total: int

    @property
    def place(self) -> Path:
        """The data folder, or the folder that took its place."""
        return self.config.data

    @property
    def labelled_place(self) -> Path | None:
        """The place if it lists any of the photos with a label."""
        return self.place if any(photo.listed for photo in self.found.photos) else None

    def require(self, sides: Sequence[str]) -> None:
        """Raise ``DataError`` if a photo of ``sides`` is missing or has changed."""
        changed = [row["path"] for row in self.found.changed if row["split"] in sides]
        lost = [row["path"] for row in self.found.missing if row["split"] in sides]
        differences = [
            f"{len(names)} {what}: {first(names, 5)}"
            for what, names in (("missing or unreadable", lost), ("changed", changed))
            if names
        ]
        if differences:
            raise DataError(
                f"Expected the photos of {self.run.name} in {self.place}, but found only "
                f"{len(self.found.photos)} of {self.total}; {'; '.join(differences)}.",
                "Restore them, or name a folder that has them anywhere below it: --data-root DIR. "
                "A photo is found by its bytes (sha256).",
            )

    def require_known_labels(self, sides: Sequence[str]) -> None:
        """Raise ``DataError`` for a current label that is no class of the run."""
        other = [
            f"{photo.row['path']} ({photo.label})"
            for photo in self.found.relabelled
            if photo.row["split"] in sides and photo.label not in self.classes
        ]
        if other:
            raise DataError(
                f"Found {counted(len(other), 'photo')} with a current label that is no class of "
                f"{self.run.name}: {first(other)}. Its classes are {', '.join(self.classes)}.",
                "Train on the new class with fastdefect fit DATA --from RUN, or correct the label.",
            )

    def require_same_labels(self) -> None:
        """Raise ``DataError`` if labels have changed: a training can't continue with others."""
        if relabelled := self.found.relabelled:
            names = first([photo.row["path"] for photo in relabelled], 5)
            raise DataError(
                f"{counted(len(relabelled), 'label')} changed after the training of "
                f"{self.run.name} began ({changes_of_labels(self.found)}): {names}. A resumed "
                "training continues with the labels that it began with.",
                "Restore these labels to resume, or train on the new ones: fastdefect fit DATA, "
                "or fastdefect fit DATA --from RUN.",
            )

    def tell(self, on_event: OnEvent) -> None:
        """Report photos that were moved, added, relabelled, removed or changed since."""
        tell_differences(self.run.name, self.found, self.place, on_event)

    def require_listed(self) -> None:
        """Raise ``DataError`` if the place does not label the photos as the data folder did."""
        if any(photo.listed is None for photo in self.found.photos):
            raise DataError(
                f"{self.run.name} trains several networks and splits its photos again for each, "
                f"but {self.place} does not have the layout of their data folder.",
                "Name the folder or CSV that took the place of the data: --data-root DATA.",
            )

    def read(
        self, sides: Sequence[str], config: DataConfig, *, workers: int, on_event: OnEvent
    ) -> tuple[Manifest, PhotoStore]:
        """Read the photos of ``sides`` under their names in the split, in its order."""
        entries = tuple(p.entry for p in self.found.photos if p.row["split"] in sides)
        listing = Listing(self.place, self.layout, entries, self.classes, ())
        # What the run has read before can't be skipped now.
        config = replace(config, data=self.place, strict=True)
        return read_data(config, workers=workers, on_event=on_event, listing=listing)


def find_run_photos(run: Run, on_event: OnEvent) -> RunPhotos:
    """Find the photos of the run's split, in the place that the run remembers.

    Raises ``DataError`` if the folder of the photos does not exist.
    """
    known = run.read_data_root()
    if known is None:
        return _find(run, None, {}, on_event)
    if not known.folder.exists():
        raise DataError(
            f"The photos of {run.name} were found again below {known.folder}, but this folder does "
            "not exist now.",
            "Restore it, or name the folder that has them now: --data-root DIR.",
        )
    return _find(run, known.folder, known.names, on_event)


def settle_root(run: Run, root: Path | None, sides: Sequence[str], on_event: OnEvent) -> None:
    """Find the photos of the run below ``root``, and remember it; do nothing if it is None.

    Raises ``DataError``, and remembers nothing, if there is no photo of the run, or if photos of
    ``sides`` are missing.
    """
    if root is None:
        return
    root = Path(os.path.abspath(root))  # noqa: PTH100 - links are not resolved
    if not root.exists():
        raise UsageError(
            f"--data-root {root}: expected a folder, but it does not exist.",
            "Name a folder that has the photos of the run anywhere below it.",
        )
    photos = _find(run, root, {}, on_event)
    found = photos.found
    if not found.photos:
        names = first([row["path"] for row in (*found.missing, *found.changed)])
        raise DataError(
            f"--data-root {root}: none of the {photos.total} photos of {run.name} is below it, "
            f"such as {names}.",
            "Name another folder. A photo is found by its bytes (sha256), under any name.",
        )
    photos.require(sides)
    inside = {
        photo.row["path"]: Path(os.path.relpath(photo.path, root)).as_posix()
        for photo in found.photos
        if photo.path.is_relative_to(root)
    }
    run.note_data_root(DataRoot(root, inside, photos.labelled_place))
    on_event(
        Note(
            f"Found {len(found.photos)} of the {photos.total} photos of {run.name} in {root}; the "
            "run remembers it."
        )
    )


def read_to_resume(
    run: Run, config: DataConfig, *, workers: int, on_event: OnEvent
) -> tuple[Manifest, PhotoStore]:
    """Read the photos and labels that the training of the run began with, as it read them.

    ``config`` may differ from that of the run in the form of the pixels. Raises ``DataError`` for
    photos that are missing, changed or relabelled.
    """
    photos = find_run_photos(run, on_event)
    photos.require(ALL_SIDES)
    photos.require_same_labels()
    if run.read_kind() in (*SERIES, RunKind.ENSEMBLE):
        photos.require_listed()
    photos.tell(on_event)
    return photos.read(ALL_SIDES, config, workers=workers, on_event=on_event)


def photos_to_show(run: Run, names: Sequence[str], on_event: OnEvent) -> dict[str, Entry]:
    """The entries of ``names`` that still exist, with their current labels, for a picture.

    They are found by name alone while the data folder lists them all, else by their bytes. Raises
    ``DataError`` if the folder of the photos does not exist.
    """
    wanted = set(names)
    listed: dict[str, Entry] = {}
    searchable = run.path(_table(run)).exists()
    if run.read_data_root() is None:
        try:
            listing = list_data(run.read_config().data)
            listed = {entry.name: entry for entry in listing.entries if entry.name in wanted}
        except (DataError, UsageError):
            if not searchable:
                raise
    if wanted <= listed.keys() or not searchable:
        return listed
    photos = find_run_photos(run, on_event).found.photos
    found = {photo.row["path"]: photo.entry for photo in photos}
    return {**listed, **{name: entry for name, entry in found.items() if name in wanted}}


# ---- searching ---------------------------------------------------------------------------


def _find(run: Run, root: Path | None, names: Mapping[str, str], on_event: OnEvent) -> RunPhotos:
    config = run.read_config().data
    rows = saved_rows(run.path(_table(run)))
    # A run that has learned from good parts alone may have no photo of its other class.
    labels = {row["label"] for row in rows} | ({JOINED} if config.learn == "good" else set())
    classes = tuple(sorted(labels))
    if root is None and not config.data.exists():
        raise DataError(
            f"The photos of {run.name} were in {config.data}, which does not exist now.",
            "Name the folder that has them now: --data-root DIR. They are found there by their "
            "bytes, and the run remembers it.",
        )

    def search(listing: Listing | None) -> Found:
        below = root or (config.data if listing is None else None)
        return find_photos(
            rows,
            Place(
                listing.entries if listing else (),
                below if below is not None and below.is_dir() else None,
                names,
            ),
            lambda done, total: on_event(Progress("searching for the photos", done, total)),
        )

    config = replace(config, data=root or config.data)
    listing = _listing(config, classes, root is not None)
    found = search(listing)
    inner = found.most_common_folder() if listing is None else None
    if inner is not None and (listing := _listing(replace(config, data=inner), classes, True)):
        config, found = replace(config, data=inner), search(listing)
    unread = _unreadable_then(run)
    found = replace(found, new=tuple(name for name in found.new if name not in unread))
    layout = listing.layout if listing else "classes"
    return RunPhotos(run, config, classes, layout, found, len(rows))


def _table(run: Run) -> str:
    """The file with the run's photos: a cross-validation has no single split."""
    return "folds.csv" if run.read_kind() == RunKind.CROSS_VALIDATION else "split.csv"


def _listing(config: DataConfig, classes: Sequence[str], elsewhere: bool) -> Listing | None:
    """The photos with their current labels; None where the folder does not label them.

    A folder named later may be far above the photos: its folders are then no classes.
    """
    try:
        listing = list_data(config)
    except (DataError, UsageError):
        if config.data.is_file():
            raise
        return None
    labels = set(listing.classes)
    return listing if not elsewhere or labels <= set(classes) or labels >= set(classes) else None


def _unreadable_then(run: Run) -> set[str]:
    """The files that the training could not read: they are not new."""
    if not run.path("findings.json").exists():
        return set()
    findings = run.read("findings.json")
    try:
        return {name for each in findings if each["kind"] == "unreadable" for name in each["paths"]}
    except (KeyError, TypeError) as error:
        raise RunError(
            f"{run.path('findings.json')} is damaged: {error}.",
            "Restore the file from a copy of the run.",
        ) from error
