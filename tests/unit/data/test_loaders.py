"""What the network is shown: which photos, in which order, as which numbers."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.batches import batches_of, same_batches
from helpers.photos import CPU, PREPROCESSING, made_loaders, made_manifest, made_store
from torch import Tensor

from fastdefect.data.loaders import Preprocessing, RepeatableDL
from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.reading.view_input import one_hot
from fastdefect.data.store import PhotoStore

COUNTS = {"def": 13, "ok": 9}


SHIFT = 2


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return made_manifest(COUNTS, "ok", shift=SHIFT)


@pytest.fixture(scope="module")
def store() -> PhotoStore:
    return made_store(sum(COUNTS.values()) + SHIFT)


# The batches


@pytest.mark.parametrize("augment", ["none", "manufacturing"])
def test_the_same_epoch_is_the_same_pixel_for_pixel(
    manifest: Manifest, store: PhotoStore, augment: str
) -> None:
    def loader(**kwargs: Any) -> RepeatableDL:
        return made_loaders(
            manifest, store, range(16), range(16, 22), augment=augment, **kwargs
        ).train

    first = batches_of(loader(), epoch=3)
    assert same_batches(first, batches_of(loader(), epoch=3))
    again = loader()
    batches_of(again, epoch=0)
    assert same_batches(first, batches_of(again, epoch=3))  # whatever came before
    assert not same_batches(first, batches_of(loader(), epoch=4))
    assert not same_batches(first, batches_of(loader(seed=2), epoch=3))


def test_augmentation_differs_from_epoch_to_epoch(manifest: Manifest, store: PhotoStore) -> None:
    loaders = made_loaders(manifest, store, [0, 1], [2], augment="basic", batch_size=2)
    plain = made_loaders(manifest, store, [0, 1], [2], batch_size=2)
    seen = set()
    for epoch in range(6):
        for x, _ in batches_of(loaders.train, epoch):
            seen |= {photo.numpy().tobytes() for photo in x}
    originals = {photo.numpy().tobytes() for x, _ in batches_of(plain.train) for photo in x}
    assert len(seen) > 8  # of 12
    assert len(originals) == 2


def test_a_photo_drawn_twice_is_augmented_in_two_ways(store: PhotoStore) -> None:
    manifest = made_manifest({"def": 1, "ok": 11}, "ok")
    loaders = made_loaders(
        manifest, store, range(12), [0], augment="basic", balanced=True, batch_size=12
    )
    (x, y), *_ = batches_of(loaders.train)
    defects = [photo.numpy().tobytes() for photo in x[y == 0]]
    assert len(defects) == 6
    assert len(set(defects)) > 3


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("skipped", [0, 1, 3])
def test_skipping_batches_gives_the_tail_of_the_epoch(
    manifest: Manifest, store: PhotoStore, workers: int, skipped: int
) -> None:
    loaders = made_loaders(
        manifest, store, range(18), range(18, 22), augment="manufacturing", balanced=True
    )
    full = batches_of(loaders.train, epoch=2)
    loaders = made_loaders(
        manifest,
        store,
        range(18),
        range(18, 22),
        augment="manufacturing",
        balanced=True,
        workers=workers,
    )
    assert same_batches(batches_of(loaders.train, epoch=2, skipped=skipped), full[skipped:])


@pytest.mark.parametrize(
    "limit_mb", [0, pytest.param(64, marks=pytest.mark.slow)], ids=["mapped file", "memory"]
)
def test_worker_processes_change_nothing(manifest: Manifest, limit_mb: int) -> None:
    store = made_store(sum(COUNTS.values()) + SHIFT, limit_mb=limit_mb, shared=True)
    alone, shared = (
        made_loaders(
            manifest,
            store,
            range(18),
            range(18, 22),
            augment="manufacturing",
            balanced=True,
            workers=workers,
        )
        for workers in (0, 2)
    )
    for epoch in (0, 1):
        assert same_batches(batches_of(alone.train, epoch), batches_of(shared.train, epoch))
    assert same_batches(batches_of(alone.valid), batches_of(shared.valid))
    store.close()


def test_a_loader_travels_to_a_spawned_worker(manifest: Manifest, store: PhotoStore) -> None:
    # fastai wraps plain callables in local functions, which can't be pickled.
    made = made_loaders(manifest, store, range(18), range(18, 22), augment="manufacturing")
    arrived = pickle.loads(pickle.dumps(made.train))
    for loader in (made.train, arrived):
        loader.start(epoch=3, skipped_batches=0)
    first, second = (loader.do_item(loader.get_idxs()[5]) for loader in (made.train, arrived))
    assert torch.equal(first[0], second[0])
    assert first[1] == second[1]


def test_validation_photos_come_as_they_are_and_in_order(
    manifest: Manifest, store: PhotoStore
) -> None:
    valid = [7, 3, 20, 11, 5, 0, 1, 2, 4]
    loaders = made_loaders(manifest, store, range(12, 20), valid, augment="manufacturing")
    x = torch.cat([x for x, _ in batches_of(loaders.valid)])
    y = torch.cat([y for _, y in batches_of(loaders.valid)])

    rows = [manifest.photos[index].row for index in valid]
    assert rows != valid  # the store's rows are not the manifest's indices
    assert torch.equal(x, PREPROCESSING.batch(store[np.array(rows)], CPU))
    assert y.tolist() == manifest.labels[valid].tolist()


def test_training_photos_are_those_of_the_split_with_their_labels(
    manifest: Manifest, store: PhotoStore
) -> None:
    train = [21, 1, 8, 4, 13, 2]
    loaders = made_loaders(manifest, store, train, [0], batch_size=6)
    (x, y), *_ = batches_of(loaders.train)
    rows = {
        PREPROCESSING.batch(store[np.array([manifest.photos[index].row])], CPU)
        .numpy()
        .tobytes(): int(manifest.labels[index])
        for index in train
    }
    assert len(rows) == 6
    assert {photo.numpy().tobytes(): int(label) for photo, label in zip(x, y, strict=True)} == rows


def test_preprocessing_is_fastais() -> None:
    from fastai.data.transforms import IntToFloatTensor, Normalize
    from fastai.torch_core import TensorImage

    photos = np.arange(256, dtype=np.uint8).repeat(12).reshape(16, 16, 12)
    photos = np.stack([photos[..., i : i + 3] for i in (0, 3, 6, 9)])
    steps = Preprocessing(16, "pad", (0.2, 0.5, 0.7), (0.3, 0.1, 0.9))
    image = TensorImage(torch.from_numpy(photos).permute(0, 3, 1, 2))
    normalise = Normalize.from_stats(steps.mean, steps.std, cuda=False)
    expected = normalise(IntToFloatTensor()(image))

    batch = steps.batch(photos, CPU)

    assert batch.dtype == torch.float32
    torch.testing.assert_close(batch, expected.as_subclass(Tensor), atol=1e-6, rtol=0)


def test_the_vocabulary_keeps_its_order_and_spelling(store: PhotoStore) -> None:
    # Not sorted, with a blank and an accent.
    manifest = made_manifest({"ok front": 5, "défaut": 5, "Abriß": 5}, "ok front")
    loaders = made_loaders(manifest, store, range(10), range(10, 15))
    assert list(loaders.vocab) == ["ok front", "défaut", "Abriß"]
    y = torch.cat([y for _, y in batches_of(loaders.valid)])
    assert y.tolist() == manifest.labels[10:15].tolist()


def test_a_class_that_validation_lacks_keeps_its_index(store: PhotoStore) -> None:
    manifest = made_manifest({"a": 4, "b": 4, "c": 4})
    valid = [i for i in range(12) if manifest.labels[i] == 2][:2]
    train = [i for i in range(12) if i not in valid]
    loaders = made_loaders(manifest, store, train, valid)
    assert batches_of(loaders.valid)[0][1].tolist() == [2, 2]


# Views as a second input


def test_each_photo_has_the_row_of_its_view(manifest: Manifest, store: PhotoStore) -> None:
    shown = ["side", "top", None]
    photos = [
        replace(photo, columns=(("view", shown[i % 3] or ""),))
        for i, photo in enumerate(manifest.photos)
    ]
    viewed = replace(manifest, photos=tuple(photos))
    steps = replace(PREPROCESSING, view_input=("side", "top"))
    loaders = made_loaders(viewed, store, range(16), range(16, 22), preprocessing=steps)
    of_pixels = {
        steps.batch(store[[photo.row]], CPU).numpy().tobytes(): photo.view for photo in photos
    }
    seen = []
    for loader in (loaders.train, loaders.valid):
        for pixels, views, labels in loader:
            assert len(pixels) == len(views) == len(labels)
            plain = pixels.as_subclass(Tensor)
            names = [of_pixels[one.contiguous().numpy().tobytes()] for one in plain[:, None]]
            np.testing.assert_array_equal(views, one_hot(("side", "top"), names))
            seen += names
    assert set(seen) == {"side", "top", None}
