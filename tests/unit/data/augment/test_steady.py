"""The level that reaches as far as a factory's camera drifts: each end is reached, none passed.

Warnings are errors here as in ``test_pipelines.py``.
"""

import warnings
from collections.abc import Callable, Iterator
from itertools import groupby
from math import cos, log, radians, sin

import numpy as np
import pytest
from helpers.surfaces import SIDE, Photo, blob, force, left_of, scratch, surface, with_defect
from numpy.typing import NDArray

from fastdefect.data.augment.pipelines import Augmenter, build_steps
from fastdefect.data.augment.steps import Step
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES

SEEDS = range(150)
SMALL = surface(side=64)


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def step(name: str, size: int = SIDE) -> Step:
    return next(s for s in build_steps("steady", size) if s.name == name)


def measured(name: str, photo: Photo, read: Callable[[Photo], float]) -> tuple[float, float]:
    """The least and the most that ``read`` finds in the photos that a step makes."""
    each = step(name, photo.shape[0])
    values = [read(force(each, photo, seed)) for seed in SEEDS]
    return min(values), max(values)


def flat(level: int) -> Photo:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


# ---- how strong: each end is reached, and not passed


def test_exposure() -> None:
    least, most = measured("exposure", flat(100), lambda photo: photo.mean() / 100)
    assert 0.595 < least < 0.65
    assert 1.4 < most < 1.505


def test_tone_curve() -> None:
    least, most = measured(
        "tone curve", flat(100), lambda photo: log(photo.mean() / 255) / log(100 / 255)
    )
    assert 0.59 < least < 0.65
    assert 1.5 < most < 1.61


def test_sensor_noise() -> None:
    least, most = measured("sensor noise", flat(128), lambda photo: photo[..., 0].std())
    assert 1.9 < least < 3
    assert 16.5 < most < 18.3


@pytest.mark.parametrize("side", [SIDE, 2 * SIDE])
def test_defocus_grows_with_the_photo(side: int) -> None:
    edge = np.zeros((side, side, 3), np.uint8)
    edge[:, side // 2 :] = 255

    def sigma(photo: Photo) -> float:
        """The spread of the line that the edge's slope is."""
        line = np.diff(photo[side // 2, :, 0].astype(float)) / 255
        place = np.arange(len(line))
        return float(
            np.sqrt(np.average((place - np.average(place, weights=line)) ** 2, weights=line))
        )

    least, most = (value * SIDE / side for value in measured("defocus", edge, sigma))
    assert 0.4 < least < 0.7
    assert 2.3 < most < 2.55


def test_jpeg() -> None:
    photo = surface()

    def lost(changed: Photo) -> float:
        return float(np.abs(changed.astype(int) - photo).mean())

    def at(quality: int) -> float:
        return lost(DISTURBANCES["JPEG"].apply(photo, quality, np.random.default_rng(0)))

    least, most = measured("JPEG", photo, lost)
    assert at(95) < least < at(80)
    assert at(18) < most <= at(15)


def test_turn() -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    dot = np.exp(-((x - 60) ** 2 + y**2) / 18)
    photo = np.repeat((255 * dot).astype(np.uint8)[..., None], 3, axis=2)
    turn = step("turn")
    angles, sizes = [], []
    for seed in SEEDS:
        weights = force(turn, photo, seed)[..., 0] * (np.hypot(x, y) < 75)  # no mirror
        across, down = np.average(x, weights=weights), np.average(y, weights=weights)
        angles.append(np.degrees(np.arctan2(-down, across)))
        sizes.append(np.hypot(across, down) / 60)
        angle = radians(abs(angles[-1]))
        assert sizes[-1] >= 1 / (cos(angle) + sin(angle)) - 0.01  # never smaller than it must
    assert -45.5 < min(angles) < -42
    assert 42 < max(angles) < 45.5
    assert 0.70 < min(sizes) < 0.72
    assert 0.99 < max(sizes) < 1.01


@pytest.mark.parametrize(
    ("name", "strengths", "of_step"),
    [
        ("brightness", (0.7, 1.3), "exposure"),
        ("gamma", (0.7, 1.4), "tone curve"),
        ("noise", (15,), "sensor noise"),
        ("JPEG", (20,), "JPEG"),
        ("turn", (-15, 15), "turn"),
        ("blur", (2,), "defocus"),
    ],
)
def test_what_a_decision_must_stand_is_no_rarity(
    name: str, strengths: tuple[float, ...], of_step: str
) -> None:
    # A strength means the same here and there: test_camera.py, and above for noise and blur.
    drifting = step(of_step)
    drawn = np.array([drawn_strength(drifting, seed) for seed in SEEDS])
    for strength in strengths:
        assert strength in DISTURBANCES[name].strengths
        assert min((drawn < strength).mean(), (drawn > strength).mean()) > 0.08


def drawn_strength(drawn: Step, seed: int) -> float:
    force(drawn, SMALL, seed)
    params = drawn.transform.get_applied_params()
    if drawn.name != "defocus":
        return float(params["strength"])
    kernel = params["kernel"]
    place = np.arange(len(kernel)) - len(kernel) // 2
    return float(np.sqrt(kernel @ place**2))


def test_with_the_eight_poses_every_angle_comes_up() -> None:
    # 90 degrees and more are a pose of whole pixels and a turn of up to 45.
    pose = step("flips and quarter turns")
    poses = {force(pose, SMALL, seed).tobytes() for seed in range(80)}
    for degrees in (90, 180):
        turned = DISTURBANCES["large turn"].apply(SMALL, degrees, np.random.default_rng(0))
        assert turned.tobytes() in poses


# ---- how much a photo gets


def acted(seeds: range, level: str = "steady") -> NDArray[np.bool_]:
    """Which steps acted, ``(seeds, steps)``."""
    augmenter = Augmenter(level, 64)
    photo = surface(side=64)
    rows = []
    for seed in seeds:
        for each in augmenter.steps:
            each.transform.params = {}  # one that isn't asked keeps those of the photo before
        augmenter(photo, seed)
        rows.append([bool(each.transform.get_applied_params()) for each in augmenter.steps])
    return np.array(rows)


def test_a_third_of_the_photos_stay_clean_and_the_others_get_a_few_changes() -> None:
    steps = build_steps("steady", 64)
    found = acted(range(800))
    np.testing.assert_allclose(found.mean(axis=0), [s.transform.p for s in steps], atol=0.05)
    faulty = found[:, [bool(s.fault) for s in steps]].sum(axis=1)
    assert 0.3 < (faulty == 0).mean() < 0.4
    assert 1.5 < faulty[faulty > 0].mean() < 2.5
    assert faulty.max() <= 4
    for fault in {s.fault for s in steps if s.fault}:
        assert found[:, [s.fault == fault for s in steps]].sum(axis=1).max() == 1, fault


def test_camera_is_basic_with_the_camera_of_steady_in_the_same_shares() -> None:
    steps = build_steps("camera", 64)
    assert [str(s) for s in steps if not s.fault] == [str(s) for s in build_steps("basic", 64)]
    camera = [str(s) for s in build_steps("steady", 64) if s.fault == "camera"]
    assert [str(s) for s in steps if s.fault] == camera
    found = acted(range(800), "camera")[:, [bool(s.fault) for s in steps]]
    shares = [s.transform.p for s in steps if s.fault]
    np.testing.assert_allclose(found.mean(axis=0), shares, atol=0.05)
    assert found.sum(axis=1).max() == 1


def test_steps_of_a_fault_stand_together_after_those_without() -> None:
    runs = [fault for fault, _ in groupby(s.fault for s in build_steps("steady", SIDE))]
    assert runs[0] == ""
    assert len(runs) == len(set(runs))


def test_a_clean_photo_is_one_of_the_eight_poses() -> None:
    augmenter = Augmenter("steady", 64)
    photo = surface(side=64)
    square = {
        np.ascontiguousarray(np.rot90(p, k)).tobytes()
        for p in (photo, photo[:, ::-1])
        for k in range(4)
    }
    untouched = [augmenter(photo, seed).tobytes() in square for seed in range(300)]
    assert 0.11 < np.mean(untouched) < 0.24  # half of the third: the other half is turned


def test_describe_gives_each_step_with_its_share_of_all_photos() -> None:
    lines = Augmenter("steady", SIDE).describe()
    assert len(lines) == 12
    assert "JPEG: quality 15 to 90; 16% of photos" in lines
    assert "defocus: Gaussian, sigma 0.5 to 2.5 pixels; 20% of photos" in lines


# ---- what is left of a defect


DEFECTS: dict[str, tuple[Callable[[], Photo], float, float]] = {
    "dark blob": (blob, -50, 0.97),
    "dark blob at the edge": (lambda: blob((217, 100)), -50, 0.97),
    "dark blob in the very corner": (lambda: blob((4, 4)), -50, 0.78),  # 1 in 6 is cut
    "pinhole": (lambda: blob(radius=1), -60, 0.93),
    "dark scratch": (scratch, -30, 0.97),
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
    plain, augmenter = surface(request.param), Augmenter("steady", SIDE)
    return plain, [augmenter(plain, seed) for seed in range(100)]


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_keeps_a_third_of_its_contrast(
    name: str, plain_surface: tuple[Photo, list[Photo]]
) -> None:
    # The same seed does the same to a surface with and without the defect; the noise, being
    # the same too, is not seen here.
    augmenter = Augmenter("steady", SIDE)
    mask, depth, share = DEFECTS[name]
    plain, without = plain_surface
    marked = with_defect(plain, mask(), depth)
    before = np.array(left_of(plain, marked))
    kept = np.array([left_of(clean, augmenter(marked, seed)) for seed, clean in enumerate(without)])
    assert (kept >= before / 3).mean(axis=0).min() >= share


def test_a_blob_stands_out_of_the_strongest_noise() -> None:
    plain = surface()
    marked = with_defect(plain, blob(), -50)
    spot = blob() == 255
    noise = step("sensor noise")
    noisy = np.array([force(noise, marked, seed)[..., 0] for seed in SEEDS])
    beside = np.roll(spot, 30, axis=1)
    depth = noisy[:, beside].mean(axis=1) - noisy[:, spot].mean(axis=1)
    assert depth.min() > 35
