"""Augmentation: repeatable, different everywhere, and as much of it as wanted.

Warnings are errors: Albumentations 2 only warns of an argument that it doesn't know,
and goes on with a default of its own.
"""

import hashlib
import itertools
import multiprocessing
import os
import pickle
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.surfaces import (
    SIDE,
    force,
    surface,
)
from numpy.typing import NDArray

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.data.augment.background import BorderLight
from fastdefect.data.augment.background_light import BorrowedLight
from fastdefect.data.augment.pipelines import (
    Augmenter,
    build_steps,
    item_seed,
)


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ---- what goes in and what comes out


def test_the_library_does_not_access_the_network() -> None:
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [32, 63, 224, 320])
def test_every_pipeline_keeps_shape_and_type_without_a_warning(name: str, size: int) -> None:
    augmenter = Augmenter(name, size)
    photo = surface(side=size)
    for s in augmenter.steps:
        assert force(s, photo, 1).shape == photo.shape
    for seed in range(8):
        changed = augmenter(photo, seed)
        assert changed.shape == photo.shape
        assert changed.dtype == np.uint8


def test_none_gives_back_the_photo_itself() -> None:
    photo = surface()
    assert Augmenter("none", SIDE)(photo, 5) is photo
    assert Augmenter("none", SIDE).describe() == []


def test_an_unknown_name_lists_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"basic, camera, manufacturing, steady but got 'strong'"):
        Augmenter("strong", SIDE)


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((64, 63, 3), np.uint8),
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 3), np.float32),
    ],
)
def test_a_photo_of_another_shape_or_type_is_refused(photo: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"Expected a uint8 photo of shape \(64, 64, 3\)"):
        Augmenter("basic", 64)(photo, 0)


@pytest.mark.parametrize("name", [each.name for each in AUGMENTATIONS.values() if each.steps])
def test_the_photo_is_never_modified_nor_shared(name: str) -> None:
    augmenter = Augmenter(name, SIDE)
    photo = surface()
    kept = photo.copy()
    photo.flags.writeable = False  # as np.asarray gives a PIL photo
    for seed in range(60):
        changed = augmenter(photo, seed)
        assert not np.shares_memory(changed, photo)
        changed[:] = 0
    np.testing.assert_array_equal(photo, kept)


@pytest.mark.parametrize("name", ["basic", "camera", "manufacturing", "steady"])
def test_a_grey_photo_stays_grey(name: str) -> None:
    # Within one level: CLAHE goes through Lab, which rounds. Coloured specks would mark
    # training photos of a grey camera.
    augmenter = Augmenter(name, SIDE)
    photo = surface()
    for seed in range(80):
        changed = augmenter(photo, seed).astype(int)
        assert np.ptp(changed, axis=2).max() <= 1


def test_describe_gives_a_plain_line_for_each_transform() -> None:
    augmenter = Augmenter("manufacturing", SIDE)
    lines = augmenter.describe()
    assert len(lines) == len(augmenter.steps) == 10
    assert lines[0] == ("flips and quarter turns: one of the square's eight poses; 100% of photos")
    assert "Gaussian noise: standard deviation 2.5 to 8 of 255 grey levels; 30% of photos" in lines
    for wanted in (
        "elastic",
        "grid",
        "blur",
        "CLAHE",
        "dropout",
        "brightness and contrast",
    ):
        assert any(wanted in line for line in lines), wanted


LIGHT = BorrowedLight(((BorderLight((60.0,) * 3, 0.01, 1.0),), (BorderLight((210.0,) * 3, 0, 1),)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_light_comes_before_all_other_steps(name: str) -> None:
    photo = surface(side=64)
    plain, lit = Augmenter(name, 64), Augmenter(name, 64, LIGHT)
    for seed in range(6):
        found = lit(photo, seed)
        np.testing.assert_array_equal(found, plain(LIGHT(photo, seed), seed))
        assert not np.array_equal(found, plain(photo, seed))


def test_light_is_described_first_and_travels_by_pickle() -> None:
    augmenter = Augmenter("basic", 64, LIGHT)
    lines = augmenter.describe()
    assert lines[0].startswith("light: border brightness")
    assert lines[1:] == Augmenter("basic", 64).describe()
    assert repr(augmenter) == "Augmenter('basic', 64, light=...)"
    arrived = pickle.loads(pickle.dumps(augmenter))
    photo = surface(side=64)
    np.testing.assert_array_equal(arrived(photo, 5), augmenter(photo, 5))


# ---- repeatable, and different everywhere


@pytest.mark.parametrize("name", [each.name for each in AUGMENTATIONS.values() if each.steps])
def test_the_answer_depends_on_photo_and_seed_alone(name: str) -> None:
    photo, other = surface(), surface(90)
    first = Augmenter(name, SIDE)
    expected = [first(photo, seed) for seed in range(12)]
    second = Augmenter(name, SIDE)
    for seed in reversed(range(12)):
        second(other, seed + 1000)  # whatever came before leaves no trace
        np.random.seed(seed)
        np.testing.assert_array_equal(second(photo, seed), expected[seed])


def test_global_random_generators_are_left_alone() -> None:
    before = (np.random.get_state()[1].copy(), torch.get_rng_state())  # type: ignore[index]
    Augmenter("manufacturing", SIDE)(surface(), 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # type: ignore[index]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1, np.uint64(2**64 - 1), np.int64(7)])
def test_any_seed_of_64_bits_is_taken(seed: int) -> None:
    augmenter = Augmenter("manufacturing", 64)
    photo = surface(side=64)
    np.testing.assert_array_equal(augmenter(photo, seed), augmenter(photo, int(seed)))


def test_no_two_photos_of_an_epoch_and_no_two_epochs_are_alike() -> None:
    augmenter = Augmenter("manufacturing", SIDE)
    photo = surface()
    seeds = [item_seed(7, epoch, position) for epoch in range(6) for position in range(10)]
    digests = [hashlib.sha256(augmenter(photo, seed)).digest() for seed in seeds]
    # A photo that gets its pose and nothing else comes out as one of only eight.
    assert len(set(digests)) >= 52


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_threads_of_opencv_change_nothing(threads: int) -> None:
    augmenter = Augmenter("manufacturing", SIDE)
    photo = surface()
    expected = [augmenter(photo, seed) for seed in range(25)]
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        for seed in range(25):
            np.testing.assert_array_equal(augmenter(photo, seed), expected[seed])
    finally:
        cv2.setNumThreads(before)


@pytest.mark.slow
def test_an_augmenter_travels_light_and_works_alike_in_a_spawned_process() -> None:
    augmenter = Augmenter("manufacturing", SIDE)
    augmenter(surface(), 1)
    assert len(pickle.dumps(augmenter)) < 200
    assert repr(pickle.loads(pickle.dumps(augmenter))) == "Augmenter('manufacturing', 224)"
    seeds = [item_seed(1, 2, position) for position in range(8)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        futures = [pool.submit(augmenter, surface(), seed) for seed in seeds]
        theirs = [future.result(timeout=120) for future in futures]
    for seed, answer in zip(seeds, theirs, strict=True):
        np.testing.assert_array_equal(answer, augmenter(surface(), seed))


def test_item_seed_is_the_published_hash_of_the_three_numbers() -> None:
    expected = int.from_bytes(hashlib.blake2b(b"42,3,17", digest_size=8).digest(), "little")
    assert item_seed(42, 3, 17) == expected == 13800306446343632829
    assert item_seed(np.int64(42), np.int32(3), np.uint8(17)) == expected  # type: ignore[arg-type]


def test_item_seed_has_no_collisions_in_practice() -> None:
    triples = itertools.chain(
        itertools.product([0, 1, 42, 2**63 - 1], range(25), range(1000)),
        itertools.product(range(50, 80), range(30), range(30)),
    )
    seeds = [item_seed(*triple) for triple in triples]
    assert len(set(seeds)) == len(seeds) == 127_000
    assert min(seeds) >= 0
    assert max(seeds) < 2**64


def test_item_seed_distinguishes_its_arguments() -> None:
    values = [item_seed(*order) for order in itertools.permutations([1, 2, 3])]
    values += [item_seed(1, 23, 4), item_seed(12, 3, 4), item_seed(1, 2, 34)]
    assert len(set(values)) == 9


# ---- how much a photo gets


def fired(seeds: range) -> NDArray[np.bool_]:
    """Which steps acted, ``(seeds, steps)``, without the pose that every photo gets."""
    augmenter = Augmenter("manufacturing", 64)
    photo = surface(side=64)
    rows = []
    for seed in seeds:
        augmenter(photo, seed)
        rows.append([bool(s.transform.get_applied_params()) for s in augmenter.steps[1:]])
    return np.array(rows)


def test_a_typical_photo_gets_two_to_four_changes_drawn_one_by_one() -> None:
    acted = fired(range(500))
    wanted = [s.transform.p for s in build_steps("manufacturing", 64)[1:]]
    np.testing.assert_allclose(acted.mean(axis=0), wanted, atol=0.08)
    counts = acted.sum(axis=1)
    assert 2 <= np.median(counts) <= 4
    assert ((counts >= 1) & (counts <= 4)).mean() >= 0.8
    # Compose.set_random_seed gives all transforms copies of one generator: every step would
    # act exactly where a rarer one does, and the correlations would be near 1.
    together = np.corrcoef(acted.T) - np.eye(len(wanted))
    assert np.abs(together).max() < 0.2
