"""Read a folder of photos once: into a manifest, a store of pixels, parts and a split."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fastdefect.config import DataConfig
from fastdefect.data.classes import choose_good
from fastdefect.data.findings import Finding
from fastdefect.data.folds import Folds, make_folds
from fastdefect.data.manifest import OnPhoto, list_photos, read_photos
from fastdefect.data.parts import join_parts
from fastdefect.data.photos import Listing, Manifest
from fastdefect.data.split import (
    SPLITS,
    PlainLeaks,
    Split,
    group_parts,
    make_split,
    plain_leaks,
    read_split,
)
from fastdefect.data.store import PhotoStore
from fastdefect.data.training_data import TrainingData
from fastdefect.data.wording import counted
from fastdefect.errors import UsageError
from fastdefect.events import Note, OnEvent, Progress


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
    manifest, store = read_data(config, workers=workers, on_event=on_event)
    if split_file is None:
        split = divide(manifest, config, seed=seed, on_event=on_event)
    else:
        split = read_split(split_file, manifest)
        tell(describe(manifest, split), on_event)
    on_event(Note(f"Decoded once and kept: {store.where}."))
    return TrainingData(manifest, store, split)


def read_data(
    config: DataConfig, *, workers: int, on_event: OnEvent
) -> tuple[Manifest, PhotoStore]:
    """What the photos are, and their pixels; ``workers`` > 0 says that processes share them."""
    listing = list_data(config)
    store = PhotoStore(
        len(listing.entries),
        config.image_size,
        config.resize,
        limit_mb=config.cache_mb,
        shared=workers > 0,
    )
    return read_listing(listing, config, on_event=on_event, on_photo=store.put), store


def list_data(config: DataConfig) -> Listing:
    """The photos of ``config.data``, none opened; whether its parts are told as asked for."""
    by_name = config.part_from if config.parts in ("auto", "regex") else None
    listing = list_photos(config.data, part_from=by_name)
    _check_source(config, any(entry.part is not None for entry in listing.entries))
    return listing


def read_listing(
    listing: Listing, config: DataConfig, *, on_event: OnEvent, on_photo: OnPhoto | None = None
) -> Manifest:
    """Read every photo of the listing once, telling how far it is."""
    return read_photos(
        listing,
        good=choose_good(listing.classes, config.good),
        strict=config.strict,
        on_photo=on_photo,
        on_progress=lambda done, total: on_event(Progress("reading photos", done, total)),
    )


def choose_parts(
    manifest: Manifest, config: DataConfig, survey: object | None = None
) -> tuple[str, ...]:
    """The part of every photo, told by what ``config.parts`` names.

    ``csv``: by the CSV's column alone. ``regex``: by ``part_from`` alone. ``none``: each photo
    is its own part. ``auto``: by whatever is known. Byte-identical photos are one part always.
    The manifest must come from ``list_data``, which leaves out what was not asked for.
    ``survey`` is what a search for parts saw of the photos; there is none yet.

    Raises ``UsageError`` if what is named says nothing.
    """
    photos = manifest.photos
    _check_source(config, any(photo.part is not None for photo in photos))
    if config.parts == "none":
        names, digests = [p.name for p in photos], [p.sha256 for p in photos]
        return join_parts(names, [None] * len(photos), digests)
    return group_parts(manifest)


def _check_source(config: DataConfig, any_part: bool) -> None:
    if config.parts == "regex" and config.part_from is None:
        raise UsageError(
            "--parts regex takes parts from file names, but there is no --part-from.",
            r"Add the pattern, for example --part-from 'part_(\d+)'.",
        )
    if config.parts == "csv" and not any_part:
        raise UsageError(
            f"--parts csv takes parts from a CSV, but none in {config.data} names a part.",
            "Give the CSV a column part, or choose another --parts.",
        )


def divide(manifest: Manifest, config: DataConfig, *, seed: int, on_event: OnEvent) -> Split:
    """Split the photos by their parts and tell how; see ``make_split`` for what is raised."""
    split, leaks = _divided(manifest, config, seed)
    tell(describe(manifest, split, leaks), on_event)
    return split


def divide_into_folds(
    manifest: Manifest, config: DataConfig, k: int, *, seed: int, on_event: OnEvent
) -> Folds:
    """Deal the photos out to ``k`` folds by their parts and tell how; see ``make_folds``.

    The test side is the same that ``divide`` seals.
    """
    split, leaks = _divided(manifest, config, seed)
    folds = make_folds(manifest, split, k, seed=seed)
    sizes = ", ".join(str(len(folds.held_out(fold))) for fold in range(1, k + 1))
    sealed = f"; test {len(folds.test)}, in no fold" if folds.test else ""
    told = f"{k} folds of whole parts ({_parts_in_words(folds.parts)}): {sizes} photos{sealed}."
    if any(photo.split == "valid" for photo in manifest.photos):
        told += " The given train and valid are dealt out together."
    notes = [*_describe_photos(manifest), Note(told), *_describe_leaks(manifest, folds, leaks)]
    tell(notes, on_event)
    return folds


def _divided(manifest: Manifest, config: DataConfig, seed: int) -> tuple[Split, PlainLeaks]:
    parts = choose_parts(manifest, config)
    split = make_split(
        manifest, parts, valid=config.valid, test=config.test, seed=seed, unleak=config.unleak
    )
    return split, plain_leaks(manifest, parts, valid=config.valid, test=config.test, seed=seed)


def describe(manifest: Manifest, split: Split, leaks: PlainLeaks | None = None) -> list[Note]:
    """What was read and how it was split, a line each; ``leaks`` if it was split just now."""
    sides = ", ".join(f"{name} {len(split.of(name))}" for name in SPLITS)
    if split.unused:
        sides += f", unused {len(split.unused)}"
    notes = [
        *_describe_photos(manifest),
        Note(f"Split by parts kept whole ({_parts_in_words(split.parts)}): {sides}."),
    ]
    return notes if leaks is None else [*notes, *_describe_leaks(manifest, split, leaks)]


def _describe_photos(manifest: Manifest) -> list[Note]:
    """How many photos of what, and what is remarkable about them."""
    counts = ", ".join(f"{name} {count}" for name, count in manifest.counts.items())
    role = (
        f"good is {manifest.good!r}, all else is a defect"
        if manifest.good is not None
        else "no class is good: escape and overkill are not defined"
    )
    return [
        Note(f"{len(manifest.photos)} photos in {manifest.root.name}: {counts}; {role}."),
        *finding_notes(manifest.findings),
    ]


def _parts_in_words(parts: Sequence[str]) -> str:
    """How many parts there are, or that each photo is one."""
    n_parts = len(set(parts))
    return "each photo its own part" if n_parts == len(parts) else counted(n_parts, "part")


def _describe_leaks(manifest: Manifest, divided: Split | Folds, leaks: PlainLeaks) -> list[Note]:
    """What keeping parts whole prevented, and what --unleak took out."""
    notes = []
    if leaks.leaked:
        notes.append(
            Note(
                f"A plain split would have leaked {leaks.leaked} of {leaks.held_out} held-out "
                f"photos ({leaks.leaked / leaks.held_out:.1%}): their parts are trained on, too."
            )
        )
    if divided.unused:
        given = Counter(manifest.photos[i].split or "no split" for i in divided.unused)
        said = " and ".join(f"{counted(n, 'photo')} of {side}" for side, n in given.items())
        notes.append(
            Note(f"--unleak leaves out {said}: their parts are in the given valid or test, too.")
        )
    return notes


def tell(notes: Sequence[Note], on_event: OnEvent) -> None:
    """Hand the notes over one by one."""
    for note in notes:
        on_event(note)


def finding_notes(findings: Sequence[Finding]) -> list[Note]:
    """A line for each finding; the paths are in the run's findings."""
    return [
        Note(finding.message, "info" if finding.severity == "info" else "warning")
        for finding in findings
    ]
