"""The photos that a finished run is measured on; here, and only here, the test is opened."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdefect.config import DataConfig
from fastdefect.data.audit.survey import Survey
from fastdefect.data.load import (
    find_parts,
    finding_notes,
    must_search,
    read_data,
    settle_white,
    tell,
)
from fastdefect.data.photos import Manifest, Photo
from fastdefect.data.reading.depth import other_depth
from fastdefect.data.reading.images import Reading
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.data.splitting.folds import read_folds
from fastdefect.data.splitting.split import read_split
from fastdefect.data.store import PhotoStore
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.events import Event, Note, OnEvent, Progress
from fastdefect.files import read_csv
from fastdefect.jobs.trained.request import Request
from fastdefect.process import one_thread_each
from fastdefect.run import Run
from fastdefect.text import counted, ordinal
from fastdefect.training.learner import ModelSpec


@dataclass(frozen=True)
class EvaluationPhotos:
    """Photos that a run's model is measured on: those of ``manifest`` at the indices ``side``.

    ``split`` is valid, test, or data for photos from elsewhere. ``opening`` says the
    how-manyeth time the run's sealed test is seen; None if it isn't. ``all_parts`` names the
    part of every photo of the manifest. ``fold``: of validation photos that were held out in
    turn (``fit --final``), the fold of each, from 1.
    """

    manifest: Manifest
    store: PhotoStore
    side: tuple[int, ...]
    split: str
    opening: int | None
    all_parts: tuple[str, ...]
    fold: tuple[int, ...] | None = None

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
        """The part that each of them shows."""
        return [self.all_parts[index] for index in self.side]


def load_evaluation_photos(
    run: Run,
    request: Request,
    spec: ModelSpec,
    *,
    what: str,
    on_event: OnEvent,
    opened_before: int | None = None,
) -> EvaluationPhotos:
    """The photos of a run's split that ``request`` names, or all labelled photos of its ``data``.

    ``spec`` of the run's model has the classes. Every evaluation takes its photos from here: where
    the sealed test is among them, that is noted in the run, with the command and ``what`` it is
    for, before anything is predicted.
    Runs may share a test (members of a series do): a command that asks several gives in
    ``opened_before`` how many openings each had when it began, so that it is noted once.

    Raises ``UsageError`` for the test and ``data`` at once, and ``RunError`` if the run has no
    model or no such photos.
    """
    split, data, command = request.split, request.data, request.command
    if data is not None and split == "test":
        raise UsageError(
            "--split test and --data exclude each other: one names photos of the run, the other "
            "photos from elsewhere.",
            "Leave one of them out.",
        )
    run.require_model()
    config = run.read_config().data
    if data is not None:
        manifest, store, parts = _read_other_photos(
            data, spec.classes, spec.good, config, on_event, scaled=_is_scaled(run)
        )
        side, name = tuple(range(len(manifest.photos))), "data"
    else:
        manifest, store = read_data(config, workers=0, on_event=_progress_only(on_event))
        divided = read_split(run.path("split.csv"), manifest)
        side, name, parts = divided.of(split), split, divided.parts
    if not side:
        raise RunError(
            f"{run.name} has no {split} photos.",
            "It was split with --test 0; use --split valid, or --data DIR for other photos.",
        )
    photos = EvaluationPhotos(manifest, store, side, name, None, parts)
    if name == "valid" and run.path("folds.csv").exists():
        folds = read_folds(run.path("folds.csv"), manifest)
        photos = replace(photos, fold=tuple(folds.fold[i] for i in side))
    seen = _sealed_among(run, photos)
    if not seen:
        return photos
    opening = _noted(run, command, opened_before)
    if opening is None:
        opening = _note_opening(run, command, f"{what}, {counted(seen, 'photo')}", on_event)
    return replace(photos, opening=opening)


def _progress_only(on_event: OnEvent) -> OnEvent:
    # What was said of the photos when the run began need not be said at each evaluation.
    def pass_on(event: Event) -> None:
        if isinstance(event, Progress):
            on_event(event)

    return pass_on


def _sealed_among(run: Run, photos: EvaluationPhotos) -> int:
    """How many of the photos are sealed; ``--data`` on the folder of the test opens it, too."""
    if photos.split != "data":
        return len(photos.side) if photos.split == "test" else 0
    sealed = {row["sha256"] for row in read_csv(run.path("split.csv")) if row["split"] == "test"}
    return sum(photo.sha256 in sealed for photo in photos.photos)


def _noted(run: Run, command: str, opened_before: int | None) -> int | None:
    """Which opening is this command's, if it noted one for a run that shares the test."""
    if opened_before is None:
        return None
    since = run.read_openings()[opened_before:]  # another command's may be among them
    own = (n for n, noted in enumerate(since, opened_before + 1) if noted["command"] == command)
    return next(own, None)


def _note_opening(run: Run, command: str, what: str, on_event: OnEvent) -> int:
    opening = run.note_opening(command, what)
    if opening > 1:
        first_time = run.read_openings()[0]["time"]
        on_event(
            Note(
                f"This test is opened for the {ordinal(opening)} time. Whatever was "
                f"chosen since the first ({first_time}) has seen it: that makes it a validation "
                "set, and its figures too good.",
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
    good: str | None,
    like: DataConfig,
    on_event: OnEvent,
    *,
    scaled: bool,
) -> tuple[Manifest, PhotoStore, tuple[str, ...]]:
    """Read labelled photos that a run never saw, and their parts, found as the run found its.

    Their classes must be among the run's. ``scaled``: the run has one grey scale for all photos.
    """
    listing = list_photos(
        data, part_from=like.part_from if like.parts in ("auto", "regex") else None, min_classes=1
    )
    strange = sorted(set(listing.classes) - set(classes))
    if strange:
        raise DataError(
            f"{data} has classes that the run doesn't know: {', '.join(strange)}.",
            f"The run's classes are {', '.join(classes)}; rename or remove the others.",
        )
    # A folder that is to be judged need not tell its parts in the way that the run's did.
    told = replace(like, data=data, parts="none" if like.parts == "none" else "auto")
    if scaled:
        told = settle_white(listing, told, on_event)  # the run's own, if it has one
    store = PhotoStore(len(listing.entries), like.image_size, like.resize, limit_mb=like.cache_mb)
    survey = Survey(len(listing.entries), search=must_search(listing, told))

    def keep(row: int, image: NDArray[np.uint8]) -> None:
        store.put(row, image)
        survey.put(row, image)

    with one_thread_each():
        manifest = read_photos(
            listing,
            good=good if good in listing.classes else None,
            strict=like.strict,
            how=Reading.of(told),
            on_photo=keep,
            on_progress=lambda done, total: on_event(Progress("reading photos", done, total)),
        )
    other = other_depth(manifest.photos, like.white) if scaled else []
    tell(finding_notes([*manifest.findings, *other]), on_event)
    parts, _ = find_parts(manifest, survey, told, on_event=on_event)
    return manifest, store, parts
