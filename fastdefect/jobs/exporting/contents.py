"""What a bundle has beside its network: example photos, the reference and the baseline."""

from collections.abc import Mapping

import numpy as np

from fastdefect.aliases import Floats, Pixels
from fastdefect.events import OnEvent
from fastdefect.inference.baseline import Sample
from fastdefect.inference.bundle import Bundle
from fastdefect.inference.card import Card, Example
from fastdefect.inference.network import open_network
from fastdefect.jobs.trained.baseline import sample_of
from fastdefect.jobs.trained.decision import judge_validation
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.trained.reference import Learned, learn, learned_for
from fastdefect.jobs.trained.run_photos import find_run_photos
from fastdefect.jobs.trained.scorer import RunModel
from fastdefect.run import Run

_CALIBRATION = 100  # training photos for int8
_SEED = 0


def calibration_photos(run: Run, on_event: OnEvent) -> list[Pixels]:
    """Training photos, as the network gets them."""
    found = find_run_photos(run, on_event)
    manifest, store = found.read(("train",), found.config, workers=0, on_event=lambda _: None)
    n = len(manifest.photos)
    rows = np.sort(np.random.default_rng(_SEED).permutation(n)[:_CALIBRATION])
    return list(store[rows])


def example_photos(
    photos: EvaluationPhotos, n: int, y_prob: Floats
) -> tuple[tuple[Example, ...], dict[str, bytes]]:
    """``n`` validation photos, spread over them, with the probabilities of the run."""
    total = len(photos.photos)
    chosen = np.unique(np.linspace(0, total - 1, min(n, total)).round().astype(int))
    examples, files = [], {}
    for number, index in enumerate(chosen):
        photo = photos.photos[index]
        name = f"photos/{number:03}{photo.path.suffix.lower()}"
        files[name] = photo.path.read_bytes()
        probabilities = tuple(y_prob[index].clip(0, 1).tolist())
        examples.append(Example(file=name, path=photo.name, probabilities=probabilities))
    return tuple(examples), files


def learned_by(
    model: RunModel, card: Card, network: Mapping[str, bytes], alpha: float, on_event: OnEvent
) -> Learned | None:
    """What the bundle's network has learned; None without the photos of the training.

    A network in fewer bits gives other features, so its distances are computed by itself. Those in
    single precision agree with the run's.
    """
    if card.network.precision == "fp32":
        return learned_for(model.run, model.outputs, model.blocks, on_event, alpha=alpha)
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
