from concurrent.futures import ThreadPoolExecutor
from math import erf, sqrt

import cv2
import numpy as np
import pytest
from helpers.encode import picture
from numpy.typing import NDArray
from PIL import Image

from fastdefect.data.audit.appearance import THUMBNAIL, measure_appearance
from fastdefect.sample.render import Defect, photograph, render_part

Pixels = NDArray[np.uint8]


def flat(level: int, height: int = 40, width: int = 60) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


# ---- light and colour --------------------------------------------------------------------


def test_brightness_and_contrast_are_those_of_pillows_luma() -> None:
    image = picture(200, 300)
    luma = np.asarray(Image.fromarray(image).convert("L"), np.float64)
    look = measure_appearance(image)
    assert look.brightness == pytest.approx(luma.mean(), abs=0.1)
    assert look.contrast == pytest.approx(luma.std(), abs=0.1)


def test_light_by_hand() -> None:
    image = flat(100)
    image[:10] = 0  # a quarter
    image[10:14] = 255  # a tenth
    look = measure_appearance(image)
    assert look.brightness == pytest.approx(0.65 * 100 + 0.1 * 255)
    assert (look.dark, look.bright) == pytest.approx((0.25, 0.1))


@pytest.mark.parametrize(
    ("level", "dark", "bright"), [(8, 1, 0), (9, 0, 0), (246, 0, 0), (247, 0, 1)]
)
def test_as_good_as_black_or_white(level: int, dark: int, bright: int) -> None:
    look = measure_appearance(flat(level))
    assert (look.dark, look.bright) == pytest.approx((dark, bright))


def test_colour_is_the_distance_from_grey() -> None:
    red = flat(0)
    red[..., 0] = 255
    assert measure_appearance(red).colour == pytest.approx((170 + 85 + 85) / 3, rel=1e-5)
    grey = np.repeat(picture()[..., :1], 3, axis=2)
    assert measure_appearance(grey).colour == 0


# ---- thumbnail ---------------------------------------------------------------------------


def test_the_thumbnail_is_made_of_area_averages() -> None:
    image = picture(4 * THUMBNAIL, 3 * THUMBNAIL)
    blocks = image.reshape(THUMBNAIL, 4, THUMBNAIL, 3, 3).mean(axis=(1, 3))
    thumbnail = measure_appearance(image).thumbnail
    assert thumbnail.dtype == np.uint8
    assert np.abs(thumbnail - blocks).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3000, 7), (63, 65), (2, 2), (700, 900)])
def test_every_shape_has_a_look(shape: tuple[int, int]) -> None:
    look = measure_appearance(picture(*shape))
    assert look.thumbnail.shape == (THUMBNAIL, THUMBNAIL, 3)
    assert np.isfinite(look.sharpness)


def test_the_thumbnail_outlives_the_photo() -> None:
    image = picture(THUMBNAIL, THUMBNAIL)
    look = measure_appearance(image)
    kept = look.thumbnail.copy()
    image[:] = 0
    assert np.array_equal(look.thumbnail, kept)


def test_threads_see_the_same() -> None:
    images = [picture(300, 300, seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        seen = [look.sharpness for look in pool.map(measure_appearance, images)]
    assert seen == [measure_appearance(image).sharpness for image in images]


# ---- sharpness ---------------------------------------------------------------------------


def step(sigma: float, size: int = 256) -> Pixels:
    """A step that a lens has blurred: the integral of a Gaussian."""
    x = np.arange(size) - size / 2 + 0.5
    profile = [128 + 100 * erf(at / sigma / sqrt(2)) for at in x]
    return np.rint(np.tile(np.array(profile)[None, :, None], (size, 1, 3))).astype(np.uint8)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5, 2.0, 4.0, 8.0])
def test_a_blurred_step_follows_the_formula(sigma: float) -> None:
    # A difference over two pixels is a slope seen through a box of variance 1/3.
    seen = sigma**2 + 1 / 3
    expected = sqrt((seen + 1.5**2) / seen)
    assert measure_appearance(step(sigma)).sharpness == pytest.approx(expected, rel=0.02)


def test_nothing_is_neither_sharp_nor_soft() -> None:
    assert measure_appearance(flat(120)).sharpness == 1


@pytest.fixture(scope="module")
def parts() -> list[Pixels]:
    """Photos of four castings, 512 px, in four lights and poses, half of them defective."""
    kinds = ("crack", "pinholes")
    return [
        photograph(
            render_part(
                np.random.SeedSequence([1, i]),
                size=512,
                defect=Defect(kinds[i // 2], 2) if i % 2 else None,
            ),
            np.random.SeedSequence([2, i]),
        ).pixels
        for i in range(4)
    ]


def blurred(image: Pixels, sigma: float) -> Pixels:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def lit(image: Pixels, gain: float) -> Pixels:
    return np.clip(image * gain, 0, 255).astype(np.uint8)


def jpeg(image: Pixels, quality: int) -> Pixels:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def noisy(image: Pixels, sigma: float) -> Pixels:
    noise = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def smaller(image: Pixels, factor: float) -> Pixels:
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


HARMLESS = {
    "dark": lambda image: lit(image, 0.7),
    "bright": lambda image: lit(image, 1.3),
    "pale": lambda image: lit(image, 0.5) + 60,
    "jpeg 60": lambda image: jpeg(image, 60),
    "noise": lambda image: noisy(image, 4),
    "three quarters": lambda image: smaller(image, 0.75),
    "half": lambda image: smaller(image, 0.5),
    "quarter turn": lambda image: np.rot90(image).copy(),
}


@pytest.mark.parametrize("sigma", [2, 3])
def test_defocus_separates_from_all_that_is_harmless(parts: list[Pixels], sigma: float) -> None:
    sharp = [measure_appearance(image).sharpness for image in parts]
    soft = [measure_appearance(blurred(image, sigma)).sharpness for image in parts]
    harmless = [
        measure_appearance(change(image)).sharpness
        for change in HARMLESS.values()
        for image in parts
    ]
    assert max(soft) < min(sharp + harmless)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_hardly_moves_sharpness(parts: list[Pixels], name: str) -> None:
    for image in parts:
        sharp, soft = (
            measure_appearance(image).sharpness,
            measure_appearance(blurred(image, 2)).sharpness,
        )
        moved = abs(measure_appearance(HARMLESS[name](image)).sharpness - sharp)
        assert moved < 0.25 * (sharp - soft)


def test_noise_does_not_hide_defocus(parts: list[Pixels]) -> None:
    for image in parts:
        assert (
            measure_appearance(noisy(blurred(image, 3), 4)).sharpness
            < measure_appearance(image).sharpness
        )
