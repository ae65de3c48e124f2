"""Files that can't be read: found out, and reported in words."""

import os
import pickle
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers.encode import encode, oriented, tiff
from helpers.examples import examples
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
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastdefect.data.reading.images import (
    Reading,
    UnreadablePhoto,
    decode_photo,
    read_photo,
)

# As images.py sets it for the process, but pytest has filters of its own.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


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


@examples(400)
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
