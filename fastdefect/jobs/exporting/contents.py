"""What a bundle has beside its network: example photos, the reference and the baseline."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from fastdefect.aliases import Floats, Pixels
from fastdefect.data.photos import VIEW_COLUMN, Photo
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.images import (
    IMAGE_SUFFIXES,
    UnreadablePhoto,
    read_photo,
)
from fastdefect.data.reading.view_input import one_hot
from fastdefect.errors import DataError
from fastdefect.events import OnEvent, Progress
from fastdefect.inference.baseline import Sample
from fastdefect.inference.bundle import Bundle
from fastdefect.inference.card import Card, Example
from fastdefect.inference.network import open_network
from fastdefect.jobs.exporting.bundle_card import named_values
from fastdefect.jobs.exporting.networks import Inputs
from fastdefect.jobs.trained.baseline import sample_of
from fastdefect.jobs.trained.decision import judge_validation
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.trained.reference import Learned, learn
from fastdefect.jobs.trained.run_photos import find_run_photos
from fastdefect.jobs.trained.scorer import RunModel, reading_of

_CALIBRATION = 100  # training photos for int8
_TILES = 4  # of each of them
_SEED = 0
# A card has no control characters, nor the halves of characters in names that are no UTF-8.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def calibration_photos(model: RunModel, on_event: OnEvent) -> list[Inputs]:
    """Some training photos, as the network gets them; of photos in tiles some tiles each."""
    steps, how = model.spec.preprocessing, reading_of(model)
    found = find_run_photos(model.run, on_event)
    found.require(("train",))
    trained = [photo for photo in found.found.photos if photo.row["split"] == "train"]
    rng = np.random.default_rng(_SEED)
    rows = np.sort(rng.permutation(len(trained))[:_CALIBRATION])
    photos: list[Inputs] = []
    for one in (trained[row] for row in rows):
        entry = one.entry
        try:
            photo = read_photo(entry.path, how)
        except UnreadablePhoto as error:
            raise DataError(
                f"Expected to read the training photo {entry.name}, but: {error.reason}.",
                "Restore the photo.",
            ) from error
        pixels = _some_tiles(steps.frame.fit(photo), steps.frame, rng)
        views = [one.row.get(VIEW_COLUMN)]
        seen = (one_hot(steps.view_input, views),) if steps.view_input else ()
        photos.append((pixels[None], *seen))
        on_event(Progress("reading training photos for int8", len(photos), len(rows)))
    return photos


def _some_tiles(photo: Pixels, frame: Frame, rng: np.random.Generator) -> Pixels:
    """A photo in the ``frame`` with a few of its tiles; unchanged without tiles."""
    if frame.tiles == 1:
        return photo
    counted = rng.permutation(np.flatnonzero(frame.counted(photo)))[:_TILES]
    return frame.cells(photo[None])[counted].reshape(-1, *photo.shape[1:])


def examples_of(
    photos: EvaluationPhotos, n: int, y_prob: Floats, views: Sequence[str] = ()
) -> tuple[Example, ...]:
    """``n`` validation photos, spread over them, with their probabilities (all, n_classes).

    ``views`` are those that the network takes as an input.
    """
    with named_values():
        return tuple(
            Example(
                file=name,
                path=_CONTROL.sub(_escaped, photos.photos[index].name),
                view=_view_of(photos.photos[index], views),
                probabilities=tuple(y_prob[index].clip(0, 1).tolist()),
            )
            for name, index in _chosen(photos, n).items()
        )


def _view_of(photo: Photo, views: Sequence[str]) -> str | None:
    return photo.view if photo.view in views else None


def example_files(photos: EvaluationPhotos, n: int) -> dict[str, bytes]:
    """The files of ``examples_of`` by their names in the bundle."""
    chosen = _chosen(photos, n).items()
    return {name: photos.photos[index].path.read_bytes() for name, index in chosen}


def _chosen(photos: EvaluationPhotos, n: int) -> dict[str, int]:
    """The indices of the example photos by their names in the bundle."""
    paths = [photo.path for photo in photos.photos]
    spread = np.unique(np.linspace(0, len(paths) - 1, min(n, len(paths))).round().astype(int))
    chosen = {}
    for number, index in enumerate(spread.tolist()):
        suffix = paths[index].suffix.lower()
        known = suffix if suffix in IMAGE_SUFFIXES else ".photo"
        chosen[f"photos/{number:03}{known}"] = index
    return chosen


def _escaped(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode()


def learned_by(
    model: RunModel, card: Card, network: Mapping[str, bytes], alpha: float, on_event: OnEvent
) -> Learned | None:
    """What the bundle's network has learned; None without the photos of the training.

    A network in fewer bits gives other features, so its distances are computed by itself. Those in
    single precision agree with the run's.
    """
    if card.network.precision == "fp32":
        return model.learned(on_event, alpha=alpha)
    opened = open_network(Bundle(card, network, ""), "the bundle")
    return learn(model.run, opened, model.blocks, on_event, alpha=alpha)


def baseline_of(
    model: RunModel,
    photos: EvaluationPhotos,
    calibrated: Floats,
    learned: Learned,
    on_event: OnEvent,
) -> Sample:
    """What the bundle says of the held-out photos whose distance is known.

    ``calibrated`` (n, n_classes) are its probabilities of the validation ``photos``. Where the
    final model was trained on them, those of the networks of the folds count.
    """
    names, parts = [photo.name for photo in photos.photos], photos.parts
    if photos.fold is not None:
        judged = judge_validation(model.run, model.rule.views, "cpu", on_event)
        names, parts = list(judged.predictions.names), list(judged.parts)
        calibrated = model.rule.calibrated(judged.predictions.y_prob)
    sample = sample_of(
        (names, parts), calibrated, learned.distances, model.rule, model.spec.good_indices
    )
    return sample.where(np.isfinite(sample.distance))
