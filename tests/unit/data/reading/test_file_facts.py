import io
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.encode import encode, picture, tiff
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile
from PIL.TiffImagePlugin import IFDRational

from fastdefect.data.photos import FileFacts
from fastdefect.data.reading.file_facts import read_facts
from fastdefect.data.reading.images import decode_photo
from fastdefect.data.reading.manifest import list_photos, read_photos

# As images.py sets it for the process, but pytest has filters of its own.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

PICTURE = picture()
COLOUR = Image.fromarray(PICTURE)
GREY16 = (PICTURE[..., 0].astype(np.uint16) * 257).copy()


def facts(data: bytes, name: str = "x.dat") -> FileFacts:
    return read_facts(data, Path(name))


def frames(kind: str, n: int, **options: object) -> bytes:
    """A file of ``n`` pictures."""
    pictures = [Image.fromarray(picture(seed=i)) for i in range(n)]
    return encode(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


def exif_of(moment: object) -> bytes:
    """Five tags in all: two beside two pointers, two of the shot, one of the place."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Basler"
    exif[ExifTags.Base.Model] = "acA2440 \0"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = moment
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = IFDRational(1, 250)
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif.tobytes()


EXIF = exif_of("2024:02:29 13:45:07")


WHOLE = {
    "JPEG": encode(COLOUR, "JPEG", exif=EXIF),
    "PNG": encode(COLOUR, "PNG", exif=EXIF),
    "BMP": encode(COLOUR, "BMP"),
    "TIFF": encode(COLOUR, "TIFF", exif=EXIF),
    "WebP": encode(COLOUR, "WEBP", exif=EXIF),
    "GIF": frames("GIF", 3),
    "APNG": frames("PNG", 3),
    "pages": frames("TIFF", 3),
    "moving WebP": frames("WEBP", 3),
}


# ---- kind, suffix, mode, frames ----------------------------------------------------------


def test_all_facts_of_one_file() -> None:
    data = encode(COLOUR, "JPEG", quality=83, exif=EXIF)
    taken = datetime(2024, 2, 29, 13, 45, 7, tzinfo=UTC).timestamp()
    found = facts(data, "a.jpg")
    assert found == FileFacts(len(data), "JPEG", True, "RGB", 1, 83, 7, "Basler acA2440", taken)


@pytest.mark.parametrize(
    ("name", "kind", "fits"),
    [
        ("a.jpg", "JPEG", True),
        ("a.JPEG", "JPEG", True),
        ("a.jfif", "JPEG", True),
        ("a.png", "JPEG", False),
        ("a.jpg", "PNG", False),
        ("a.tif", "TIFF", True),
        ("a.tif", "BMP", False),
        ("a.webp", "WebP", True),
        ("a.gif", "GIF", True),
        ("a.jpg", "GIF", False),
        ("a", "PNG", True),  # no suffix, no promise
        ("a.2024-01-05", "PNG", True),
    ],
)
def test_the_suffix_is_held_against_the_bytes(name: str, kind: str, fits: bool) -> None:
    found = facts(WHOLE[kind], name)
    assert (found.kind, found.suffix_fits) == (kind, fits)


def deep_png() -> bytes:
    return bytes(cv2.imencode(".png", np.dstack([GREY16] * 3))[1])


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (encode(COLOUR, "PNG"), "RGB"),
        (encode(COLOUR.convert("L"), "JPEG"), "L"),
        (encode(COLOUR.convert("1"), "PNG"), "1"),
        (encode(COLOUR.convert("P"), "PNG"), "P"),
        (encode(COLOUR.convert("RGBA"), "PNG"), "RGBA"),
        (encode(COLOUR.convert("LA"), "PNG"), "LA"),
        (encode(COLOUR.convert("CMYK"), "JPEG"), "CMYK"),
        (encode(Image.fromarray(GREY16), "PNG"), "I;16"),
        (tiff(GREY16), "I;16"),
        (tiff(GREY16, big_endian=True), "I;16B"),
        (tiff(GREY16.astype(np.float32)), "F"),
        (deep_png(), "RGB;16"),  # Pillow keeps 8 bits of these and calls them RGB
        (tiff(np.dstack([GREY16] * 3), photometric=2), "RGB;16"),
    ],
)
def test_modes(data: bytes, mode: str) -> None:
    assert facts(data).mode == mode


def test_a_tiff_that_pillow_does_not_know_is_still_a_tiff() -> None:
    data = tiff(np.zeros((5, 5)))  # 64-bit float
    assert decode_photo(data, "x").shape == (5, 5, 3)
    assert facts(data, "a.tif") == FileFacts(len(data), "TIFF", True, ";16", 1, None, 0, None, None)


@pytest.mark.parametrize("kind", ["GIF", "APNG", "pages", "moving WebP"])
def test_pictures_in_a_file_are_counted(kind: str) -> None:
    assert facts(WHOLE[kind]).frames == 3


def test_other_files_hold_one_picture() -> None:
    for kind in ("JPEG", "PNG", "BMP", "TIFF", "WebP"):
        assert facts(WHOLE[kind]).frames == 1
    # The second picture in a phone's JPEG is a preview.
    assert facts(frames("MPO", 2)).frames == 1


# ---- JPEG quality ------------------------------------------------------------------------


@pytest.mark.parametrize("quality", range(1, 101))
def test_the_quality_of_standard_tables_is_exact(quality: int) -> None:
    small = Image.fromarray(PICTURE[:16, :16])
    assert facts(encode(small, "JPEG", quality=quality)).quality == quality
    assert facts(encode(small.convert("L"), "JPEG", quality=quality)).quality == quality
    option = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    assert facts(bytes(cv2.imencode(".jpg", PICTURE[:16, :16], option)[1])).quality == quality


def quality_of(table: list[int]) -> float | None:
    return facts(encode(COLOUR, "JPEG", qtables=[table, table])).quality


def test_other_tables_get_the_nearest_quality() -> None:
    with Image.open(io.BytesIO(encode(COLOUR, "JPEG", quality=80))) as photo:
        table = photo.quantization[0]
    assert quality_of(table) == 80
    rng = np.random.default_rng(0)
    touched = [max(1, step + int(rng.integers(-1, 2))) for step in table]
    assert abs(quality_of(touched) - 80) <= 2
    # Twice as coarse: 80 scales the standard table by 40 %, 60 by 80 %.
    assert quality_of([2 * step for step in table]) == 60
    assert quality_of([1] * 64) == 100
    assert quality_of([255] * 64) == 1


def test_only_jpegs_have_a_quality() -> None:
    assert {facts(WHOLE[kind]).quality for kind in WHOLE if kind != "JPEG"} == {None}


# ---- EXIF --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF"])
def test_exif_of_each_kind_that_has_it(kind: str) -> None:
    found = facts(WHOLE[kind])
    assert found.camera == "Basler acA2440"
    assert found.taken == datetime(2024, 2, 29, 13, 45, 7, tzinfo=UTC).timestamp()
    own = facts(encode(COLOUR, "TIFF")).exif if kind == "TIFF" else 0
    assert found.exif - own == 7  # five and the two pointers


def test_no_exif() -> None:
    found = facts(encode(COLOUR, "JPEG"))
    assert (found.exif, found.camera, found.taken) == (0, None, None)


@pytest.mark.parametrize("moment", ["0000:00:00 00:00:00", "    :  :     :  :  ", "soon", "", 7])
def test_a_time_that_is_none(moment: str | int) -> None:
    found = facts(encode(COLOUR, "JPEG", exif=exif_of(moment)))
    assert found.taken is None
    assert found.camera == "Basler acA2440"


def test_damaged_exif_leaves_the_other_facts() -> None:
    whole = WHOLE["JPEG"]
    start = whole.index(b"Exif\0\0") + 6
    for junk in (b"\xff" * 40, b"II*\0\xf0\xff\xff\x7f" + b"\x41" * 32, b"MM\0*\0\0\0\x08\xff\xff"):
        found = facts(whole[:start] + junk + whole[start + len(junk) :], "a.jpg")
        assert (found.kind, found.mode, found.frames, found.quality) == ("JPEG", "RGB", 1, 75)


# ---- robust and quick --------------------------------------------------------------------


@pytest.mark.parametrize("kind", WHOLE)
def test_no_pixel_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_self: ImageFile.ImageFile) -> None:
        pytest.fail("decoded")  # no Exception, so that nothing takes it for damage

    found = facts(WHOLE[kind])
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert facts(WHOLE[kind]) == found


@pytest.mark.parametrize("data", [b"", b"path,label\n", b"\xff\xd8\xff", b"II*\0", b"\0" * 99])
def test_what_is_no_photo_has_hardly_any_facts(data: bytes) -> None:
    found = facts(data, "a.jpg")
    assert (found.size, found.mode, found.frames, found.quality) == (len(data), "", 1, None)


def test_a_decompression_bomb_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert facts(WHOLE["PNG"]).kind == "PNG"


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_no_damage_raises(kind: str, data: st.DataObject) -> None:
    broken = bytearray(WHOLE[kind])
    ends = st.integers(0, min(len(broken), 700) - 1)  # where headers are
    for at in data.draw(st.lists(ends, min_size=1, max_size=8)):
        broken[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del broken[data.draw(st.integers(0, len(broken))) :]
    assert facts(bytes(broken)).size == len(broken)


def test_threads_do_not_disturb_each_other() -> None:
    alone = [facts(data) for data in WHOLE.values()]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(facts, [*WHOLE.values()] * 20)) == alone * 20


def test_a_millisecond_is_enough() -> None:
    data = encode(picture(512, 512), "JPEG", exif=EXIF)
    times = []
    for _ in range(30):
        start = time.perf_counter()
        facts(data)
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3


def test_the_manifest_carries_the_facts(tmp_path: Path) -> None:
    for name, data in (("bad/a.jpg", WHOLE["JPEG"]), ("good/b.jpg", WHOLE["PNG"])):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(data)
    photos = read_photos(list_photos(tmp_path), good=()).photos
    assert [photo.facts for photo in photos] == [
        facts(WHOLE["JPEG"], "a.jpg"),
        facts(WHOLE["PNG"], "b.jpg"),
    ]
