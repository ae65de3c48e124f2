import os
import pickle
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.encode import encode, oriented, picture, tiff
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fastdefect.data.reading.images import (
    IMAGE_SUFFIXES,
    Reading,
    Resize,
    UnreadablePhoto,
    decode_photo,
    fit_to,
    read_photo,
    to_8bit,
)

# As images.py sets it for the process, but pytest has filters of its own.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

PICTURE = picture()
GREY = PICTURE[..., 2]
DEEP_GREY = np.arange(0, 65536, 109, dtype=np.uint16)[:600].reshape(20, 30)
DEEP_COLOUR = np.dstack([DEEP_GREY, DEEP_GREY[::-1], 65000 - DEEP_GREY // 2])


def opencv_file(extension: str, values: np.ndarray) -> bytes:
    ok, data = cv2.imencode(extension, values)
    assert ok
    return data.tobytes()


def by_hand(values: np.ndarray, white: int) -> np.ndarray:
    """Scaled in whole numbers, rounded half up (no value is a tie for 4095 and 65535)."""
    grey = ((values.astype(np.int64) * 255 * 2 + white) // (2 * white)).astype(np.uint8)
    return grey if grey.ndim == 3 else np.dstack([grey] * 3)


LOSSLESS = {
    "png": encode(PICTURE, "PNG"),
    "bmp": encode(PICTURE, "BMP"),
    "tiff": encode(PICTURE, "TIFF"),
    "tiff lzw": encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "tiff big-endian": tiff(PICTURE, photometric=2, big_endian=True),
    "tiff planar": tiff(PICTURE, photometric=2, planar=True),
    "webp": encode(PICTURE, "WEBP", lossless=True),
}


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


DEEP_GREY_FILES = {
    "png": encode(DEEP_GREY, "PNG"),
    "tiff": tiff(DEEP_GREY),
    "tiff big-endian": tiff(DEEP_GREY, big_endian=True),
    "tiff lzw": opencv_file(".tiff", DEEP_GREY),
}


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


DEEP_COLOUR_FILES = {
    "png": opencv_file(".png", DEEP_COLOUR[..., ::-1]),
    "tiff": tiff(DEEP_COLOUR, photometric=2),
    "tiff big-endian": tiff(DEEP_COLOUR, photometric=2, big_endian=True),
}


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


# ---- what can't be read ------------------------------------------------------------------

WHOLE = {
    "JPEG": encode(PICTURE, "JPEG", quality=90),
    "JPEG progressive": encode(PICTURE, "JPEG", progressive=True),
    "JPEG with thumbnail": encode(PICTURE, "JPEG", quality=90),
    "PNG": encode(PICTURE, "PNG"),
    "PNG 16": opencv_file(".png", DEEP_COLOUR),
    "BMP": encode(PICTURE, "BMP"),
    "TIFF": encode(PICTURE, "TIFF"),
    "TIFF lzw": encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "TIFF 16": tiff(DEEP_COLOUR, photometric=2),
    "TIFF float": tiff(DEEP_GREY / 65535),
    "WebP": encode(PICTURE, "WEBP"),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_truncated_files_are_found_out(kind: str, share: float) -> None:
    data = WHOLE[kind]
    cut = data[: max(12, int(len(data) * share))]
    with pytest.raises(UnreadablePhoto) as caught:
        decode_photo(cut, "photos/x")
    assert caught.value.path == Path("photos/x")
    assert caught.value.reason == f"truncated {kind.split()[0]}"


@pytest.mark.parametrize("kind", WHOLE)
def test_even_the_last_bytes_are_missed(kind: str) -> None:
    for cut in (1, 2, 4, 11):
        with pytest.raises(UnreadablePhoto, match="truncated"):
            decode_photo(WHOLE[kind][:-cut], "x")


def test_a_tail_of_zeros_is_a_truncated_jpeg() -> None:
    # What a full disk or a broken transfer leaves. Pillow decodes it, grey from there on.
    data = encode(np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8), "JPEG")
    half = data[: len(data) // 2] + bytes(len(data) // 2)
    with pytest.raises(UnreadablePhoto, match="truncated JPEG"):
        decode_photo(half, "x")


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_photo() -> None:
    thumbnail = b"\xff\xe1\x00\x12Exif\0\0" + b"\xff\xd8\xff\xda..\xff\xd9" + b"\0\0"
    whole = WHOLE["JPEG"][:2] + thumbnail + WHOLE["JPEG"][2:]
    assert decode_photo(whole, "x").shape == PICTURE.shape
    with pytest.raises(UnreadablePhoto, match="truncated"):
        decode_photo(whole[:-2] + b"\0\0", "x")


def test_bytes_after_the_end_do_no_harm() -> None:
    for kind in ("JPEG", "PNG", "BMP", "WebP"):
        assert decode_photo(WHOLE[kind] + b"\xff\xda trailer \0" * 9, "x").shape == PICTURE.shape


def test_truncation_is_found_with_any_setting_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    for kind in ("JPEG", "PNG"):
        with pytest.raises(UnreadablePhoto, match="truncated"):
            decode_photo(WHOLE[kind][: len(WHOLE[kind]) // 2], "x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"path,label\n", "not an image"),
        (b"\0" * 5000, "not an image"),
        (b"%PDF-1.7 ...", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"),
        (b"\xff\xd8\xff", "truncated JPEG"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "truncated PNG"),
        (b"II*\0", "truncated TIFF"),
        (b"II+\0" + b"\0" * 40, "damaged or unknown TIFF"),
    ],
)
def test_what_is_no_photo_is_reported_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePhoto) as caught:
        decode_photo(data, "x.jpg")
    assert caught.value.reason == reason
    assert caught.value.message == f"Cannot read x.jpg: {reason}."


def test_more_megapixels_than_allowed_are_refused_by_size_and_flag() -> None:
    few = Reading(max_megapixels=0.002)
    for data in (WHOLE["PNG"], tiff(np.zeros((50, 50))), tiff(np.zeros((50, 50, 3)))):
        with pytest.raises(UnreadablePhoto, match=r"\d+ x \d+ is .* than --max-megapixels 0.002"):
            decode_photo(data, "x", few)


def test_a_tiff_that_claims_more_rows_than_it_holds_is_refused() -> None:
    # Neither library minds: Pillow leaves the other rows black.
    sound = tiff(GREY)
    tag = sound.index(b"\x01\x01\x04\x00")  # ImageLength, one LONG
    tall = sound[: tag + 8] + (4000).to_bytes(4, "little") + sound[tag + 12 :]
    with pytest.raises(UnreadablePhoto, match="truncated TIFF"):
        decode_photo(tall, "x")


def test_folders_missing_files_and_forbidden_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "x.jpg"
    folder.mkdir()
    with pytest.raises(UnreadablePhoto, match="a folder, not a file"):
        read_photo(folder)
    with pytest.raises(UnreadablePhoto, match="no such file"):
        read_photo(tmp_path / "none.jpg")
    with pytest.raises(UnreadablePhoto, match=r"bad path|no such file"):
        read_photo(tmp_path / "nul\0.jpg")
    file = tmp_path / "y.png"
    file.write_bytes(WHOLE["PNG"])

    def forbidden(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(UnreadablePhoto, match="no permission to read it") as caught:
        read_photo(file)
    assert caught.value.path == file


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "x.jpg"
    os.mkfifo(pipe)
    with pytest.raises(UnreadablePhoto, match="not a regular file"):
        read_photo(pipe)


def test_the_error_survives_the_way_out_of_a_worker() -> None:
    error = pickle.loads(pickle.dumps(UnreadablePhoto(Path("a.png"), "empty file")))
    assert (error.path, error.reason, str(error)) == (
        Path("a.png"),
        "empty file",
        f"Cannot read {Path('a.png')}: empty file.",
    )


def test_reading_goes_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "wrong.jpg"
    path.write_bytes(LOSSLESS["png"])
    np.testing.assert_array_equal(read_photo(path), PICTURE)


FUZZED = [
    *WHOLE.values(),
    *DEEP_GREY_FILES.values(),
    *DEEP_COLOUR_FILES.values(),
    encode(Image.fromarray(PICTURE).quantize(16), "PNG", transparency=3),
    encode(Image.fromarray(PICTURE).quantize(16), "GIF"),
    encode(Image.fromarray(PICTURE).convert("CMYK"), "JPEG"),
    encode(Image.fromarray(PICTURE), "TIFF", compression="jpeg"),
    oriented(PICTURE, "JPEG", 6),
    oriented(PICTURE, "WEBP", 3),
    tiff(np.dstack([PICTURE, GREY]), photometric=2, alpha=True),
    tiff(DEEP_GREY.astype(np.uint32) << 16, big_endian=True),
]


@settings(max_examples=400, deadline=None)
@given(
    data=st.sampled_from(FUZZED),
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    ),
    near=st.sampled_from([0.02, 0.1, 1.0]),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_no_file_raises_anything_but_unreadable(
    data: bytes, flips: list[tuple[float, int]], near: float, cut: float | None
) -> None:
    damaged = bytearray(data)
    for place, value in flips:  # most of what can go wrong stands at the beginning
        damaged[int(place * near * len(damaged))] = value
    if cut is not None:
        del damaged[int(cut * len(damaged)) :]
    try:
        # A flipped size may stay under the true limit and cost half a gigabyte.
        image = decode_photo(bytes(damaged), "x", Reading(max_megapixels=2))
    except UnreadablePhoto as error:
        image, reason = np.zeros((1, 1, 3), np.uint8), error.reason
    else:
        reason = "none"
    assert reason
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3


def test_damaged_files_print_nothing() -> None:
    """Neither Python warnings nor OpenCV's own log may run into a live display."""
    program = """
import random, sys
from fastdefect.data.reading.images import UnreadablePhoto, decode_photo
data = open(sys.argv[1], "rb").read()
random.seed(0)
for _ in range(300):
    damaged = bytearray(data)
    for _ in range(3):
        damaged[random.randrange(len(damaged))] = random.randrange(256)
    try:
        decode_photo(bytes(damaged), "x")
    except UnreadablePhoto:
        pass
"""
    with tempfile.TemporaryDirectory() as folder:
        for data in (oriented(PICTURE, "JPEG", 6), DEEP_COLOUR_FILES["png"]):
            file = Path(folder) / "x"
            file.write_bytes(data)
            done = subprocess.run(
                [sys.executable, "-c", program, str(file)], capture_output=True, check=True
            )
            assert done.stdout + done.stderr == b""


# ---- resizing ----------------------------------------------------------------------------


@pytest.mark.parametrize("resize", ["squish", "pad"])
@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (32, 32), (7, 500), (500, 7), (1, 1)])
def test_fit_to_gives_a_new_square(resize: Resize, shape: tuple[int, int]) -> None:
    image = picture(*shape)
    before = image.copy()
    fitted = fit_to(image, 32, resize)
    assert fitted.shape == (32, 32, 3)
    assert fitted.dtype == np.uint8
    assert fitted.flags.writeable
    fitted[:] = 0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("resize", ["squish", "pad"])
@pytest.mark.parametrize("edge", [np.s_[:4], np.s_[-4:], np.s_[:, :4], np.s_[:, -4:]])
def test_a_defect_at_the_edge_survives(resize: Resize, edge: slice | tuple[slice, slice]) -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[edge] = 255
    fitted = fit_to(image, 50, resize)
    inside = fitted if resize == "squish" else fitted[12:37]  # 25 rows of photo, 50 columns
    assert inside[edge].max() == 255


def test_pad_keeps_the_aspect_and_centres_on_grey() -> None:
    fitted = fit_to(np.full((10, 20, 3), 200, np.uint8), 40, "pad")
    assert (fitted[10:30] == 200).all()
    assert (fitted[:10] == 128).all()
    assert (fitted[30:] == 128).all()


def test_shrinking_averages_areas() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    image = np.dstack([board.astype(np.uint8)] * 3)
    assert np.abs(fit_to(image, 32, "squish").astype(int) - 127.5).max() < 1
    # One axis shrinks, the other grows: still averaged, where INTER_AREA alone samples.
    stripes = np.zeros((8, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit_to(stripes, 32, "squish").astype(int) - 127.5).max() < 1


def test_growing_does_not_overshoot() -> None:
    image = np.full((8, 8, 3), 100, np.uint8)
    image[:, 4:] = 200
    fitted = fit_to(image, 64, "squish")
    assert fitted.min() == 100  # a cubic would ring to 90 and 210
    assert fitted.max() == 200


def test_the_right_size_is_copied() -> None:
    image = picture(32, 32)
    np.testing.assert_array_equal(fit_to(image, 32, "squish"), image)


def test_suffixes() -> None:
    assert {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"} <= IMAGE_SUFFIXES
    assert all(suffix == suffix.lower() for suffix in IMAGE_SUFFIXES)
    assert ".gif" not in IMAGE_SUFFIXES


def test_fuzzing_keeps_finding_both() -> None:
    """The property above would be empty if every damaged file were refused, or none."""
    generator = random.Random(0)
    outcomes = set()
    for data in FUZZED:
        damaged = bytearray(data)
        damaged[generator.randrange(len(data))] ^= 0x55
        try:
            outcomes.add(decode_photo(bytes(damaged), "x").shape[2])
        except UnreadablePhoto:
            outcomes.add("unreadable")
    assert outcomes == {3, "unreadable"}
