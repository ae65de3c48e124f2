"""What each step does to a photo: neither idle nor deadly.

Effects are measured on rendered surfaces of 224 pixels, the side that strengths are given
for. Warnings are errors as in ``test_pipelines.py``.
"""

import warnings
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
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

from fastdefect.data.augment.pipelines import (
    Augmenter,
    build_steps,
)
from fastdefect.data.augment.steps import Step


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def step(name: str, size: int = SIDE) -> Step:
    return next(s for s in build_steps("manufacturing", size) if s.name == name)


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


@pytest.mark.slow
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
