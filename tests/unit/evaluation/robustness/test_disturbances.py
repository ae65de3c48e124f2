"""Disturbances: known values, what grows with strength, and what must stay."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fastdefect.evaluation.robustness.disturbances import DISTURBANCES, Disturbance, generator

DOCS = Path(__file__).parents[4] / "docs" / "evaluation.md"
Pixels = NDArray[np.uint8]
ALL = list(DISTURBANCES.values())
EACH = pytest.mark.parametrize("disturbance", ALL, ids=lambda each: each.name)


def photo(height: int = 96, width: int = 96, *, grey: bool = False, seed: int = 0) -> Pixels:
    """A bright ring on a grey background, with texture and some colour."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    ring = np.where(np.abs(np.hypot(x - 0.1, y) - 0.5) < 0.2, 190.0, 110.0) + 15 * x
    ring = gaussian_filter(ring + rng.normal(0, 12, ring.shape), 0.7)
    tint = (1.0, 1.0, 1.0) if grey else (1.05, 1.0, 0.9)
    return np.clip(ring[..., None] * tint, 0, 255).astype(np.uint8)


def changed(name: str, image: Pixels, strength: float, seed: int = 1) -> Pixels:
    return DISTURBANCES[name].apply(image, strength, np.random.default_rng(seed))


def flat(level: int, side: int = 224) -> Pixels:
    return np.full((side, side, 3), level, np.uint8)


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(float) - other).mean())


# ---- all of them


def test_the_strengths_that_lines_ask_about_are_there() -> None:
    asked = {
        "brightness": (0.5, 0.7, 1.3, 1.5),
        "gamma": (0.5, 0.7, 1.4, 2),
        "contrast": (0.5, 1.5),
        "blur": (2,),
        "noise": (15,),
        "JPEG": (90, 20, 10),
        "turn": (-15, -10, -5, 5, 10, 15),
        "large turn": (45, 90),
        "scale": (0.8, 1.2),
    }
    for name, strengths in asked.items():
        assert set(strengths) <= set(DISTURBANCES[name].strengths), name
    assert {"shift", "occlusion", "dust", "motion blur"} <= set(DISTURBANCES)


def test_each_is_found_by_its_own_name() -> None:
    assert [each.name for each in ALL] == list(DISTURBANCES)


def test_the_documentation_lists_and_counts_them() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = [
        f"| `{each.name}` | {each.unit} | {', '.join(map(each.strength_text, each.strengths))} |"
        for each in ALL
    ]
    header = "| disturbance | unit | strengths |\n|---|---|---|\n"
    assert header + "\n".join(rows) + "\n\n" in text
    words = " ".join(text.split())
    assert f"disturbs the photos in {len(ALL)} ways" in words
    assert f"{sum(len(each.strengths) for each in ALL)} graded strengths" in words


@EACH
def test_strengths_lead_away_from_the_identity(disturbance: Disturbance) -> None:
    assert disturbance.identity not in disturbance.strengths
    assert sum(disturbance.directions, ()) == disturbance.strengths
    for strengths in disturbance.directions:
        away = [abs(strength - disturbance.identity) for strength in strengths]
        assert away == sorted(set(away))


def test_two_sided_disturbances_have_two_directions() -> None:
    turn = DISTURBANCES["turn"]
    assert turn.directions == ((-5, -10, -15), (5, 10, 15))
    assert DISTURBANCES["JPEG"].directions == ((90, 70, 50, 30, 20, 10),)
    assert DISTURBANCES["noise"].directions == ((5, 10, 15, 25, 40),)


@EACH
def test_the_identity_changes_nothing(disturbance: Disturbance) -> None:
    image = photo()
    same = disturbance.apply(image, disturbance.identity, np.random.default_rng(0))
    if disturbance.name == "JPEG":  # quality 100 still rounds
        assert difference(same, image) < 1
    else:
        np.testing.assert_array_equal(same, image)
    assert not np.shares_memory(same, image)


@EACH
@pytest.mark.parametrize("shape", [(96, 96), (60, 97), (130, 40)])
@pytest.mark.parametrize("grey", [False, True])
def test_shape_and_kind_stay_and_the_photo_is_not_written_to(
    disturbance: Disturbance, shape: tuple[int, int], grey: bool
) -> None:
    image = photo(*shape, grey=grey)
    kept = image.copy()
    image.setflags(write=False)
    for strength in (disturbance.strengths[0], disturbance.strengths[-1]):
        after = disturbance.apply(image, strength, np.random.default_rng(0))
        assert (after.shape, after.dtype) == (image.shape, image.dtype)
        assert after.flags.c_contiguous
    np.testing.assert_array_equal(image, kept)


@EACH
def test_a_grey_photo_stays_grey(disturbance: Disturbance) -> None:
    image = photo(grey=True)
    after = disturbance.apply(image, disturbance.strengths[-1], np.random.default_rng(0))
    assert np.ptp(after.astype(int), axis=2).max() == 0
    acts = disturbance.name != "colour temperature"
    assert (difference(after, image) > 0.3) == acts


@EACH
def test_the_same_draws_give_the_same_pixels(disturbance: Disturbance) -> None:
    image, last = photo(), len(disturbance.strengths) - 1

    def once(seed: int, position: int) -> Pixels:
        rng = generator(seed, disturbance.name, last, position)
        return disturbance.apply(image, disturbance.strengths[last], rng)

    np.testing.assert_array_equal(once(1, 7), once(1, 7))
    drawn = {"uneven light", "motion blur", "noise", "shift", "occlusion", "dust"}
    for other in (once(2, 7), once(1, 8)):
        assert (difference(other, once(1, 7)) > 0) == (disturbance.name in drawn)


@pytest.mark.parametrize("name", sorted(set(DISTURBANCES) - {"large turn"}))
def test_stronger_changes_more(name: str) -> None:
    disturbance = DISTURBANCES[name]
    images = [photo(224, 224, seed=seed) for seed in range(4)]
    for strengths in disturbance.directions:
        sizes = [
            np.mean([difference(changed(name, image, s, seed), image)
                     for seed, image in enumerate(images)])
            for s in strengths
        ]  # fmt: skip
        assert sizes[0] > 0
        assert (np.diff(sizes) > 0).all(), (name, sizes)


def test_draws_depend_on_all_that_tells_two_photos_apart() -> None:
    first = generator(3, "dust", 1, 5).uniform(size=4)
    np.testing.assert_array_equal(generator(3, "dust", 1, 5).uniform(size=4), first)
    for other in ((4, "dust", 1, 5), (3, "noise", 1, 5), (3, "dust", 2, 5), (3, "dust", 1, 6)):
        assert (generator(*other).uniform(size=4) != first).all()


def test_what_is_no_photo_is_refused() -> None:
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((8, 8, 4), np.uint8)):
        with pytest.raises(ValueError, match="Expected a photo"):
            changed("noise", wrong, 5)  # type: ignore[arg-type]


def test_strengths_have_a_text() -> None:
    said = {name: each.strength_text(each.strengths[-1]) for name, each in DISTURBANCES.items()}
    assert said["brightness"] == "x1.5"
    assert said["turn"] == "+15 degrees"
    assert said["JPEG"] == "quality 10"
    assert said["occlusion"] == "10% of the area"


# ---- light


def test_brightness_contrast_and_gamma_by_hand() -> None:
    image = np.array([[[0, 100, 200], [50, 255, 150]]], np.uint8)
    half = changed("brightness", image, 0.5)
    np.testing.assert_array_equal(half, [[[0, 50, 100], [25, 128, 75]]])
    more = changed("brightness", image, 1.3)
    np.testing.assert_array_equal(more, [[[0, 130, 255], [65, 255, 195]]])
    # 255 * (100 / 255) ** 2 = 39.2, 255 * sqrt(100 / 255) = 159.7
    assert changed("gamma", image, 2.0)[0, 0].tolist() == [0, 39, 157]
    assert changed("gamma", image, 0.5)[0, 0].tolist() == [0, 160, 226]
    two = np.array([[[60] * 3, [140] * 3]], np.uint8)  # mean 100
    assert changed("contrast", two, 0.5)[0, :, 0].tolist() == [80, 120]
    assert changed("contrast", two, 1.5)[0, :, 0].tolist() == [40, 160]


def test_warm_light_is_redder_and_grey_surfaces_keep_their_brightness() -> None:
    image = flat(120, 32)
    image[0, 0] = (120, 121, 120)  # a colour camera
    luma = np.array([0.299, 0.587, 0.114])
    reds = []
    for kelvin in (3500, 4500, 5500, 6500, 8000, 10000):
        red, green, blue = changed("colour temperature", image, kelvin)[9, 9].astype(float)
        assert luma @ (red, green, blue) == pytest.approx(120, abs=1)
        reds.append(red - blue)
    assert reds == sorted(reds, reverse=True)
    assert reds[3] == 0


def test_uneven_light_goes_from_one_side_to_the_other() -> None:
    after = changed("uneven light", flat(100), 0.3).astype(float)
    assert after.min() == pytest.approx(70, abs=1)
    assert after.max() == pytest.approx(130, abs=1)
    assert after.mean() == pytest.approx(100, abs=0.5)
    assert after[::-1, ::-1] + after == pytest.approx(np.full(after.shape, 200), abs=1.01)


def test_a_vignette_darkens_the_corners_by_its_share() -> None:
    after = changed("vignette", flat(200, 101), 0.4)
    assert after[50, 50, 0] == 200
    assert {int(after[y, x, 0]) for y in (0, -1) for x in (0, -1)} == {120}
    assert after[0, 50, 0] == 160  # halfway, by the square of the distance


# ---- camera


def test_blur_is_a_gaussian_of_the_scaled_width() -> None:
    for side in (224, 112):
        image = photo(side, side)
        ours = changed("blur", image, 2).astype(float)
        theirs = gaussian_filter(image.astype(float), (2 * side / 224,) * 2 + (0,), mode="mirror")
        assert np.abs(ours - theirs).max() < 2.5
        assert np.abs(ours - theirs).mean() < 0.5


@pytest.mark.parametrize("seed", range(4))
def test_motion_blur_draws_a_point_out_along_a_line(seed: int) -> None:
    image = flat(0)
    image[112, 112] = 255
    cloud = changed("motion blur", image, 12, seed)[..., 0].astype(float)
    y, x = np.mgrid[:224, :224]
    centre = np.array([(cloud * x).sum(), (cloud * y).sum()]) / cloud.sum()
    assert centre == pytest.approx([112, 112], abs=0.3)
    away = np.stack([x - centre[0], y - centre[1]])[:, cloud > 0]
    long, short = np.linalg.eigvalsh(np.cov(away, aweights=cloud[cloud > 0]))[::-1]
    assert long**0.5 == pytest.approx(12 / 12**0.5, rel=0.12)  # a line's standard deviation
    assert short**0.5 < 0.7
    np.testing.assert_array_equal(changed("motion blur", flat(90), 12, seed), flat(90))


def test_noise_has_its_deviation_and_no_bias() -> None:
    image = flat(128)
    image[0, 0] = (128, 129, 128)
    for sd in DISTURBANCES["noise"].strengths:
        noise = changed("noise", image, sd).astype(float) - image
        assert noise.std() == pytest.approx(sd, rel=0.02)
        assert abs(noise.mean()) < 0.15 * sd / 5
    channels = noise.reshape(-1, 3)
    assert abs(np.corrcoef(channels.T)[0, 1]) < 0.02


@pytest.mark.parametrize("quality", DISTURBANCES["JPEG"].strengths)
def test_jpeg_is_opencvs_there_and_back(quality: int) -> None:
    image = photo(60, 97)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    back = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(changed("JPEG", image, quality), back)


# ---- pose


def test_quarter_and_half_turns_of_a_square_move_whole_pixels() -> None:
    image = photo()
    np.testing.assert_array_equal(changed("large turn", image, 90), np.rot90(image))
    np.testing.assert_array_equal(changed("large turn", image, 180), image[::-1, ::-1])


def test_turns_there_and_back_leave_the_middle_and_no_black_corner() -> None:
    image = photo()
    for degrees in (5, 15, 45):
        turned = changed("turn", image, degrees)
        assert turned.min() > 60  # the photo's own darkest is about 80
        back = changed("turn", turned, -degrees)
        assert difference(back[30:66, 30:66], image[30:66, 30:66]) < 6
    assert difference(changed("turn", image, 15), changed("turn", image, -15)) > 1


def test_a_shift_moves_whole_pixels_by_its_share_and_mirrors_the_edge() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[..., 0], image[..., 1] = np.mgrid[:200, :300] // 2 + 10
    lengths = []
    for seed in range(8):
        after = changed("shift", image, 0.15, seed)
        moved = (image[100, 150].astype(int) - after[100, 150]) * 2
        lengths.append(np.hypot(moved[0], moved[1]))
        assert set(np.unique(after[..., 0])) <= set(np.unique(image[..., 0]))  # no blend, no black
    assert lengths == pytest.approx([30] * 8, abs=2.5)


def test_scale_is_about_the_middle() -> None:
    image = flat(50, 101)
    image[30:71, 30:71] = 200  # 41 wide
    for factor, wide in ((0.8, 33), (1.2, 49)):
        after = changed("scale", image, factor)[50, :, 0]
        inside = np.flatnonzero(after > 125)
        assert len(inside) == pytest.approx(wide, abs=1)
        assert inside.mean() == 50


# ---- things in the way


@pytest.mark.parametrize("shape", [(200, 200), (100, 300)])
def test_a_patch_covers_its_share_in_the_borders_colour(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), (200, 40, 90), np.uint8)
    image[10:-10, 10:-10] = (0, 255, 0)
    wholly = (np.array(shape) - 20) / np.array(shape)
    for seed in range(5):
        after = changed("occlusion", image, 0.1, seed)
        patch = (after != image).any(axis=2)
        assert (after[patch] == (200, 40, 90)).all()
        assert 0.1 * wholly.prod() * 0.5 < patch.mean() < 0.105
    places = {tuple(np.argwhere((changed("occlusion", image, 0.1, s) != image).any(axis=2))[0])
              for s in range(5)}  # fmt: skip
    assert len(places) == 5


@pytest.mark.parametrize("side", [112, 224])
def test_dust_is_small_dark_and_light_and_as_much_as_asked(side: int) -> None:
    image = flat(128, side)
    counts = []
    for count in (5, 20):
        after = changed("dust", image, count, seed=4)
        pieces = cv2.connectedComponents((after[..., 0] != 128).astype(np.uint8))[0] - 1
        counts.append(pieces)
    assert 3 <= counts[0] <= 5  # some lie on others
    assert 14 <= counts[1] <= 22  # a hair may leave the photo and come back
    many = changed("dust", image, 100)
    assert 0.02 < (np.abs(many.astype(int) - 128) > 40).mean() < 0.12
    assert many.min() < 80 < 180 < many.max()


def test_dust_scales_with_the_photo() -> None:
    small, large = (
        np.mean([(changed("dust", flat(128, side), 50, s) != 128).mean() for s in range(4)])
        for side in (112, 448)
    )
    assert 0.4 < small / large < 3.5  # antialiased edges weigh more in a small photo
