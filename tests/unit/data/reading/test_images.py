from collections.abc import Callable

import cv2
import numpy as np
import pytest
from helpers.encode import encode, oriented, tiff
from helpers.photo_files import (
    DEEP_COLOUR,
    DEEP_COLOUR_FILES,
    DEEP_GREY,
    DEEP_GREY_FILES,
    GREY,
    LOSSLESS,
    PICTURE,
    opencv_file,
)
from PIL import Image

from fastdefect.data.reading.images import (
    UnreadablePhoto,
    decode_photo,
    to_8bit,
)

# As images.py sets it for the process, but pytest has filters of its own.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def by_hand(values: np.ndarray, white: int) -> np.ndarray:
    """Scaled in whole numbers, rounded half up (no value is a tie for 4095 and 65535)."""
    grey = ((values.astype(np.int64) * 255 * 2 + white) // (2 * white)).astype(np.uint8)
    return grey if grey.ndim == 3 else np.dstack([grey] * 3)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_files_give_their_pixels_back(kind: str) -> None:
    image = decode_photo(LOSSLESS[kind], "x")
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_array_equal(image, PICTURE)


@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 95, "progressive": True}])
def test_a_jpeg_is_what_opencv_reads(options: dict[str, int]) -> None:
    data = encode(PICTURE, "JPEG", **options)
    reference = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    difference = np.abs(decode_photo(data, "x").astype(int) - reference)
    assert difference.max() <= 2  # rounding inside two builds of one decoder


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_grey_becomes_three_equal_channels(kind: str) -> None:
    image = decode_photo(encode(GREY, kind), "x")
    assert image.shape == (40, 60, 3)
    assert (image == image[..., :1]).all()
    assert np.abs(image[..., 0].astype(int) - GREY).max() <= (8 if kind == "JPEG" else 0)


@pytest.mark.parametrize("kind", DEEP_GREY_FILES)
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    image = decode_photo(DEEP_GREY_FILES[kind], "x")
    np.testing.assert_array_equal(image, by_hand(DEEP_GREY, 65535))
    assert len(np.unique(image)) > 250  # Pillow's own conversion leaves a handful


@pytest.mark.parametrize("write", [lambda a: encode(a, "PNG"), tiff])
def test_12_bits_in_a_16_bit_file_use_the_whole_range(write: Callable[[np.ndarray], bytes]) -> None:
    twelve = (DEEP_GREY >> 4).astype(np.uint16)
    twelve[0, 0] = 4095
    np.testing.assert_array_equal(decode_photo(write(twelve), "x"), by_hand(twelve, 4095))
    twelve[0, 0] = 4096  # one more than twelve bits hold: now it is sixteen
    np.testing.assert_array_equal(decode_photo(write(twelve), "x"), by_hand(twelve, 65535))


@pytest.mark.parametrize("big_endian", [False, True])
def test_white_is_zero_tiffs_are_turned_round(big_endian: bool) -> None:
    file = tiff(DEEP_GREY, photometric=0, big_endian=big_endian)
    np.testing.assert_array_equal(decode_photo(file, "x"), 255 - by_hand(DEEP_GREY, 65535))
    file = tiff(GREY, photometric=0, big_endian=big_endian)
    np.testing.assert_array_equal(decode_photo(file, "x")[..., 0], 255 - GREY)


@pytest.mark.parametrize("kind", DEEP_COLOUR_FILES)
def test_16_bit_colour_is_scaled_and_stays_rgb(kind: str) -> None:
    image = decode_photo(DEEP_COLOUR_FILES[kind], "x")
    np.testing.assert_array_equal(image, by_hand(DEEP_COLOUR, 65535))


def test_12_bit_colour_ignores_the_alpha_for_its_range() -> None:
    twelve = DEEP_COLOUR >> 4
    opaque = np.dstack([twelve, np.full_like(DEEP_GREY, 65535)])
    image = decode_photo(opencv_file(".png", opaque[..., [2, 1, 0, 3]]), "x")
    np.testing.assert_array_equal(image, by_hand(twelve, 4095))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[-0.005, 0.5, 1.005]], np.float32), [0, 128, 255]),
        (np.array([[0, 0.25, 1]], np.float64), [0, 64, 255]),
        (np.array([[0, 100, 255]], np.float32), [0, 100, 255]),
        (np.array([[0, 100, 65535]], np.float32), [0, 0, 255]),
        (np.array([[0, np.nan, np.inf, 1]], np.float32), [0, 0, 0, 255]),
        (np.array([[0, 7, 255]], np.int32), [0, 7, 255]),
        (np.array([[0, 2048, 4095]], np.int32), [0, 128, 255]),
        (np.array([[0, 1 << 31, (1 << 32) - 1]], np.uint32), [0, 128, 255]),
        (np.array([[-1000, 0, 1000]], np.int32), [0, 128, 255]),
        (np.array([[5e9, 5e9]], np.float64), [0, 0]),
    ],
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_32_and_64_bit_tiffs(values: np.ndarray, expected: list[int], big_endian: bool) -> None:
    values = np.repeat(values, 3, axis=0)
    image = decode_photo(tiff(values, big_endian=big_endian), "x")
    assert image[1, :, 1].tolist() == expected


def test_float_colour_tiff() -> None:
    values = (PICTURE / 255).astype(np.float32)
    np.testing.assert_array_equal(decode_photo(tiff(values, photometric=2), "x"), PICTURE)


def test_to_8bit_leaves_8_bits_alone() -> None:
    np.testing.assert_array_equal(to_8bit(GREY), GREY)


def test_one_bit_and_palette() -> None:
    bits = Image.fromarray(GREY).convert("1")
    for kind in ("PNG", "BMP", "TIFF"):
        image = decode_photo(encode(bits, kind), "x")
        np.testing.assert_array_equal(image[..., 0], np.asarray(bits.convert("L")))
    palette = Image.fromarray(PICTURE).quantize(16)
    for kind in ("PNG", "BMP", "TIFF", "GIF"):
        image = decode_photo(encode(palette, kind), "x")
        np.testing.assert_array_equal(image, np.asarray(palette.convert("RGB")))


def test_transparency_is_laid_over_white() -> None:
    rgba = np.dstack([PICTURE, np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))])
    alpha = rgba[..., 3:] / 255
    by_formula = PICTURE * alpha + 255 * (1 - alpha)
    for kind in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        image = decode_photo(encode(rgba, kind, **options), "x")
        assert np.abs(image - by_formula).max() <= 1
    la = encode(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(rgba[..., 3])]), "PNG")
    grey_formula = GREY[..., None] * alpha + 255 * (1 - alpha)
    assert np.abs(decode_photo(la, "x") - grey_formula).max() <= 1


def test_transparency_of_palette_and_16_bits() -> None:
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    for transparency in (0, bytes([0, 255])):
        file = encode(palette, "PNG", transparency=transparency)
        assert decode_photo(file, "x").tolist() == [[[255, 255, 255], [40, 50, 60]]]
    deep = np.zeros((1, 2, 4), np.uint16)
    deep[0, 1] = [65535, 0, 0, 65535]  # BGRA; the first pixel is transparent black
    image = decode_photo(opencv_file(".png", deep), "x")
    assert image.tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_an_alpha_that_is_zero_everywhere_is_no_alpha() -> None:
    rgba = np.dstack([PICTURE, np.zeros_like(GREY)])
    np.testing.assert_array_equal(decode_photo(encode(rgba, "PNG"), "x"), PICTURE)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    # Pillow writes the inverted CMYK that Adobe made the custom, and marks it so.
    flat = np.zeros((16, 16, 3), np.uint8) + np.array([200, 40, 90], np.uint8)
    image = decode_photo(encode(Image.fromarray(flat).convert("CMYK"), kind), "x")
    assert np.abs(image.astype(int) - flat).max() <= 4


def test_ycbcr_tiff() -> None:
    file = encode(Image.fromarray(PICTURE).convert("YCbCr"), "TIFF")
    assert np.abs(decode_photo(file, "x").astype(int) - PICTURE).max() <= 3


def test_what_both_libraries_would_get_wrong_is_refused_in_words() -> None:
    with pytest.raises(UnreadablePhoto, match="LAB colour, which is not supported"):
        decode_photo(encode(Image.new("LAB", (4, 4)), "TIFF"), "x")
    for values in (DEEP_COLOUR, DEEP_COLOUR.astype(np.float32)):
        with pytest.raises(UnreadablePhoto, match="planar colour"):
            decode_photo(tiff(values, photometric=2, planar=True), "x")


# What the camera's EXIF says (CIPA DC-008, orientation), as what is to be done to the pixels.
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_is_turned_upright(kind: str, orientation: int) -> None:
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
    image = decode_photo(oriented(PICTURE, kind, orientation, **options.get(kind, {})), "x")
    expected = UPRIGHT[orientation](PICTURE)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_deep_tiffs_are_turned_once(orientation: int) -> None:
    for values, photometric in ((DEEP_GREY, 1), (DEEP_COLOUR, 2), (DEEP_GREY / 65535, 1)):
        file = tiff(values, photometric=photometric, orientation=orientation)
        expected = UPRIGHT[orientation](by_hand(np.rint(values * (values.max() > 1)), 65535))
        if values.max() <= 1:
            expected = UPRIGHT[orientation](by_hand(DEEP_GREY, 65535))
        np.testing.assert_array_equal(decode_photo(file, "x"), expected)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_damaged_exif_leaves_the_orientation(kind: str) -> None:
    sound = oriented(PICTURE, kind, 6)
    damaged = sound.replace(b"MM\0*", b"MM\0?").replace(b"II*\0", b"II?\0")
    assert damaged != sound
    assert decode_photo(sound, "x").shape == (60, 40, 3)
    assert decode_photo(damaged, "x").shape == (40, 60, 3)


def test_the_first_picture_of_several() -> None:
    first, second = Image.fromarray(PICTURE), Image.fromarray(255 - PICTURE)
    for kind in ("TIFF", "WEBP", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        file = encode(first, kind, save_all=True, append_images=[second], **options)
        np.testing.assert_array_equal(decode_photo(file, "x"), PICTURE)
    frames = [first.quantize(32), second.quantize(32)]
    file = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_photo(file, "x"), np.asarray(frames[0].convert("RGB")))
