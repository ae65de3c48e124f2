"""The order of the photos: each as often as it should, and repeatable."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from helpers.batches import batches_of
from helpers.examples import examples
from helpers.photos import SIZE, made_loaders, made_manifest, made_store
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.loaders import RepeatableDL
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


# The order of an epoch


def loader_of(n: int, *, epoch: int = 0, bs: int = 4, **kwargs: Any) -> RepeatableDL:
    loader = RepeatableDL(list(range(n)), bs=bs, **{"shuffle": True, "seed": 3, **kwargs})
    loader.start(epoch, 0)
    return loader


def photos_of(loader: RepeatableDL) -> list[int]:
    return [code % loader.n for code in loader.get_idxs()]


@examples(100)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(0, 100))
def test_equal_weights_show_every_photo_once(n: int, seed: int, epoch: int) -> None:
    assert sorted(photos_of(loader_of(n, seed=seed, epoch=epoch))) == list(range(n))


def test_a_shuffle_shuffles() -> None:
    assert photos_of(loader_of(50)) != sorted(photos_of(loader_of(50)))
    firsts = {photos_of(loader_of(50, epoch=epoch))[0] for epoch in range(30)}
    assert len(firsts) > 15


def _balanced(counts: list[int], **kwargs: Any) -> tuple[RepeatableDL, np.ndarray[Any, Any]]:
    labels = np.random.default_rng(0).permutation(np.repeat(range(len(counts)), counts))
    weights = 1 / np.array(counts)[labels]
    return loader_of(len(labels), wgts=weights, groups=labels, **kwargs), labels


@examples(30)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(0, 2**32 - 1))
def test_balance_shows_classes_and_photos_as_often_as_it_should(
    counts: list[int], seed: int
) -> None:
    loader, labels = _balanced(counts, seed=seed)
    drawn = photos_of(loader)

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
        assert abs(int((labels[photos_of(loader)] == 0).sum()) - 519.5) == 0.5


def test_over_the_epochs_every_photo_of_a_large_class_is_seen() -> None:
    loader, _ = _balanced([40, 10])  # 15 of the 40 are left out in an epoch
    seen: set[int] = set()
    for epoch in range(12):
        loader.start(epoch, 0)
        seen |= set(photos_of(loader))
    assert seen == set(range(50))


def test_classes_come_mixed() -> None:
    loader, labels = _balanced([30, 30])
    drawn = labels[photos_of(loader)]
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
    loader = loader_of(23)
    full = loader.get_idxs()
    loader.start(0, 2)
    assert loader.get_idxs() == full[8:]
    loader.start(0, 6)
    assert loader.get_idxs() == []
    assert len(loader) == 6  # the epoch's own length, which schedules count by


def test_a_new_loader_of_its_kind_keeps_the_seed() -> None:
    assert loader_of(20, seed=9).new().get_idxs() == loader_of(20, seed=9).get_idxs()


def test_without_shuffling_photos_come_in_order() -> None:
    assert photos_of(loader_of(9, shuffle=False)) == list(range(9))


@pytest.mark.parametrize("balanced", [False, True])
def test_balance_reaches_the_loader(balanced: bool, store: PhotoStore) -> None:
    manifest = made_manifest({"def": 16, "ok": 4}, "ok")
    loaders = made_loaders(manifest, store, range(20), [0], balanced=balanced)
    y = torch.cat([y for _, y in batches_of(loaders.train)])
    assert torch.bincount(y).tolist() == ([10, 10] if balanced else [16, 4])


def test_balance_is_of_the_training_photos_alone(store: PhotoStore) -> None:
    manifest = made_manifest({"def": 12, "ok": 12}, "ok")
    ok = [i for i in range(24) if manifest.labels[i] == 1]
    valid = ok[:8]  # leaves 12 and 4
    train = [i for i in range(24) if i not in valid]
    loaders = made_loaders(manifest, store, train, valid, balanced=True)
    y = torch.cat([y for _, y in batches_of(loaders.train)])
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
    assert [len(y) for _, y in batches_of(loaders.train)] == sizes
    assert len(loaders.train) == len(sizes)
    assert [len(y) for _, y in batches_of(loaders.valid)] == [1]


def test_validation_drops_nothing(manifest: Manifest, store: PhotoStore) -> None:
    # 9 % 4 == 1 drops in training; validation of 9 in batches of 8 leaves one, which counts.
    loaders = made_loaders(manifest, store, range(9), range(9, 18))
    assert [len(y) for _, y in batches_of(loaders.valid)] == [8, 1]


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
    x, y = batches_of(made_loaders(manifest, store, range(8), [8]).train)[0]
    assert x.shape == (4, 3, SIZE, SIZE)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64


def test_photos_stay_as_they_are_in_the_store(manifest: Manifest) -> None:
    store = made_store(sum(COUNTS.values()) + SHIFT)
    before = store[np.arange(len(store))].copy()
    batches_of(made_loaders(manifest, store, range(16), [16], augment="manufacturing").train)
    np.testing.assert_array_equal(store[np.arange(len(store))], before)


# The share of a process


def codes_of(loader: RepeatableDL, rank: int, processes: int, skipped: int = 0) -> list[list[int]]:
    """The photos of each batch, with their positions."""
    loader.take_share(rank, processes)
    loader.start(2, skipped)
    codes = loader.get_idxs()
    return [codes[start : start + loader.bs] for start in range(0, len(codes), loader.bs)]


@examples(30)
@given(st.integers(4, 40), st.integers(4, 9), st.integers(2, 4), st.booleans(), st.integers(0, 2))
def test_processes_load_the_batches_of_one(
    n: int, bs: int, processes: int, balanced: bool, skipped: int
) -> None:
    bs = min(bs, n)
    options: dict[str, Any] = {"bs": bs, "drop_last": n % bs == 1}
    if balanced:
        options["wgts"] = [1.0 + i % 3 for i in range(n)]
    alone = loader_of(n, **options)
    skipped = min(skipped, len(alone))
    whole = codes_of(alone, 0, 1, skipped)[: len(alone) - skipped]  # fastai drops the last one
    shares = []
    for rank in range(processes):
        loader = loader_of(n, **options)
        shares.append(codes_of(loader, rank, processes, skipped))
        assert skipped + len(shares[-1]) == len(loader) == len(alone)
        for batch, codes in enumerate(shares[-1], skipped):
            own = [whole[batch - skipped][place] for place in loader.own_places(batch)]
            assert loader.photos_in(batch) == len(whole[batch - skipped])
            # Without a photo of its own, a process has the first one again.
            assert codes == (own or whole[batch - skipped][:1])
    for batch, codes in enumerate(whole):
        counted = {code for share in shares for code in share[batch]}
        assert counted == set(codes)


def test_a_photo_is_augmented_alike_in_every_process(manifest: Manifest, store: PhotoStore) -> None:
    def batches(rank: int, processes: int) -> list[torch.Tensor]:
        loader = made_loaders(manifest, store, range(16), range(16, 22), augment="basic").train
        loader.take_share(rank, processes)
        return [x for x, _ in batches_of(loader, epoch=1)]

    whole, shares = batches(0, 1), [batches(rank, 3) for rank in range(3)]
    for batch, photos in enumerate(whole):
        for rank, share in enumerate(shares):
            own = photos[rank::3]
            assert torch.equal(share[batch][: len(own)], own)


def test_each_process_needs_a_photo_of_every_full_batch() -> None:
    with pytest.raises(ValueError, match="a batch of 4 photos for 5 processes"):
        loader_of(20, bs=4).take_share(0, 5)
