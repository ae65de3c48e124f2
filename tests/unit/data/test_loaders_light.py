"""Loaders that give training photos the light of others."""

import numpy as np
import pytest
import torch
from helpers.batches import batches_of, same_batches
from helpers.photos import SIZE, made_loaders, made_manifest, made_store

from fastdefect.data.loaders import RepeatableDL, light_of
from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.store import PhotoStore

COUNTS = {"def": 13, "ok": 9}


SHIFT = 2


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return made_manifest(COUNTS, "ok", shift=SHIFT)


@pytest.fixture(scope="module")
def store() -> PhotoStore:
    return made_store(sum(COUNTS.values()) + SHIFT)


def test_light_comes_from_training_photos_alone(manifest: Manifest) -> None:
    train, valid = range(12), range(12, 22)
    first, second = (made_store(sum(COUNTS.values()) + SHIFT) for _ in range(2))
    for index in valid:  # photos that must not be looked at
        second.put(manifest.photos[index].row, np.full((SIZE, SIZE, 3), 255, np.uint8))
    lit, lit_again = (
        batches_of(made_loaders(manifest, store, train, valid, light=True).train, epoch=2)
        for store in (first, second)
    )
    assert same_batches(lit, lit_again)
    plain = batches_of(made_loaders(manifest, first, train, valid).train, epoch=2)
    assert [y.tolist() for _, y in lit] == [y.tolist() for _, y in plain]
    x, z = (torch.cat([x for x, _ in batches]) for batches in (lit, plain))
    changed = (x - z).abs().mean((1, 2, 3))
    assert changed.min() > 0.02
    donors = light_of(manifest, first, train).donors
    assert [len(of_class) for of_class in donors] == np.bincount(manifest.labels[:12]).tolist()


def test_light_leaves_validation_alone(manifest: Manifest, store: PhotoStore) -> None:
    lit, plain = (
        made_loaders(manifest, store, range(12), range(12, 22), light=light).valid
        for light in (True, False)
    )
    assert same_batches(batches_of(lit), batches_of(plain))


@pytest.mark.parametrize("augment", ["none", "manufacturing"])
def test_light_repeats_whatever_the_workers_and_where_a_run_resumes(
    manifest: Manifest, store: PhotoStore, augment: str
) -> None:
    def loader(workers: int = 0) -> RepeatableDL:
        return made_loaders(
            manifest, store, range(18), range(18, 22),
            augment=augment, balanced=True, light=True, workers=workers,
        ).train  # fmt: skip

    full = batches_of(loader(), epoch=3)
    assert same_batches(batches_of(loader(), epoch=3, skipped=2), full[2:])
    assert same_batches(batches_of(loader(workers=2), epoch=3, skipped=1), full[1:])
    assert not same_batches(batches_of(loader(), epoch=4), full)
