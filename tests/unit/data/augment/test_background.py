"""The border's light: measured whatever the part does, and given away without harm."""

import cv2
import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastdefect.data.augment.background import BorderLight, expose, measure_border, relight
from fastdefect.data.reading.images import fit_to

SIDE = 224
Photo = NDArray[np.uint8]
WHITE_PAPER, GREY_BACKGROUND = 225.0, 150.0


def background(
    level: float | tuple[float, float, float],
    *,
    texture: float = 0.0,
    vignette: float = 1.0,
    side: int = SIDE,
    seed: int = 0,
) -> Photo:
    """An empty background: ``texture`` is a standard deviation as a share of the level."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    shade = vignette ** (x**2 + y**2 - 1.5)
    grain = np.exp(np.random.default_rng(seed).normal(0, texture, (side, side)))
    colour = np.broadcast_to(np.asarray(level, float), (3,))
    photo = (shade * grain)[..., None] * colour
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8)


def with_part(photo: Photo, metal: int = 190, radius: float = 0.4, x: float = 0.5) -> Photo:
    """A disc of metal on it, sizes in shares of the side."""
    side = len(photo)
    centre = (round(x * side), side // 2)
    return cv2.circle(photo.copy(), centre, round(radius * side), (metal,) * 3, -1, cv2.LINE_AA)


def swap(photo: Photo, other: Photo, strength: float = 1.0) -> Photo:
    return relight(photo, measure_border(photo), measure_border(other), strength)


def middle(photo: Photo) -> Photo:
    third = len(photo) // 3
    return photo[third:-third, third:-third]


# Measuring


@pytest.mark.parametrize("level", [3, 60, 150, 225, 254, (200, 120, 40)])
def test_the_level_is_that_of_the_background(level: float | tuple[float, float, float]) -> None:
    found = measure_border(with_part(background(level)))
    np.testing.assert_allclose(found.level, np.broadcast_to(level, 3), atol=0.01)
    assert found.contrast == pytest.approx(0, abs=1e-6)
    assert found.vignette == pytest.approx(1)


def test_the_vignette_is_corners_over_sides() -> None:
    bright, dark = (measure_border(background(120, vignette=v)).vignette for v in (1.3, 0.7))
    assert bright > 1.1
    assert dark < 0.87
    assert bright * measure_border(background(120, vignette=1 / 1.3)).vignette == pytest.approx(
        1, 0.01
    )


def test_contrast_is_texture_and_not_shading() -> None:
    # The mean deviation of a normal distribution is sqrt(2 / pi) of its standard deviation.
    found = measure_border(background(120, texture=0.1)).contrast
    assert found == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.1)
    assert measure_border(background(120, vignette=1.3)).contrast < 0.005
    ramp = np.linspace(80, 160, SIDE)
    slope = np.broadcast_to(ramp[:, None, None], (SIDE, SIDE, 3)).astype(np.uint8)
    assert measure_border(slope).contrast < 0.005


@pytest.mark.parametrize("metal", [20, 250])
@pytest.mark.parametrize(
    ("radius", "x"), [(0.5, 0.5), (0.46, 0.3), (0.45, 0.75)], ids=["all edges", "left", "right"]
)
def test_a_part_that_reaches_into_the_border_moves_it_little(
    metal: int, radius: float, x: float
) -> None:
    empty = background(GREY_BACKGROUND, texture=0.03, vignette=1.1)
    alone, beside = measure_border(empty), measure_border(with_part(empty, metal, radius, x))
    np.testing.assert_allclose(beside.level, alone.level, rtol=0.02)
    assert beside.vignette == pytest.approx(alone.vignette, abs=0.04)
    assert beside.contrast == pytest.approx(alone.contrast, abs=0.012)


def test_padding_is_not_background() -> None:
    flat = with_part(background(WHITE_PAPER, texture=0.02))[60:-60]
    padded = fit_to(flat, SIDE, "pad")
    np.testing.assert_allclose(measure_border(padded).level, measure_border(flat).level)
    upright = fit_to(np.ascontiguousarray(flat.swapaxes(0, 1)), SIDE, "pad")
    np.testing.assert_allclose(measure_border(upright).level, measure_border(flat).level, rtol=0.01)


def test_a_turned_photo_has_the_same_light() -> None:
    photo = with_part(background((200, 150, 90), texture=0.05, vignette=1.2), x=0.6)
    expected = measure_border(photo)
    for turned in (photo[::-1], photo[:, ::-1], photo.swapaxes(0, 1), np.rot90(photo)):
        found = measure_border(turned)
        np.testing.assert_allclose(found.level, expected.level)
        assert found.vignette == pytest.approx(expected.vignette)
        assert found.contrast == pytest.approx(expected.contrast)


# Giving it away

BENCHES = {
    "paper": background(WHITE_PAPER, texture=0.01),
    "grey": background(GREY_BACKGROUND, texture=0.02, vignette=1.1, seed=1),
    "dark": background(40, texture=0.1, vignette=0.8, seed=2),
    "tinted": background((170, 140, 100), texture=0.04, vignette=0.9, seed=3),
}


@pytest.mark.parametrize("own", BENCHES)
@pytest.mark.parametrize("target", BENCHES)
def test_the_border_has_the_targets_light_afterwards(own: str, target: str) -> None:
    wanted = measure_border(with_part(BENCHES[target], 90))
    found = measure_border(swap(with_part(BENCHES[own], 190), BENCHES[target]))
    np.testing.assert_allclose(found.level, wanted.level, rtol=0.02, atol=0.7)
    assert found.vignette == pytest.approx(wanted.vignette, abs=0.02)


def test_the_contrast_comes_with_it_within_a_gammas_reach() -> None:
    faint, strong = background(140, texture=0.1), background(120, texture=0.14, seed=1)
    for own, target in ((faint, strong), (strong, faint)):
        found, wanted = measure_border(swap(own, target)), measure_border(target)
        assert found.contrast == pytest.approx(wanted.contrast, rel=0.05)
    # What only a coarse background has, a flat one can't be given: its noise would have to grow.
    flat = measure_border(
        swap(background(140, texture=0.005), background(140, texture=0.3))
    ).contrast
    assert 0.004 < flat < 0.008


@pytest.mark.parametrize("level", [0, 1, 4])
def test_a_black_background_is_lifted_without_blowing_up_its_noise(level: int) -> None:
    black = background(level)
    black[::2, ::2] += 2
    found = swap(black, background(160))
    np.testing.assert_allclose(measure_border(found).level, 160, atol=4)
    assert found[:10].std() <= 4 * 1.05


@examples(40)
@given(
    st.floats(1, 255), st.floats(0, 0.5), st.floats(0.3, 3),
    st.floats(1, 255), st.floats(0, 0.5), st.floats(0.3, 3),
    st.integers(16, 60), st.integers(16, 60),
)  # fmt: skip
def test_any_photo_takes_any_light_and_brighter_stays_brighter(
    level: float, contrast: float, vignette: float,
    other_level: float, other_contrast: float, other_vignette: float,
    height: int, width: int,
) -> None:  # fmt: skip
    own = BorderLight((level,) * 3, contrast, vignette)
    target = BorderLight((other_level,) * 3, other_contrast, other_vignette)
    greys = [*range(0, 256, 6), 255]  # 128, which would be padding, is not among them
    ramp = [relight(np.full((height, width, 3), grey, np.uint8), own, target) for grey in greys]
    values = np.stack(ramp)[..., 0].astype(int)
    assert values.shape == (len(greys), height, width)
    assert np.diff(values, axis=0).min() >= 0  # a wrapped or folded value would fall


def test_its_own_light_changes_nothing() -> None:
    for photo in BENCHES.values():
        own = measure_border(photo)
        np.testing.assert_array_equal(relight(photo, own, own), photo)
        nearly = BorderLight(own.level, own.contrast, own.vignette * (1 + 1e-9))
        np.testing.assert_array_equal(relight(photo, own, nearly), photo)


def test_strength_scales_the_change() -> None:
    photo, other = with_part(BENCHES["grey"]), BENCHES["paper"]
    np.testing.assert_array_equal(swap(photo, other, 0.0), photo)
    whole = swap(photo, other).astype(float) - photo
    half = swap(photo, other, 0.5).astype(float) - photo
    assert np.abs(whole).max() > 50
    np.testing.assert_allclose(half, whole / 2, atol=1)


@pytest.mark.parametrize(("own", "target"), [("paper", "grey"), ("grey", "paper")])
def test_the_part_keeps_its_look(own: str, target: str) -> None:
    photo = with_part(BENCHES[own], 180)
    changed = swap(photo, BENCHES[target])
    assert np.abs(middle(changed).astype(int) - middle(photo)).mean() < 1
    assert np.abs(changed[:20].astype(int) - photo[:20]).mean() > 50


def test_the_light_has_no_edge_that_could_be_a_defect() -> None:
    changed = swap(background(GREY_BACKGROUND), background(WHITE_PAPER, vignette=1.1))[
        ..., 0
    ].astype(int)
    for axis in (0, 1):
        assert np.abs(np.diff(changed, axis=axis)).max() <= 2


def test_highlights_are_rolled_off_and_not_clipped() -> None:
    # Bright metal at the very border of a background that becomes half as bright again.
    photo = with_part(background(GREY_BACKGROUND), 210, radius=0.47)
    photo[100:110, 8:24] = 235  # a highlight
    photo[112:114, 8:24] = 195  # a scratch
    changed = swap(photo, background(WHITE_PAPER)).astype(int)
    assert changed.max() < 255
    metal, highlight, scratch = changed[118, 14, 0], changed[105, 14, 0], changed[113, 14, 0]
    assert metal > 225
    assert highlight - metal >= 5
    assert metal - scratch >= 3


@pytest.mark.parametrize(("own", "target"), [("paper", "grey"), ("grey", "paper")])
@pytest.mark.parametrize("metal", [140, 190])
def test_a_dark_defect_at_the_parts_rim_survives(own: str, target: str, metal: int) -> None:
    photo = with_part(BENCHES[own], metal)
    marked = cv2.circle(photo.copy(), (SIDE // 2, 34), 4, (metal - 60,) * 3, -1)
    own_light, other = measure_border(photo), measure_border(BENCHES[target])
    plain, changed = (relight(p, own_light, other).astype(int) for p in (photo, marked))
    assert plain[34, SIDE // 2, 0] - changed[34, SIDE // 2, 0] >= 0.5 * 60


def test_grey_stays_grey_and_colour_comes_from_the_target_alone() -> None:
    photo = with_part(BENCHES["grey"], 180)
    changed = swap(photo, BENCHES["dark"])
    assert np.ptp(changed, axis=2).max() == 0
    tinted = swap(photo, BENCHES["tinted"])
    assert np.ptp(tinted[:10], axis=2).mean() > 50
    assert np.ptp(middle(tinted), axis=2).max() <= 12


def test_padding_stays_as_it_is() -> None:
    padded = fit_to(with_part(background(WHITE_PAPER))[40:-40], SIDE, "pad")
    changed = swap(padded, background(GREY_BACKGROUND))
    assert (padded[:40] == 128).all()
    np.testing.assert_array_equal(changed[:40], padded[:40])
    np.testing.assert_array_equal(changed[-40:], padded[-40:])
    np.testing.assert_allclose(measure_border(changed).level, GREY_BACKGROUND, atol=1)


def test_the_photo_stays_as_it_was_and_the_answer_repeats() -> None:
    photo, other = with_part(BENCHES["grey"]), BENCHES["tinted"]
    kept = photo.copy()
    photo.flags.writeable = False  # as a store gives it
    first = swap(photo, other)
    np.testing.assert_array_equal(swap(photo, other), first)
    first[:] = 0
    np.testing.assert_array_equal(photo, kept)
    same = measure_border(photo)
    assert not np.shares_memory(relight(photo, same, same), photo)


# Exposure


def test_exposure_moves_mid_grey_and_clips_nothing() -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 4, 3))
    for gain in (0.85, 1.15):
        for gamma in (0.85, 1.15):
            changed = expose(ramp, gain, gamma)[:, 0, 0].astype(int)
            assert changed[128] == pytest.approx(128 * gain, abs=0.5)
            assert changed[0] == 0
            assert np.diff(changed).min() >= 0
            assert (changed == 255).sum() <= 2
    np.testing.assert_array_equal(expose(ramp, 1.0, 1.0), ramp)
