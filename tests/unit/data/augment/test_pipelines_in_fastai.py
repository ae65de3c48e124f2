"""Augmentation in a loader of fastai."""

import itertools
import multiprocessing
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fastai.data.core import DataLoaders, Datasets, TfmdDL
from fastai.data.transforms import ToTensor
from fastai.vision.core import PILImage
from fasttransform import Pipeline
from helpers.surfaces import (
    surface,
)
from numpy.typing import NDArray

from fastdefect.data.augment.pipelines import (
    Augmenter,
    AugmentTransform,
    item_seed,
)


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ---- in fastai


def as_transform(name: str = "manufacturing") -> AugmentTransform:
    return AugmentTransform(Augmenter(name, 64))


def pil() -> PILImage:
    return PILImage.create(surface(side=64))


def test_the_transform_changes_training_photos_only() -> None:
    transform = as_transform()
    photo = pil()
    transform.reseed(3)
    changed = transform(photo, split_idx=0)
    assert type(changed) is PILImage
    np.testing.assert_array_equal(
        np.asarray(changed), Augmenter("manufacturing", 64)(surface(side=64), 3)
    )
    for split_idx in (1, None):
        transform.reseed(3)
        assert transform(photo, split_idx=split_idx) is photo


def test_a_photo_without_a_seed_of_its_own_is_an_error() -> None:
    transform = as_transform()
    transform.reseed(3)
    transform(pil(), split_idx=0)
    with pytest.raises(RuntimeError, match=r"reseed\(\)"):
        transform(pil(), split_idx=0)


def test_the_label_beside_the_photo_is_left_alone() -> None:
    transform = as_transform()
    transform.reseed(3)
    pipeline = Pipeline([transform], split_idx=0)
    photo, label = pipeline((pil(), torch.tensor(1)))
    assert type(photo) is PILImage
    assert not np.array_equal(np.asarray(photo), surface(side=64))
    assert label == torch.tensor(1)


def test_the_transform_travels_by_pickle() -> None:
    transform = pickle.loads(pickle.dumps(as_transform()))
    transform.reseed(3)
    changed = transform(pil(), split_idx=0)
    np.testing.assert_array_equal(
        np.asarray(changed), Augmenter("manufacturing", 64)(surface(side=64), 3)
    )


class SeededDL(TfmdDL):  # type: ignore[misc]
    """The least of a loader that gives each photo of each epoch a seed of its own."""

    epoch = 0

    def create_item(self, s: int | None) -> Any:
        for transform in self.after_item.fs:
            if isinstance(transform, AugmentTransform):
                transform.reseed(item_seed(5, self.epoch, s or 0))
        return super().create_item(s)


def loaders(workers: int) -> tuple[SeededDL, SeededDL]:
    """Twelve photos, all alike, eight to train on and four to validate on."""
    photos = list(range(12))
    datasets = Datasets(photos, [[lambda _: pil()]], splits=[photos[:8], photos[8:]])
    transform = as_transform()
    train, valid = (
        SeededDL(part, bs=4, num_workers=workers, after_item=[transform, ToTensor()])
        for part in (datasets.train, datasets.valid)
    )
    return train, valid


def epoch_of(loader: SeededDL, epoch: int) -> NDArray[np.uint8]:
    loader.epoch = epoch
    batches = [batch[0].permute(0, 2, 3, 1).numpy() for batch in loader]
    return np.concatenate(batches)


def test_a_fastai_loader_varies_each_epoch_and_repeats_whatever_the_workers() -> None:
    train, valid = loaders(workers=0)
    expected = [epoch_of(train, epoch) for epoch in range(2)]
    augmenter = Augmenter("manufacturing", 64)
    for epoch, position in itertools.product(range(2), range(8)):
        by_hand = augmenter(surface(side=64), item_seed(5, epoch, position))
        np.testing.assert_array_equal(expected[epoch][position], by_hand)
    assert not np.array_equal(*expected)
    plain = np.stack([surface(side=64)] * 4)
    np.testing.assert_array_equal(epoch_of(valid, 0), plain)
    test = DataLoaders(train, valid).test_dl([0, 1, 2, 3])  # shares the transform with train
    np.testing.assert_array_equal(epoch_of(test, 0), plain)
    np.testing.assert_array_equal(epoch_of(train, 0), expected[0])
    if multiprocessing.get_start_method() == "fork":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, from 3.12
            forked, _ = loaders(workers=2)
            for epoch in range(2):
                np.testing.assert_array_equal(epoch_of(forked, epoch), expected[epoch])
