"""The kinds of files that are read, with a plugin or without, and those that are not."""

import importlib
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.encode import encode, oriented, picture, tiff
from helpers.photo_files import HEIC
from PIL import Image

from fastdefect.data.reading import formats, stored
from fastdefect.data.reading.file_facts import read_facts
from fastdefect.data.reading.formats import FORMATS, Format, unread_findings, why_unread
from fastdefect.data.reading.images import Reading, UnreadablePhoto, decode, decode_photo
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.data.reading.signatures import kind_of
from fastdefect.errors import DataError

PICTURE = picture()

has_heic = pytest.mark.skipif(not FORMATS["HEIC"].available, reason="needs the extra formats")
has_avif = pytest.mark.skipif(not FORMATS["AVIF"].available, reason="Pillow is without AVIF")
has_jxl = pytest.mark.skipif(not FORMATS["JXL"].available, reason="needs pillow-jxl-plugin")


def jxl(image: np.ndarray, **options: object) -> bytes:
    importlib.import_module("pillow_jxl")
    return encode(image, "JXL", **options)


def alike(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 6


# ---- read with a plugin ------------------------------------------------------------------


@has_heic
def test_heic_is_read_and_turned_once() -> None:
    alike(decode_photo(HEIC, "x.heic"), np.rot90(PICTURE, -1))
    found = decode(HEIC, "x.heic")
    assert (found.width, found.height, found.range) == (40, 60, None)


@has_heic
def test_the_facts_of_heic() -> None:
    found = read_facts(HEIC, Path("x.HEIC"))
    assert (found.kind, found.mode, found.suffix_fits) == ("HEIC", "RGB", True)
    assert not read_facts(HEIC, Path("x.jpg")).suffix_fits


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
@has_heic
def test_truncated_heic(share: float) -> None:
    with pytest.raises(UnreadablePhoto, match="truncated HEIC"):
        decode_photo(HEIC[: int(share * len(HEIC))], "x.heic")


@has_heic
def test_damaged_heic_raises_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(HEIC)
        for at in rng.integers(0, len(HEIC), 3):
            damaged[at] = rng.integers(256)
        with suppress(UnreadablePhoto):
            assert decode_photo(bytes(damaged), "x", Reading(max_megapixels=2)).shape[2] == 3


@has_avif
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_avif_is_read_upright(orientation: int) -> None:
    quarter_turns = {1: 0, 3: 2, 6: -1, 8: 1}[orientation]
    data = oriented(PICTURE, "AVIF", orientation, quality=90)
    alike(decode_photo(data, "x.avif"), np.rot90(PICTURE, quarter_turns))


@has_avif
def test_truncated_avif() -> None:
    data = encode(PICTURE, "AVIF")
    with pytest.raises(UnreadablePhoto, match="truncated AVIF"):
        decode_photo(data[:-9], "x.avif")


@has_jxl
def test_jxl_is_read_in_8_and_16_bits() -> None:
    np.testing.assert_array_equal(decode_photo(jxl(PICTURE, lossless=True), "x.jxl"), PICTURE)
    deep = PICTURE[..., 0].astype(np.uint16) * 16
    found = decode(jxl(deep, lossless=True), "x.jxl", Reading(4095))
    assert found.range is not None
    assert found.range.high == deep.max()
    np.testing.assert_array_equal(found.pixels[..., 0], np.rint(deep * (255 / 4095)))


def test_signatures() -> None:
    assert kind_of(HEIC) == "HEIC"
    assert kind_of(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic") == "HEIC"
    assert kind_of(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif") == "AVIF"
    assert kind_of(b"\0\0\0\x18ftypisom\0\0\0\0mp42") is None
    assert kind_of(b"\xff\x0a\x01\x02") == "JXL"
    assert kind_of(b"P5\n2 2 255\n") == "PNM"
    assert kind_of(b"Pf\n2 2 -1\n") == "PFM"
    assert kind_of(b"P5x") is None


# ---- read without a plugin ---------------------------------------------------------------


def test_pfm_has_its_rows_from_the_bottom_up_in_either_order() -> None:
    values = PICTURE.astype(np.float32) / 255
    for order, scale in (("<f4", b"-1.0"), (">f4", b"1.0")):
        data = b"PF\n60 40\n" + scale + b"\n" + values[::-1].astype(order).tobytes()
        np.testing.assert_array_equal(decode_photo(data, "x.pfm", Reading(1.0)), PICTURE)
        grey = b"Pf 60 40 " + scale + b"\n" + values[::-1, :, 0].astype(order).tobytes()
        np.testing.assert_array_equal(
            decode_photo(grey, "x.pfm", Reading(1.0)), np.dstack([PICTURE[..., 0]] * 3)
        )


def test_pgm_and_ppm() -> None:
    colour = b"P6\n# made by a camera\n60 40\n255\n" + PICTURE.tobytes()
    np.testing.assert_array_equal(decode_photo(colour, "x.ppm"), PICTURE)
    grey = b"P5 60 40 255\n" + PICTURE[..., 1].tobytes()
    np.testing.assert_array_equal(decode_photo(grey, "x.pgm")[..., 2], PICTURE[..., 1])
    few = b"P5 2 1 15\n" + bytes([0, 15])  # 15 is white
    assert decode_photo(few, "x.pgm")[0, :, 0].tolist() == [0, 255]
    deep = b"P5 2 1 4095\n" + np.array([0, 2000], ">u2").tobytes()
    assert decode_photo(deep, "x.pgm", Reading(4095))[0, :, 0].tolist() == [0, 125]
    assert read_facts(deep, Path("x.pgm")).mode == "I;16"
    assert read_facts(colour, Path("x.ppm")).mode == "RGB"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"P5 60 40 255\n" + bytes(60 * 40 - 1), "truncated PNM"),
        (b"Pf 60 40 -1\n" + bytes(100), "truncated PFM"),
        (b"P5 60 x 255\n", "damaged or unknown PNM"),
        (b"P5 0 40 255\n", "damaged or unknown PNM"),
        (b"P5 60 40 99999\n" + bytes(9999), "damaged or unknown PNM"),
    ],
)
def test_damaged_netpbm(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePhoto) as caught:
        decode_photo(data, "x")
    assert caught.value.reason == reason


# ---- not read ----------------------------------------------------------------------------


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where neither the extra nor a Pillow with AVIF is installed."""
    for kind in ("HEIC", "AVIF", "JXL"):
        usual = FORMATS[kind]
        absent = Format(kind, usual.suffixes, usual.pillow, ("no_such_module",), usual.install)
        monkeypatch.setattr(Format, "available", property(lambda each: not each.plugins))
        monkeypatch.setitem(formats.FORMATS, kind, absent)


@pytest.mark.usefixtures("without_plugins")
def test_heic_without_its_plugin_says_how_to_get_it() -> None:
    for name in ("x.heic", "renamed.jpg"):
        with pytest.raises(UnreadablePhoto, match=r"HEIC, which is not read .*fastdefect\[formats"):
            decode_photo(HEIC, name)


@pytest.mark.usefixtures("without_plugins")
def test_unread_formats_are_a_warning_by_suffix_and_count() -> None:
    names = [f"ok/{n}.heic" for n in range(12)] + ["ok/a.HEIC", "ng/b.dng", "ng/c.txt", "ng/d.mp4"]
    (found,) = unread_findings(names)
    assert (found.kind, found.severity, found.value) == ("unread_format", "warning", 15)
    assert "13 .heic, 1 .dng, 1 .mp4" in found.message
    assert 'pip install "fastdefect[formats]"' in found.message
    assert "Develop raw camera data" in found.message
    assert "ng/c.txt" not in found.paths
    assert unread_findings(["a.txt", "b.csv", "c.png"]) == []


@pytest.mark.parametrize("suffix", [".raw", ".NEF", ".exr", ".dcm", ".gif", ".svg", ".pdf"])
def test_what_to_do_about_other_suffixes(suffix: str) -> None:
    assert why_unread(suffix) is not None


def test_folders_and_single_files_that_are_not_read_are_reported(tmp_path: Path) -> None:
    for name in ("ok/1.png", "ng/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode(picture(seed=len(name)), "PNG"))
    for name in ("ok/a.dng", "beside.cr2", "ok/notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    found = {each.kind: each for each in list_photos(tmp_path).findings}
    assert found["unread_format"].paths == ("beside.cr2", "ok/a.dng")
    assert found["not_a_photo"].paths == ("ok/notes.txt",)


def test_a_folder_of_nothing_else_says_so(tmp_path: Path) -> None:
    for name in ("ok/1.nef", "ng/2.nef", "ng/3.nef"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match="3 files in a format that is not read") as caught:
        list_photos(tmp_path)
    assert "3 .nef. Develop raw camera data" in caught.value.hint


def test_the_preview_inside_raw_data_is_not_taken_for_the_photo(tmp_path: Path) -> None:
    preview = tiff(PICTURE[..., 0])
    with pytest.raises(UnreadablePhoto, match="Develop raw camera data"):
        decode_photo(preview, "a.DNG")
    assert decode_photo(preview, "a.tif").shape == (40, 60, 3)
    sensor = tiff(PICTURE[..., 0].astype(np.uint16), photometric=32803)
    with pytest.raises(UnreadablePhoto, match="raw data of a camera's sensor"):
        decode_photo(sensor, "a.tif")
    (tmp_path / "p.csv").write_text("path,label\na.dng,x\nb.png,x\nc.png,y\n", encoding="utf-8")
    (tmp_path / "a.dng").write_bytes(preview)
    (tmp_path / "b.png").write_bytes(encode(PICTURE, "PNG"))
    (tmp_path / "c.png").write_bytes(encode(picture(seed=3), "PNG"))
    manifest = read_photos(list_photos(tmp_path), good=())
    assert [photo.name for photo in manifest.photos] == ["b.png", "c.png"]
    assert manifest.findings[0].paths == ("a.dng",)


# ---- very large photos -------------------------------------------------------------------


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that photos of a test's size are decoded as very large ones."""
    monkeypatch.setattr(stored, "LARGE", 100_000)


def smooth(mode: str) -> Image.Image:
    big = Image.fromarray(PICTURE).resize((900, 600), Image.Resampling.BICUBIC)
    return big.convert(mode)


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize(
    "data",
    [
        encode(smooth("RGB"), "JPEG", quality=95),
        encode(smooth("L"), "JPEG", quality=95, progressive=True),
        encode(smooth("RGB"), "PNG"),
        encode(smooth("RGBA"), "PNG"),
        encode(smooth("L"), "TIFF"),
        encode(np.asarray(smooth("L")).astype(np.uint16) * 257, "PNG"),
    ],
    ids=["jpeg", "progressive grey jpeg", "png", "rgba png", "tiff", "deep png"],
)
def test_a_large_photo_is_reduced_at_its_aspect_and_looks_the_same(data: bytes) -> None:
    whole, small = decode(data, "x"), decode(data, "x", Reading(side=120))
    assert whole.pixels.shape == (600, 900, 3)
    assert (small.width, small.height) == (900, 600)
    assert 120 <= min(small.pixels.shape[:2]) < 240
    assert small.pixels.shape[1] / small.pixels.shape[0] == pytest.approx(1.5, rel=0.02)
    shape = small.pixels.shape[1::-1]
    expected = np.asarray(Image.fromarray(whole.pixels).resize(shape, Image.Resampling.BOX))
    assert np.abs(small.pixels.astype(int) - expected).mean() < 1.5


def test_ordinary_photos_are_never_reduced() -> None:
    data = encode(smooth("RGB"), "JPEG")
    np.testing.assert_array_equal(
        decode_photo(data, "x", Reading(side=10)), decode_photo(data, "x")
    )


@pytest.mark.usefixtures("small_is_large")
def test_more_pixels_than_the_bytes_can_show_are_a_bomb() -> None:
    flat = encode(np.zeros((2000, 2000), np.uint8), "PNG")
    with pytest.raises(UnreadablePhoto, match=r"2000 x 2000 in .* bytes.*decompression bomb"):
        decode_photo(flat, "x", Reading(side=10))


@pytest.mark.usefixtures("small_is_large")
def test_a_large_photo_is_turned_and_keeps_its_true_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode(encode(smooth("RGB"), "JPEG", exif=exif), "x", Reading(side=120))
    assert (found.width, found.height) == (600, 900)
    assert found.pixels.shape[0] > found.pixels.shape[1]


_PEAK = """
import sys
from pathlib import Path
from fastdefect.data.reading.images import Reading, decode, read_bytes
found = decode(read_bytes(Path(sys.argv[1])), "x", Reading(side=512))
# Not ru_maxrss, which begins with the peak of the process that started this one.
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
print(found.width, found.height, peak)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_jpeg_of_198_megapixels_needs_little_memory(tmp_path: Path) -> None:
    coarse = np.random.default_rng(0).integers(0, 255, (189, 256)).astype(np.uint8)
    big = cv2.resize(coarse, (16384, 12100), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(str(tmp_path / "big.jpg"), big)
    with pytest.raises(UnreadablePhoto, match="198 megapixels, more than --max-megapixels 150"):
        decode_photo((tmp_path / "big.jpg").read_bytes(), "x", Reading(max_megapixels=150))
    command = [sys.executable, "-c", _PEAK, str(tmp_path / "big.jpg")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    width, height, kib = map(int, told.split())
    assert (width, height) == (16384, 12100)
    assert kib < 300 * 1024
