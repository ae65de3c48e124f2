"""The photos to measure a finished run on; only this module opens the test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdefect.config import DataConfig
from fastdefect.data.audit.survey import Survey
from fastdefect.data.describe import finding_notes, tell
from fastdefect.data.load import find_parts, label_rules, must_search
from fastdefect.data.photos import Manifest, Photo
from fastdefect.data.reading.depth import other_depth
from fastdefect.data.reading.frame import background_of
from fastdefect.data.reading.images import Reading
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.data.settle import settle_white
from fastdefect.data.splitting.folds import fold_numbers
from fastdefect.data.splitting.split import saved_rows
from fastdefect.data.store import PhotoStore
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.evaluation.by_part import Shown
from fastdefect.events import Note, OnEvent, Progress, progress_only
from fastdefect.jobs.trained.products import with_products
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import find_run_photos
from fastdefect.jobs.trained.seen import choose_unseen, other_stem
from fastdefect.jobs.training.sides import known_photos
from fastdefect.process import one_thread_each
from fastdefect.run import Run
from fastdefect.text import counted, ordinal
from fastdefect.training.learner import ModelSpec


@dataclass(frozen=True)
class EvaluationPhotos:
    """Photos to measure a run's model on: those of ``manifest`` at the indices ``side``.

    ``split`` is valid, test, or data for photos from elsewhere. ``opening`` counts the openings of
    the run's sealed test up to this one; None if the test is not opened. ``all_parts`` names the
    part of every photo of the manifest. ``fold``: the fold of each validation photo, from 1, if
    they were held out in turn (``fit --final``). ``names``: what stands for these photos in the
    names of the run's files; for photos from elsewhere a name of their own, and ``data``, the
    latest.
    """

    manifest: Manifest
    store: PhotoStore
    side: tuple[int, ...]
    split: str
    opening: int | None
    all_parts: tuple[str, ...]
    fold: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name of the photos in the names of the run's files."""
        return self.names[0] if self.names else self.split

    @property
    def rows(self) -> list[int]:
        """Their rows in the store."""
        return [photo.row for photo in self.photos]

    @property
    def photos(self) -> list[Photo]:
        """The photos themselves."""
        return [self.manifest.photos[index] for index in self.side]

    @property
    def parts(self) -> list[str]:
        """The part of each of them."""
        return [self.all_parts[index] for index in self.side]

    @property
    def shown(self) -> Shown:
        """What each of them shows."""
        photos = self.photos
        given = tuple(photo.part is not None for photo in photos)
        views, products = tuple(photo.view for photo in photos), tuple(self.products)
        return Shown(tuple(self.parts), given, views, products if any(products) else ())

    @property
    def products(self) -> list[str | None]:
        """The product that each of them shows; None if it is not known."""
        return [photo.product for photo in self.photos]


def load_evaluation_photos(
    run: Run,
    request: Request,
    spec: ModelSpec,
    *,
    what: str,
    on_event: OnEvent,
    opened_before: int | None = None,
) -> EvaluationPhotos:
    """The photos of the split in ``request``, or the labelled photos of its ``data``.

    Photos of ``data`` that the run was trained on are left out, unless ``request`` includes them.

    ``spec`` of the run's model has the classes. Every evaluation gets its photos from this
    function: if the sealed test is among them, the opening is noted in the run, with the command
    and its purpose ``what``, before any prediction. Runs may share a test, as members of a series
    do: a command that evaluates several runs passes in ``opened_before`` the number of openings of
    each at its start, so that the opening is noted once.

    Raises ``UsageError`` for the test together with ``data``, and ``RunError`` if the run has no
    model or no such photos.
    """
    photos = _load(run, request, spec, on_event)
    sealed = _sealed_among(run, photos)
    if not sealed:
        return photos
    opening = _noted(run, request.command, opened_before)
    if opening is None:
        purpose = f"{what}, {counted(sealed, 'photo')}"
        opening = _note_opening(run, request.command, purpose, on_event)
    return replace(photos, opening=opening)


def _load(run: Run, request: Request, spec: ModelSpec, on_event: OnEvent) -> EvaluationPhotos:
    split, data = request.split, request.data
    if data is not None and split == "test":
        raise UsageError(
            "--split test and --data exclude each other: the first selects photos of the run, the "
            "second other photos.",
            "Remove one of them.",
        )
    if data is None and request.include_trained:
        raise UsageError(
            "--include-trained applies to other photos, but there is no --data.",
            "Add --data DIR, or remove --include-trained.",
        )
    run.require_model()
    if data is None:
        return _read_side(run, split, on_event)
    like = run.read_config().data
    manifest, store, parts = _read_other_photos(
        data, spec.classes, spec.good, like, on_event, scaled=_is_scaled(run)
    )
    kept = choose_unseen(run, request, manifest.photos, parts, on_event)
    stem = other_stem(data, [manifest.photos[i].sha256 for i in kept])
    return EvaluationPhotos(manifest, store, kept, "data", None, parts, names=(stem, "data"))


def _read_side(run: Run, split: str, on_event: OnEvent) -> EvaluationPhotos:
    """The photos of one split of the run, with their current labels."""
    rows = {row["path"]: row for row in saved_rows(run.path("split.csv"))}
    if not any(row["split"] == split for row in rows.values()):
        raise RunError(
            f"{run.name} has no {split} photos.",
            "It was split with --test 0; use --split valid, or --data DIR for other photos.",
        )
    found = find_run_photos(run, on_event)
    found.require((split,))
    found.require_known_labels((split,))
    found.tell(on_event)
    manifest, store = found.read(
        (split,), found.config, workers=0, on_event=progress_only(on_event)
    )
    manifest = with_products(manifest, rows)
    side = tuple(range(len(manifest.photos)))
    parts = tuple(rows[photo.name]["part"] for photo in manifest.photos)
    photos = EvaluationPhotos(manifest, store, side, split, None, parts, names=(split,))
    if split == "valid" and run.path("folds.csv").exists():
        fold = fold_numbers(run.path("folds.csv"))
        photos = replace(photos, fold=tuple(fold[photo.name] for photo in manifest.photos))
    return photos


def _sealed_among(run: Run, photos: EvaluationPhotos) -> int:
    """The number of sealed photos; ``--data`` on the folder of the test opens it, too.

    The tests of the runs that this run continues are sealed as well.
    """
    if photos.split != "data":
        return len(photos.side) if photos.split == "test" else 0
    sealed = {photo.sha256 for photo in known_photos(run) if photo.side == "test"}
    return sum(photo.sha256 in sealed for photo in photos.photos)


def _noted(run: Run, command: str, opened_before: int | None) -> int | None:
    """The opening that this command already noted for a run with the same test; None without."""
    if opened_before is None:
        return None
    since = run.read_openings()[opened_before:]  # may contain those of other commands
    own = (n for n, noted in enumerate(since, opened_before + 1) if noted["command"] == command)
    return next(own, None)


def _note_opening(run: Run, command: str, what: str, on_event: OnEvent) -> int:
    opening = run.note_opening(command, what)
    if opening > 1:
        first_time = run.read_openings()[0]["time"]
        on_event(
            Note(
                f"This test is opened for the {ordinal(opening)} time. If anything was chosen "
                f"since the first time ({first_time}), the test was part of that choice: it is "
                "then a validation set, and its figures are too good.",
                "warning",
            )
        )
    return opening


def _is_scaled(run: Run) -> bool:
    """Whether the run has one grey scale; in earlier versions each deep photo had its own."""
    return run.path("model.json").exists() and "white" in run.read("model.json")


def _read_other_photos(
    data: Path,
    classes: Sequence[str],
    good: tuple[str, ...],
    like: DataConfig,
    on_event: OnEvent,
    *,
    scaled: bool,
) -> tuple[Manifest, PhotoStore, tuple[str, ...]]:
    """Read labelled photos from outside the run and find their parts as the run does.

    Their classes must be among the run's. ``scaled``: the run has one grey scale for all photos.
    """
    listing = list_photos(
        data,
        part_from=like.part_from if like.parts in ("auto", "regex") else None,
        view_from=like.view_from,
        product_from=like.product_from,
        label_from=like.label_from,
        min_classes=1,
        label_rules=label_rules(like, known_good=good),
    )
    unknown = sorted(set(listing.classes) - set(classes))
    if unknown:
        raise DataError(
            f"{data} has classes that the run does not have: {', '.join(unknown)}.",
            f"The run's classes are {', '.join(classes)}; rename or remove the others.",
        )
    # The file names of another folder need not contain the parts as those of the run do.
    config = replace(like, data=data, parts="none" if like.parts == "none" else "auto")
    if scaled:
        config = settle_white(listing, config, on_event)  # the run's own, if it has one
    store = PhotoStore(
        len(listing.entries),
        like.image_size,
        like.resize,
        tiles=like.tile_count,
        background=background_of(like),
        limit_mb=like.cache_mb,
    )
    survey = Survey(len(listing.entries), search=must_search(listing, config))

    def keep(row: int, image: NDArray[np.uint8]) -> None:
        store.put(row, image)
        survey.put(row, image)

    with one_thread_each():
        manifest = read_photos(
            listing,
            good=tuple(name for name in good if name in listing.classes),
            strict=like.strict,
            how=Reading.of(config),
            on_photo=keep,
            on_progress=lambda done, total: on_event(Progress("reading photos", done, total)),
        )
    other = other_depth(manifest.photos, like.white) if scaled else []
    tell(finding_notes([*manifest.findings, *other]), on_event)
    parts, _ = find_parts(manifest, survey, config, on_event=on_event)
    return manifest, store, parts
