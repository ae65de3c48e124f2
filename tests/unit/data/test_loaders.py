"""What the network is shown: which photos, in which order, as which numbers."""

import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from helpers.photos import CPU, PREPROCESSING, SIZE, made_loaders, made_manifest, made_store
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fastdefect.data.loaders import Preprocessing, RepeatableDL, light_of
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


def _batches(loader: RepeatableDL, epoch: int = 0, skipped: int = 0) -> list[tuple[Tensor, Tensor]]:
    loader.start(epoch, skipped)
    return [(x.as_subclass(Tensor).clone(), y.as_subclass(Tensor).clone()) for x, y in loader]


def _same(first: list[tuple[Tensor, Tensor]], second: list[tuple[Tensor, Tensor]]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(x1, x2) and torch.equal(y1, y2)
        for (x1, y1), (x2, y2) in zip(first, second, strict=True)
    )


# The order of an epoch


def _loader(n: int, *, epoch: int = 0, bs: int = 4, **kwargs: Any) -> RepeatableDL:
    loader = RepeatableDL(list(range(n)), bs=bs, **{"shuffle": True, "seed": 3, **kwargs})
    loader.start(epoch, 0)
    return loader


def _photos(loader: RepeatableDL) -> list[int]:
    return [code % loader.n for code in loader.get_idxs()]


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(0, 100))
def test_equal_weights_show_every_photo_once(n: int, seed: int, epoch: int) -> None:
    assert sorted(_photos(_loader(n, seed=seed, epoch=epoch))) == list(range(n))


def test_a_shuffle_shuffles() -> None:
    assert _photos(_loader(50)) != sorted(_photos(_loader(50)))
    firsts = {_photos(_loader(50, epoch=epoch))[0] for epoch in range(30)}
    assert len(firsts) > 15


def _balanced(counts: list[int], **kwargs: Any) -> tuple[RepeatableDL, np.ndarray[Any, Any]]:
    labels = np.random.default_rng(0).permutation(np.repeat(range(len(counts)), counts))
    weights = 1 / np.array(counts)[labels]
    return _loader(len(labels), wgts=weights, groups=labels, **kwargs), labels


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(0, 2**32 - 1))
def test_balance_shows_classes_and_photos_as_often_as_it_should(
    counts: list[int], seed: int
) -> None:
    loader, labels = _balanced(counts, seed=seed)
    drawn = _photos(loader)

    n, share = sum(counts), sum(counts) / len(counts)
    assert len(drawn) == n
    of_class = np.bincount(labels[drawn], minlength=len(counts))
    assert np.abs(of_class - share).max() < 1
    often = Counter(drawn)
    for photo in range(n):
        expected = share / counts[labels[photo]]
        # Where the expected count is whole, it is met.
        assert np.floor(expected - 1e-9) <= often[photo] <= np.ceil(expected + 1e-9)


def test_the_castings_are_shown_half_and_half() -> None:
    loader, labels = _balanced([624, 415])
    for epoch in range(5):
        loader.start(epoch, 0)
        assert abs(int((labels[_photos(loader)] == 0).sum()) - 519.5) == 0.5


def test_over_the_epochs_every_photo_of_a_large_class_is_seen() -> None:
    loader, _ = _balanced([40, 10])  # 15 of the 40 are left out in an epoch
    seen: set[int] = set()
    for epoch in range(12):
        loader.start(epoch, 0)
        seen |= set(_photos(loader))
    assert seen == set(range(50))


def test_classes_come_mixed() -> None:
    loader, labels = _balanced([30, 30])
    drawn = labels[_photos(loader)]
    changes = int((np.diff(drawn) != 0).sum())
    assert 18 < changes < 42  # of 59; in a row it would be 1


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    loader, _ = _balanced([20, 10], seed=5)
    first = loader.get_idxs()
    np.random.seed(0)
    torch.manual_seed(0)
    assert _balanced([20, 10], seed=5)[0].get_idxs() == first
    assert _balanced([20, 10], seed=5, epoch=1)[0].get_idxs() != first
    assert _balanced([20, 10], seed=6)[0].get_idxs() != first
    # Neither is epoch 1 of one seed epoch 0 of the next.
    assert _balanced([20, 10], seed=5, epoch=1)[0].get_idxs() != (
        _balanced([20, 10], seed=6)[0].get_idxs()
    )


def test_skipped_batches_leave_the_tail() -> None:
    loader = _loader(23)
    full = loader.get_idxs()
    loader.start(0, 2)
    assert loader.get_idxs() == full[8:]
    loader.start(0, 6)
    assert loader.get_idxs() == []
    assert len(loader) == 6  # the epoch's own length, which schedules count by


def test_a_new_loader_of_its_kind_keeps_the_seed() -> None:
    assert _loader(20, seed=9).new().get_idxs() == _loader(20, seed=9).get_idxs()


def test_without_shuffling_photos_come_in_order() -> None:
    assert _photos(_loader(9, shuffle=False)) == list(range(9))


# The batches


@pytest.mark.parametrize("augment", ["none", "manufacturing"])
def test_the_same_epoch_is_the_same_pixel_for_pixel(
    manifest: Manifest, store: PhotoStore, augment: str
) -> None:
    def loader(**kwargs: Any) -> RepeatableDL:
        return made_loaders(
            manifest, store, range(16), range(16, 22), augment=augment, **kwargs
        ).train

    first = _batches(loader(), epoch=3)
    assert _same(first, _batches(loader(), epoch=3))
    again = loader()
    _batches(again, epoch=0)
    assert _same(first, _batches(again, epoch=3))  # whatever came before
    assert not _same(first, _batches(loader(), epoch=4))
    assert not _same(first, _batches(loader(seed=2), epoch=3))


def test_augmentation_differs_from_epoch_to_epoch(manifest: Manifest, store: PhotoStore) -> None:
    loaders = made_loaders(manifest, store, [0, 1], [2], augment="basic", batch_size=2)
    plain = made_loaders(manifest, store, [0, 1], [2], batch_size=2)
    seen = set()
    for epoch in range(6):
        for x, _ in _batches(loaders.train, epoch):
            seen |= {photo.numpy().tobytes() for photo in x}
    originals = {photo.numpy().tobytes() for x, _ in _batches(plain.train) for photo in x}
    assert len(seen) > 8  # of 12
    assert len(originals) == 2


def test_a_photo_drawn_twice_is_augmented_in_two_ways(store: PhotoStore) -> None:
    manifest = made_manifest({"def": 1, "ok": 11}, "ok")
    loaders = made_loaders(
        manifest, store, range(12), [0], augment="basic", balanced=True, batch_size=12
    )
    (x, y), *_ = _batches(loaders.train)
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
    full = _batches(loaders.train, epoch=2)
    loaders = made_loaders(
        manifest,
        store,
        range(18),
        range(18, 22),
        augment="manufacturing",
        balanced=True,
        workers=workers,
    )
    assert _same(_batches(loaders.train, epoch=2, skipped=skipped), full[skipped:])


@pytest.mark.parametrize("limit_mb", [0, 64], ids=["mapped file", "memory"])
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
        assert _same(_batches(alone.train, epoch), _batches(shared.train, epoch))
    assert _same(_batches(alone.valid), _batches(shared.valid))
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


def test_light_comes_from_training_photos_alone(manifest: Manifest) -> None:
    train, valid = range(12), range(12, 22)
    first, second = (made_store(sum(COUNTS.values()) + SHIFT) for _ in range(2))
    for index in valid:  # photos that must not be looked at
        second.put(manifest.photos[index].row, np.full((SIZE, SIZE, 3), 255, np.uint8))
    lit, lit_again = (
        _batches(made_loaders(manifest, store, train, valid, light=True).train, epoch=2)
        for store in (first, second)
    )
    assert _same(lit, lit_again)
    plain = _batches(made_loaders(manifest, first, train, valid).train, epoch=2)
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
    assert _same(_batches(lit), _batches(plain))


@pytest.mark.parametrize("augment", ["none", "manufacturing"])
def test_light_repeats_whatever_the_workers_and_where_a_run_resumes(
    manifest: Manifest, store: PhotoStore, augment: str
) -> None:
    def loader(workers: int = 0) -> RepeatableDL:
        return made_loaders(
            manifest, store, range(18), range(18, 22),
            augment=augment, balanced=True, light=True, workers=workers,
        ).train  # fmt: skip

    full = _batches(loader(), epoch=3)
    assert _same(_batches(loader(), epoch=3, skipped=2), full[2:])
    assert _same(_batches(loader(workers=2), epoch=3, skipped=1), full[1:])
    assert not _same(_batches(loader(), epoch=4), full)


def test_validation_photos_come_as_they_are_and_in_order(
    manifest: Manifest, store: PhotoStore
) -> None:
    valid = [7, 3, 20, 11, 5, 0, 1, 2, 4]
    loaders = made_loaders(manifest, store, range(12, 20), valid, augment="manufacturing")
    x = torch.cat([x for x, _ in _batches(loaders.valid)])
    y = torch.cat([y for _, y in _batches(loaders.valid)])

    rows = [manifest.photos[index].row for index in valid]
    assert rows != valid  # the store's rows are not the manifest's indices
    assert torch.equal(x, PREPROCESSING.batch(store[np.array(rows)], CPU))
    assert y.tolist() == manifest.labels[valid].tolist()


def test_training_photos_are_those_of_the_split_with_their_labels(
    manifest: Manifest, store: PhotoStore
) -> None:
    train = [21, 1, 8, 4, 13, 2]
    loaders = made_loaders(manifest, store, train, [0], batch_size=6)
    (x, y), *_ = _batches(loaders.train)
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
    y = torch.cat([y for _, y in _batches(loaders.valid)])
    assert y.tolist() == manifest.labels[10:15].tolist()


def test_a_class_that_validation_lacks_keeps_its_index(store: PhotoStore) -> None:
    manifest = made_manifest({"a": 4, "b": 4, "c": 4})
    valid = [i for i in range(12) if manifest.labels[i] == 2][:2]
    train = [i for i in range(12) if i not in valid]
    loaders = made_loaders(manifest, store, train, valid)
    assert _batches(loaders.valid)[0][1].tolist() == [2, 2]


@pytest.mark.parametrize("balanced", [False, True])
def test_balance_reaches_the_loader(balanced: bool, store: PhotoStore) -> None:
    manifest = made_manifest({"def": 16, "ok": 4}, "ok")
    loaders = made_loaders(manifest, store, range(20), [0], balanced=balanced)
    y = torch.cat([y for _, y in _batches(loaders.train)])
    assert torch.bincount(y).tolist() == ([10, 10] if balanced else [16, 4])


def test_balance_is_of_the_training_photos_alone(store: PhotoStore) -> None:
    manifest = made_manifest({"def": 12, "ok": 12}, "ok")
    ok = [i for i in range(24) if manifest.labels[i] == 1]
    valid = ok[:8]  # leaves 12 and 4
    train = [i for i in range(24) if i not in valid]
    loaders = made_loaders(manifest, store, train, valid, balanced=True)
    y = torch.cat([y for _, y in _batches(loaders.train)])
    assert torch.bincount(y).tolist() == [8, 8]


# Sizes at the edge


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [
        (10, 64, [10]),  # more than there are: one batch, not none
        (10, 10, [10]),
        (9, 4, [4, 4]),  # batch-norm can't train on a single photo
        (10, 4, [4, 4, 2]),
        (5, 2, [2, 2]),
        (2, 24, [2]),
        (3, 2, [2]),
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_no_batch_is_lost_and_none_holds_one_photo(
    manifest: Manifest, store: PhotoStore, n: int, batch_size: int, sizes: list[int], workers: int
) -> None:
    loaders = made_loaders(
        manifest, store, range(n), range(n, n + 1), batch_size=batch_size, workers=workers
    )
    assert [len(y) for _, y in _batches(loaders.train)] == sizes
    assert len(loaders.train) == len(sizes)
    assert [len(y) for _, y in _batches(loaders.valid)] == [1]


def test_validation_drops_nothing(manifest: Manifest, store: PhotoStore) -> None:
    # 9 % 4 == 1 drops in training; validation of 9 in batches of 8 leaves one, which counts.
    loaders = made_loaders(manifest, store, range(9), range(9, 18))
    assert [len(y) for _, y in _batches(loaders.valid)] == [8, 1]


def test_the_photo_left_over_is_another_in_each_epoch(
    manifest: Manifest, store: PhotoStore
) -> None:
    loaders = made_loaders(manifest, store, range(9), [9])
    left_over = set()
    for epoch in range(8):
        loaders.train.start(epoch, 0)
        left_over.add(loaders.train.get_idxs()[-1] % 9)
    assert len(left_over) > 3


def test_batches_have_the_shape_and_type_that_networks_take(
    manifest: Manifest, store: PhotoStore
) -> None:
    x, y = _batches(made_loaders(manifest, store, range(8), [8]).train)[0]
    assert x.shape == (4, 3, SIZE, SIZE)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64


def test_photos_stay_as_they_are_in_the_store(manifest: Manifest) -> None:
    store = made_store(sum(COUNTS.values()) + SHIFT)
    before = store[np.arange(len(store))].copy()
    _batches(made_loaders(manifest, store, range(16), [16], augment="manufacturing").train)
    np.testing.assert_array_equal(store[np.arange(len(store))], before)
