"""End to end: the swap detects a network that uses the background; light makes it use the part."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from fastai.data.core import DataLoaders
from helpers.nets import tiny_backbone
from helpers.photos import CPU, PREPROCESSING, SIZE, made_loaders, made_manifest
from numpy.typing import NDArray
from torch import nn

from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.store import PhotoStore
from fastdefect.evaluation.robustness.background_swap import (
    BackgroundSwap,
    LabelledPhotos,
    swap_background,
)
from fastdefect.training.head import build_head
from fastdefect.training.predict import Predictor

EPOCHS = 16
TRAIN, VALID = range(48), range(48, 80)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of torch that share a core wait for each other longer than such steps take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return made_manifest({"def": 40, "ok": 40}, "ok")


@pytest.fixture(scope="module")
def store(manifest: Manifest) -> PhotoStore:
    """Good parts on white paper, defective ones on grey; the part tells the class, but less."""
    photos = PhotoStore(80, SIZE, "squish", limit_mb=64)
    rng = np.random.default_rng(0)
    for photo in manifest.photos:
        good = photo.label == "ok"
        image = np.full((SIZE, SIZE, 1), (220 if good else 130) + rng.integers(-10, 11))
        image[9:-9, 9:-9] = 90 + rng.integers(-4, 5)
        if not good:
            y, x = rng.integers(11, 18, 2)
            image[y : y + 4, x : x + 4] = 20
        noisy = image + rng.integers(-3, 4, image.shape)
        photos.put(photo.row, np.repeat(noisy, 3, axis=2).astype(np.uint8))
    return photos


def trained(loaders: DataLoaders) -> nn.Module:
    backbone = tiny_backbone(1)
    torch.manual_seed(1)
    net = nn.Sequential(backbone.body, build_head(backbone.n_features, 2, spatial=True))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    steps = EPOCHS * len(loaders.train)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, steps)  # ends at rest
    for epoch in range(EPOCHS):
        loaders.train.start(epoch, 0)
        for x, y in loaders.train:
            inputs = x.as_subclass(torch.Tensor)
            loss = nn.functional.cross_entropy(net(inputs), y.as_subclass(torch.Tensor))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net


def measured(manifest: Manifest, store: PhotoStore, *, light: bool) -> tuple[float, BackgroundSwap]:
    """Accuracy on validation, and what the swap does to it."""
    net = trained(made_loaders(manifest, store, TRAIN, VALID, batch_size=12, light=light))

    def predict(photos: NDArray[np.uint8], at: Sequence[int] = ()) -> NDArray[np.float64]:
        return Predictor(net, PREPROCESSING, CPU).probabilities(photos, range(len(photos)))

    rows = [manifest.photos[index].row for index in VALID]
    y_true = manifest.labels[list(VALID)]
    y_prob = predict(store[np.array(rows)])
    swap = swap_background(predict, LabelledPhotos(store, rows, y_true, (1,)), y_prob, seed=0)
    assert swap is not None
    return float((y_prob.argmax(axis=1) == y_true).mean()), swap


@pytest.mark.slow
def test_light_turns_a_model_of_the_background_into_one_of_the_part(
    manifest: Manifest, store: PhotoStore
) -> None:
    accuracy, swap = measured(manifest, store, light=False)
    assert accuracy == 1.0  # validation alone would never tell
    assert swap.all.share > 0.8
    accuracy, swap = measured(manifest, store, light=True)
    assert accuracy > 0.9
    assert swap.all.share < 0.2
