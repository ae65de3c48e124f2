"""Augmentation: repeatable, different everywhere, and each change neither idle nor deadly.

Effects are measured on rendered surfaces of 224 pixels, the side that strengths are given
for. Warnings are errors: Albumentations 2 only warns of an argument that it doesn't know,
and goes on with a default of its own.
"""

import hashlib
import itertools
import multiprocessing
import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from fastai.data.core import DataLoaders, Datasets, TfmdDL
from fastai.data.transforms import ToTensor
from fastai.vision.core import PILImage
from fasttransform import Pipeline
from helpers.surfaces import (
    SIDE,
    Photo,
    blob,
    displacement,
    force,
    left_of,
    scratch,
    surface,
    with_defect,
)
from numpy.typing import NDArray

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.data.augment.background import BorderLight
from fastdefect.data.augment.background_light import BorrowedLight
from fastdefect.data.augment.pipelines import (
    Augmenter,
    AugmentTransform,
    build_steps,
    item_seed,
)
from fastdefect.data.augment.steps import Step


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def step(name: str, size: int = SIDE) -> Step:
    return next(s for s in build_steps("manufacturing", size) if s.name == name)


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
    with pytest.raises(ValueError, match=r"none, basic, manufacturing, steady but got 'strong'"):
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


@pytest.mark.parametrize("name", ["manufacturing", "steady"])
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


def test_all_eight_poses_occur_and_move_whole_pixels() -> None:
    pose = step("flips and quarter turns")
    photo = surface(side=32)
    seen = {force(pose, photo, seed).tobytes() for seed in range(80)}
    square = [np.rot90(p, k) for p in (photo, photo[:, ::-1]) for k in range(4)]
    assert seen == {np.ascontiguousarray(p).tobytes() for p in square}


# ---- what each transform does: seen, and no more than that


def test_tilt_turns_visibly_and_pushes_next_to_nothing_out() -> None:
    tilt = step("tilt")
    moved = displacement(tilt, SIDE, range(40)).mean(axis=(1, 2))
    assert moved.min() > 3  # shrunk by 4 % at least: the mean pixel is 80 from the middle
    assert moved.max() < 16
    photo = np.zeros((SIDE, SIDE, 3), np.uint8)
    corners = [(10, 10), (213, 10), (10, 213), (213, 213)]
    for x, y in corners:
        photo[y - 4 : y + 5, x - 4 : x + 5] = 255
    whole = photo.sum() * 0.88**2
    assert all(force(tilt, photo, seed).sum() >= 0.95 * whole for seed in range(60))


def test_elastic_moves_pixels_by_one_to_three_and_never_folds() -> None:
    # alpha = 1, sigma = 50 of the library moves them by 0.01; its mean of 2 throws the
    # corners 14 pixels away.
    moved = displacement(step("elastic deformation"), SIDE, range(40))
    assert 1.0 <= moved.mean() <= 3.0
    assert moved.mean(axis=(1, 2)).min() > 0.6
    assert moved.max() < 4.5
    transform = step("elastic deformation").transform
    for seed in range(40):
        transform.set_random_seed(seed)
        maps = transform.get_params_dependent_on_data({"shape": (SIDE, SIDE, 3)}, {})
        stretch = [np.diff(maps["map_x"], axis=1), np.diff(maps["map_y"], axis=0)]
        assert min(s.min() for s in stretch) > 0.7
        assert max(s.max() for s in stretch) < 1.3
        rim = np.abs(maps["map_x"] - np.arange(SIDE))[:, [0, -1]]
        assert rim.max() < 4.5  # the rim moves no more than the middle


def test_grid_moves_pixels_by_some_and_keeps_the_rim() -> None:
    grid = step("grid distortion")
    moved = displacement(grid, SIDE, range(40))
    assert 1.0 <= moved.mean() <= 4.0
    assert moved.max() < 12
    frame = np.zeros((SIDE, SIDE, 3), np.uint8)
    frame[2:8] = 255  # a band at the very edge is still there, and as wide
    for seed in range(20):
        band = force(grid, frame, seed)[:, SIDE // 2, 0]
        assert 4 <= (band > 127).sum() <= 8


@pytest.mark.parametrize("name", ["elastic deformation", "blur"])
def test_strengths_in_pixels_scale_with_the_photo(name: str) -> None:
    small, large = step(name, SIDE), step(name, 2 * SIDE)
    if name == "blur":
        np.testing.assert_allclose(
            large.transform.sigma_limit, 2 * np.array(small.transform.sigma_limit)
        )
        return
    ratio = (
        displacement(large, 2 * SIDE, range(20)).mean()
        / displacement(small, SIDE, range(20)).mean()
    )
    assert 1.8 < ratio < 2.2


def test_noise_is_some_grey_levels() -> None:
    flat = np.full((SIDE, SIDE, 3), 128, np.uint8)
    noise = step("Gaussian noise")
    sds = [force(noise, flat, seed).astype(float).std() for seed in range(100)]
    assert 2 <= min(sds) < 4
    assert 6 < max(sds) <= 10


def test_blur_takes_fine_detail_and_leaves_pinholes() -> None:
    grain = surface(grain=8)
    energy = cv2.Laplacian(grain[..., 0].astype(np.float32), cv2.CV_32F).var()
    hole = with_defect(np.full_like(grain, 140), blob(radius=1), -60)
    depth, blur = 140 - hole.min(), step("blur")
    for seed in range(40):
        blurred = force(blur, grain, seed)
        left = cv2.Laplacian(blurred[..., 0].astype(np.float32), cv2.CV_32F).var()
        assert left < 0.75 * energy
        assert 140 - int(force(blur, hole, seed).min()) >= 0.5 * depth


@pytest.mark.parametrize("side", [64, SIDE, 448])
def test_clahe_lifts_local_contrast_without_making_pits_of_grain(side: int) -> None:
    clahe = step("CLAHE", side)
    faint = surface(side=side, grain=3)
    gains = []
    for seed in range(20):
        changed = force(clahe, faint, seed)
        assert np.abs(changed.astype(int) - faint).mean() > 2
        fine = [p[..., 0] - cv2.blur(p[..., 0].astype(float), (9, 9)) for p in (changed, faint)]
        gains.append(fine[0].std() / fine[1].std())
    assert min(gains) > 1.5
    assert max(gains) < 2.5


def test_dropout_hides_little_and_paints_with_what_is_there() -> None:
    dropout = step("coarse dropout")
    photo = surface(grain=20)
    for seed in range(60):
        changed = force(dropout, photo, seed)
        holes = (changed != photo).any(axis=2).astype(np.uint8)
        assert 20 <= holes.sum() <= 0.0125 * SIDE**2
        transform_holes = dropout.transform.get_applied_params()["holes"]
        assert 4 <= len(transform_holes) <= 8
        assert max(max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in transform_holes) <= 9
        # No black squares and no white ones: nothing that the surface doesn't have.
        assert changed.min() >= photo.min()
        assert changed.max() <= photo.max()


@pytest.mark.slow
def test_dropout_hardly_ever_takes_a_defect() -> None:
    dropout = step("coarse dropout")
    photo = surface()
    for mask, worst in ((blob(), 0.01), (scratch(), 0.0)):
        marked = with_defect(photo, mask, -50)
        whole = left_of(photo, marked)[1]
        lost = [
            left_of(force(dropout, photo, seed), force(dropout, marked, seed))[1] < 0.5 * whole
            for seed in range(300)
        ]
        assert np.mean(lost) <= worst


def test_light_changes_visibly_in_both_directions() -> None:
    light = step("brightness and contrast")
    photo = surface(130)
    shifts = [force(light, photo, seed).mean() - photo.mean() for seed in range(100)]
    assert min(shifts) < -20
    assert max(shifts) > 20
    assert np.abs(shifts).max() < 60
    assert np.mean(np.abs(shifts) > 4) > 0.7
    spreads = [force(light, photo, seed).std() / photo.std() for seed in range(100)]
    assert 0.75 < min(spreads) < 0.9
    assert 1.1 < max(spreads) < 1.25


def test_light_never_bleaches_a_surface_near_white_nor_drowns_one_near_black() -> None:
    light = step("brightness and contrast")
    for level, depth in ((238, -15), (18, 15)):
        photo = surface(level, grain=2)
        marked = with_defect(photo, blob(), depth)
        contrast = left_of(photo, marked)[0]
        for seed in range(60):
            kept = left_of(force(light, photo, seed), force(light, marked, seed))[0]
            assert kept >= 0.7 * contrast, (level, seed)


def test_light_takes_a_photo_of_one_grey_level() -> None:
    light = step("brightness and contrast")
    for level in (0, 255):
        flat = np.full((SIDE, SIDE, 3), level, np.uint8)
        for seed in range(10):
            force(light, flat, seed)


def test_gamma_moves_mid_greys_and_keeps_both_ends() -> None:
    ramp = np.repeat(np.tile(np.linspace(0, 255, SIDE), (SIDE, 1))[..., None], 3, axis=2)
    photo = ramp.round().astype(np.uint8)
    gamma, middle = step("gamma"), []
    for seed in range(60):
        changed = force(gamma, photo, seed)
        assert changed.min() == 0
        assert changed.max() == 255
        assert (changed == 255).mean() < 0.02
        middle.append(int(changed[0, SIDE // 2, 0]) - int(photo[0, SIDE // 2, 0]))
    assert -25 < min(middle) < -12
    assert 12 < max(middle) < 25


DEFECTS: dict[str, tuple[Callable[[], Photo], float]] = {
    "dark blob": (blob, -50),
    "dark blob in the corner": (lambda: blob((4, 4)), -50),
    "dark blob at the edge": (lambda: blob((217, 100)), -50),
    "pinhole": (lambda: blob(radius=1), -60),
    "dark scratch": (scratch, -30),
    "bright scratch": (scratch, 20),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(60, marks=pytest.mark.slow),
        140,
        pytest.param(235, marks=pytest.mark.slow),
    ],
)
def plain_surface(request: pytest.FixtureRequest) -> tuple[Photo, list[Photo]]:
    """A surface of this level without a defect, and what the augmenter makes of it by seed."""
    plain, augmenter = surface(request.param), Augmenter("manufacturing", SIDE)
    return plain, [augmenter(plain, seed) for seed in range(100)]


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_survives_the_whole_pipeline(
    name: str, plain_surface: tuple[Photo, list[Photo]]
) -> None:
    # The same seed does the same to a surface with and without the defect, so that what
    # differs afterwards is the defect, wherever it has moved to.
    augmenter = Augmenter("manufacturing", SIDE)
    mask, depth = DEFECTS[name]
    plain, without = plain_surface
    marked = with_defect(plain, mask(), depth)
    before = np.array(left_of(plain, marked))
    kept = np.array([left_of(clean, augmenter(marked, seed)) for seed, clean in enumerate(without)])
    shares = (kept >= 0.5 * before).mean(axis=0)
    assert shares.min() >= 0.95, dict(zip(("peak", "sum"), shares, strict=True))


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
