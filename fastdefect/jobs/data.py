"""Read a folder of photos once: into a manifest, a store of pixels and a split."""

from collections.abc import Sequence
from pathlib import Path

from fastdefect.config import DataConfig
from fastdefect.data.classes import choose_good
from fastdefect.data.findings import Finding
from fastdefect.data.manifest import Manifest, list_photos, read_photos
from fastdefect.data.split import SPLITS, Split, make_split, read_split
from fastdefect.data.store import PhotoStore
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.training.fit import TrainingData


def load_training_data(
    config: DataConfig,
    *,
    seed: int,
    workers: int,
    on_event: OnEvent,
    split_file: Path | None = None,
) -> TrainingData:
    """Read and split the photos; ``split_file`` (of a run that is resumed) fixes the split.

    Raises ``DataError`` or ``UsageError``, each with what to do.
    """
    listing = list_photos(config.data, part_from=config.part_from)
    good = choose_good(listing.classes, config.good)
    store = PhotoStore(
        len(listing.entries),
        config.image_size,
        config.resize,
        limit_mb=config.cache_mb,
        shared=workers > 0,
    )
    manifest = read_photos(
        listing,
        good=good,
        strict=config.strict,
        on_photo=store.put,
        on_progress=lambda done, total: on_event(Progress("reading photos", done, total)),
    )
    if split_file is None:
        split = make_split(manifest, valid=config.valid, test=config.test, seed=seed)
    else:
        split = read_split(split_file, manifest)
    for note in describe(manifest, split):
        on_event(note)
    on_event(Note(f"Decoded once and kept: {store.where}."))
    return TrainingData(manifest, store, split)


def load_other_photos(
    data: Path, classes: Sequence[str], good: str | None, store_like: DataConfig, on_event: OnEvent
) -> tuple[Manifest, PhotoStore]:
    """Read labelled photos that a run never saw; their classes must be among the run's."""
    listing = list_photos(data, part_from=store_like.part_from, min_classes=1)
    strange = sorted(set(listing.classes) - set(classes))
    if strange:
        raise DataError(
            f"{data} has classes that the run doesn't know: {', '.join(strange)}.",
            f"The run's classes are {', '.join(classes)}; rename or remove the others.",
        )
    store = PhotoStore(
        len(listing.entries),
        store_like.image_size,
        store_like.resize,
        limit_mb=store_like.cache_mb,
    )
    manifest = read_photos(
        listing,
        good=good if good in listing.classes else None,
        strict=store_like.strict,
        on_photo=store.put,
        on_progress=lambda done, total: on_event(Progress("reading photos", done, total)),
    )
    for note in finding_notes(manifest.findings):
        on_event(note)
    return manifest, store


def describe(manifest: Manifest, split: Split) -> list[Note]:
    """What was read and how it was split, a line each."""
    counts = ", ".join(f"{name} {count}" for name, count in manifest.counts.items())
    role = (
        f"good is {manifest.good!r}, all else is a defect"
        if manifest.good is not None
        else "no class is good: escape and overkill are not defined"
    )
    notes = [
        Note(f"{len(manifest.photos)} photos in {manifest.root.name}: {counts}; {role}."),
        *finding_notes(manifest.findings),
    ]
    sides = ", ".join(f"{name} {len(split.of(name))}" for name in SPLITS)
    n_parts = len(set(split.parts))
    known = "each photo its own part" if n_parts == len(split.parts) else f"{n_parts} parts"
    notes.append(Note(f"Split by parts kept whole ({known}): {sides}."))
    return notes


def finding_notes(findings: Sequence[Finding]) -> list[Note]:
    """A line for each finding; the paths are in the run's findings."""
    return [
        Note(finding.message, "info" if finding.severity == "info" else "warning")
        for finding in findings
    ]
