"""Read a folder of photos into a manifest, a store of pixels, parts and a split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastdefect.config import DataConfig
from fastdefect.data.audit.audit import Audit, audit_photos
from fastdefect.data.audit.size_checks import check_size
from fastdefect.data.audit.survey import Survey
from fastdefect.data.describe import (
    describe_leaks,
    describe_photos,
    describe_pixels,
    describe_split,
    finding_notes,
    parts_in_words,
    tell,
)
from fastdefect.data.parts.given import join_parts
from fastdefect.data.parts.search import Link
from fastdefect.data.photos import Listing, Manifest
from fastdefect.data.reading.frame import background_of
from fastdefect.data.reading.good_class import recognise_good
from fastdefect.data.reading.images import Reading
from fastdefect.data.reading.labels import (
    SIMILAR_CLASSES,
    LabelRules,
    good_classes,
    refuse_several_defects,
)
from fastdefect.data.reading.manifest import OnPhoto, list_photos, read_photos
from fastdefect.data.settle import settle_reading
from fastdefect.data.splitting.earlier import EarlierSides, split_further
from fastdefect.data.splitting.folds import Folds, make_folds
from fastdefect.data.splitting.split import (
    PlainLeaks,
    Split,
    group_parts,
    make_split,
    plain_leaks,
)
from fastdefect.data.splitting.subsample import limit_per_class
from fastdefect.data.store import PhotoStore
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.process import keep_freed_memory, one_thread_each
from fastdefect.text import counted, first


def load_training_data(
    config: DataConfig,
    *,
    seed: int,
    workers: int,
    on_event: OnEvent,
    earlier: EarlierSides | None = None,
) -> TrainingData:
    """Read, audit and split the photos; ``earlier`` has the sides that some of them must keep.

    Raises ``DataError`` or ``UsageError``.
    """
    audit, store = read_and_audit(config, seed=seed, workers=workers, on_event=on_event)
    manifest = audit.manifest
    if earlier is None:
        split = divide(manifest, audit.parts, config, seed=seed, on_event=on_event)
    else:
        split = divide_further(manifest, audit.parts, earlier, config, seed=seed, on_event=on_event)
    on_event(Note(f"Decoded once and kept: {store.where}."))
    return TrainingData(manifest, store, split, audit.findings)


def read_data(
    config: DataConfig, *, workers: int, on_event: OnEvent, listing: Listing | None = None
) -> tuple[Manifest, PhotoStore]:
    """Read the photos into a manifest and a store; ``workers`` > 0 makes the store shareable.

    They are those of ``listing``, or all of the data folder.
    """
    listing = listing or list_data(config)
    store = _store_for(listing, config, workers)
    return read_listing(listing, config, on_event=on_event, on_photo=store.put), store


def read_and_audit(
    config: DataConfig, *, seed: int, workers: int, on_event: OnEvent
) -> tuple[Audit, PhotoStore]:
    """Read and audit the photos in one pass, and report a summary of the findings.

    The grey scale of the set is chosen here: ``white`` of the manifest (see ``settle.as_read``).
    """
    listing = list_data(config, new=True)
    refuse_several_defects(listing.findings)
    refuse_untrainable(listing, config)
    config = settle_reading(listing, config, on_event)
    store = _store_for(listing, config, workers)
    survey = Survey(len(listing.entries), search=must_search(listing, config))

    def keep(row: int, image: NDArray[np.uint8]) -> None:
        store.put(row, image)
        survey.put(row, image)

    manifest = read_listing(listing, config, on_event=on_event, on_photo=keep)
    audit = audit_survey(manifest, survey, config, seed=seed, on_event=on_event)
    tell(describe_photos(manifest), on_event)
    tell(describe_pixels(manifest, config), on_event)
    tell(finding_notes(audit.findings, short=True), on_event)
    return audit, store


def audit_survey(
    manifest: Manifest, survey: Survey, config: DataConfig, *, seed: int, on_event: OnEvent
) -> Audit:
    """Find the parts, then run all other checks."""
    sizes = check_size(manifest.photos, config, manifest.good)
    manifest = replace(manifest, findings=(*manifest.findings, *sizes))
    parts, links = find_parts(manifest, survey, config, on_event=on_event)
    return audit_photos(manifest, survey.looks(manifest), parts, links, seed=seed)


def _store_for(listing: Listing, config: DataConfig, workers: int) -> PhotoStore:
    return PhotoStore(
        len(listing.entries),
        config.image_size,
        config.resize,
        tiles=config.tile_count,
        background=background_of(config),
        limit_mb=config.cache_mb,
        shared=workers > 0,
    )


def list_data(config: DataConfig, *, new: bool = False) -> Listing:
    """List the photos of ``config.data`` without opening them; ``new`` is as in ``LabelRules``.

    Raises ``UsageError`` if the source of the parts in ``config.parts`` provides none.
    """
    by_name = config.part_from if config.parts in ("auto", "regex") else None
    listing = list_photos(
        config.data,
        part_from=by_name,
        view_from=config.view_from,
        product_from=config.product_from,
        label_from=config.label_from,
        resplit=config.resplit,
        label_rules=label_rules(config, new=new),
    )
    _check_source(config, any(entry.part is not None for entry in listing.entries))
    return listing


def label_rules(
    config: DataConfig, *, new: bool = False, known_good: tuple[str, ...] | None = None
) -> LabelRules:
    """How the config makes classes of labels; see ``LabelRules``."""
    only_good = config.learn == "good"
    return LabelRules(config.rename, config.one_defect, config.good, known_good, new, only_good)


def refuse_untrainable(listing: Listing, config: DataConfig) -> None:
    """Raise ``DataError`` if the given sides leave train without a class, before any is read."""
    trained = {entry.label for entry in listing.entries if entry.split in ("train", None)}
    needed = listing.classes
    if config.learn == "good":
        needed = good_classes(listing.classes, config.good, only_good=True)
    absent = [name for name in needed if name not in trained]
    if not absent:
        return
    what = f"The given train photos do not contain {first(absent)}."
    hint = ""
    if len(trained) == 1 and recognise_good(sorted(trained)):
        hint = "To learn from the good parts alone: --learn good. "
    similar = [each.message for each in listing.findings if each.kind == SIMILAR_CLASSES.kind]
    raise DataError(
        " ".join((listing.seen, what, *similar)),
        f"{hint}To ignore the given split and split all photos anew: --resplit. To keep it, move "
        "photos of each class to train: a model cannot recognise a class without training photos. "
        "fastdefect audit reads the photos as they are.",
    )


def read_listing(
    listing: Listing, config: DataConfig, *, on_event: OnEvent, on_photo: OnPhoto | None = None
) -> Manifest:
    """Read every photo of the listing once and report progress.

    From here on the process keeps freed memory, for the reading and for all later work.
    """
    only_good = config.learn == "good"
    good = good_classes(listing.classes, config.good, only_good)
    keep_freed_memory()
    with one_thread_each():
        manifest = read_photos(
            listing,
            good=good,
            only_good=only_good,
            strict=config.strict,
            how=Reading.of(config),
            on_photo=on_photo,
            on_progress=lambda done, total: on_event(Progress("reading photos", done, total)),
        )
    return replace(manifest, tiles=config.tile_count, background=config.background)


def must_search(listing: Listing, config: DataConfig) -> bool:
    """Whether to search for parts: ``config.parts`` is ``auto`` and a photo has no given part."""
    return config.parts == "auto" and any(entry.part is None for entry in listing.entries)


def find_parts(
    manifest: Manifest, survey: Survey, config: DataConfig, *, on_event: OnEvent
) -> tuple[tuple[str, ...], tuple[Link, ...]]:
    """Return the part of every photo and the pairs of photos that the search found, if any."""
    if not survey.searches:
        return choose_parts(manifest, config), ()
    found = survey.search(
        manifest,
        lambda stage, done, total: on_event(Progress(f"same part: {stage}", done, total)),
    )
    # If every photo has a given part, the search result is reported but does not change the parts.
    given = all(photo.part is not None for photo in manifest.photos)
    return choose_parts(manifest, config, None if given else found.group), found.links


def choose_parts(
    manifest: Manifest, config: DataConfig, found: Sequence[int] | None = None
) -> tuple[str, ...]:
    """Return the part of every photo, from the source that ``config.parts`` names.

    ``csv``: the column of the CSV alone. ``regex``: ``part_from`` alone. ``none``: each photo is
    its own part. ``auto``: all given parts, joined with ``found``, the part numbers from a
    search. Photos with identical bytes always share a part. The manifest must come from
    ``list_data``, which omits parts from other sources.

    Raises ``UsageError`` if the named source provides no part.
    """
    photos = manifest.photos
    _check_source(config, any(photo.part is not None for photo in photos))
    if config.parts == "none":
        names, digests = [p.name for p in photos], [p.sha256 for p in photos]
        return join_parts(names, [None] * len(photos), digests)
    return group_parts(manifest, found if config.parts == "auto" else None)


def _check_source(config: DataConfig, any_part: bool) -> None:
    if config.parts == "regex" and config.part_from is None:
        raise UsageError(
            "--parts regex reads parts from file names and needs --part-from, which is missing.",
            r"Add a pattern, for example --part-from 'part_(\d+)'.",
        )
    if config.parts == "csv" and not any_part:
        raise UsageError(
            f"--parts csv reads the parts from a CSV, but no row in {config.data} has a part.",
            "Add a column part to the CSV, or choose another value for --parts.",
        )


def divide(
    manifest: Manifest, parts: Sequence[str], config: DataConfig, *, seed: int, on_event: OnEvent
) -> Split:
    """Split the photos by part and report the result; see ``make_split`` for the errors.

    ``photos_per_class`` limits the train side.
    """
    split, leaks = _divided(manifest, parts, config, seed)
    tell([describe_split(split), *describe_leaks(manifest, split, leaks)], on_event)
    return limit_training(manifest, split, config, seed=seed, on_event=on_event)


def divide_further(
    manifest: Manifest,
    parts: Sequence[str],
    earlier: EarlierSides,
    config: DataConfig,
    *,
    seed: int,
    on_event: OnEvent,
) -> Split:
    """Split the photos with the sides of an earlier run kept, and report the result."""
    further = split_further(
        manifest,
        tuple(parts),
        earlier,
        shares={"valid": config.valid, "test": config.test},
        seed=seed,
        unleak=config.unleak,
    )
    tell([*further.notes, describe_split(further.split)], on_event)
    return limit_training(manifest, further.split, config, seed=seed, on_event=on_event)


def limit_training(
    manifest: Manifest, split: Split, config: DataConfig, *, seed: int, on_event: OnEvent
) -> Split:
    """Limit the train side to ``photos_per_class``, if it is set, and report what remains."""
    if config.photos_per_class is None:
        return split
    kept = limit_per_class(split, manifest, per_class=config.photos_per_class, seed=seed)
    before, after = (
        Counter(manifest.photos[i].label for i in side) for side in (split.train, kept.train)
    )
    classes = ", ".join(f"{name} {after[name]} of {before[name]}" for name in manifest.classes)
    n_parts = counted(len({kept.parts[i] for i in kept.train}), "part")
    limit = f"--photos-per-class {config.photos_per_class}"
    on_event(
        Note(f"{limit}: training on {classes} ({n_parts}). The other train photos are unused.")
    )
    return kept


def divide_into_folds(
    manifest: Manifest,
    parts: Sequence[str],
    config: DataConfig,
    k: int,
    *,
    seed: int,
    on_event: OnEvent,
) -> Folds:
    """Allocate the photos to ``k`` folds by part and report the result; see ``make_folds``.

    The test side is identical to that of ``divide``.
    """
    split, leaks = _divided(manifest, parts, config, seed)
    folds = make_folds(manifest, split, k, seed=seed)
    sizes = ", ".join(str(len(folds.held_out(fold))) for fold in range(1, k + 1))
    sealed = f"; test {len(folds.test)}, in no fold" if folds.test else ""
    text = f"{k} folds of whole parts ({parts_in_words(folds.parts)}): {sizes} photos{sealed}."
    if any(photo.split == "valid" for photo in manifest.photos):
        text += " The given train and valid photos are allocated together."
    tell([Note(text), *describe_leaks(manifest, folds, leaks)], on_event)
    return folds


def _divided(
    manifest: Manifest, parts: Sequence[str], config: DataConfig, seed: int
) -> tuple[Split, PlainLeaks]:
    parts = tuple(parts)
    split = make_split(
        manifest, parts, valid=config.valid, test=config.test, seed=seed, unleak=config.unleak
    )
    return split, plain_leaks(manifest, parts, valid=config.valid, test=config.test, seed=seed)
