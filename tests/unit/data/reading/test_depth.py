"""The deep photos of a set, and the findings on their scale."""

import os
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.encode import encode, picture, tiff

from fastdefect.data.photos import Entry, Listing, Photo
from fastdefect.data.reading import depth
from fastdefect.data.reading.depth import find_white, may_be_deep, other_depth
from fastdefect.data.reading.images import Reading
from fastdefect.data.reading.manifest import list_photos, read_photos

GREY = picture()[..., 0]


def deep(highest: float, dtype: Any = np.uint16) -> np.ndarray:
    """A gradient from 0 to ``highest``."""
    return np.linspace(0, highest, 600).reshape(20, 30).astype(dtype)


def colour(highest: int) -> bytes:
    return cv2.imencode(".png", np.dstack([deep(highest)] * 3))[1].tobytes()


def big_tiff(values: np.ndarray) -> bytes:
    """A BigTIFF whose directory stands behind the pixels."""
    height, width = values.shape
    at = 16 + values.nbytes
    tags = ((256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 16), (277, 1))
    tags += ((278, height), (279, values.nbytes))
    entries = b"".join(struct.pack("<HHQQ", tag, 4, 1, value) for tag, value in tags)
    head = b"II+\0" + struct.pack("<HHQ", 8, 0, at)
    return head + values.tobytes() + struct.pack("<Q", len(tags)) + entries + bytes(8)


def lay_out(root: Path, files: dict[str, bytes]) -> list[Entry]:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return [Entry(name, root / name, "a", None, None) for name in files]


def white_of(entries: list[Entry]) -> float | None:
    return find_white(entries, Reading(), lambda done, total: None)


DEEP_FILES = {
    "png": encode(deep(9000), "PNG"),
    "colour png": colour(9000),
    "tiff": tiff(deep(9000)),
    "tiff, big-endian": tiff(deep(9000), big_endian=True),
    "bigtiff": big_tiff(deep(9000)),
    "colour tiff": tiff(np.dstack([deep(9000)] * 3), photometric=2),
    "pgm": b"P5 # a comment\n30 20\n65535\n" + deep(9000).astype(">u2").tobytes(),
}
SHALLOW_FILES = {
    "png": encode(picture(), "PNG"),
    "tiff": encode(picture(), "TIFF"),
    "jpeg": encode(picture(), "JPEG"),
    "pgm": b"P5 60 40 255\n" + GREY.tobytes(),
    "not a photo": b"text",
    "cut": b"II*\0\xff",
    "empty": b"",
}


@pytest.mark.parametrize("kind", DEEP_FILES)
def test_deep_photos_are_found_by_their_headers(kind: str, tmp_path: Path) -> None:
    entries = lay_out(tmp_path, {"x": DEEP_FILES[kind]})
    assert may_be_deep(entries[0].path)
    assert white_of(entries) == 16383


def test_a_set_of_8_bits_has_no_scale_and_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth, "value_range", lambda *_: pytest.fail("decoded"))
    assert white_of(lay_out(tmp_path, SHALLOW_FILES)) is None
    assert white_of([Entry("gone", tmp_path / "gone", "a", None, None)]) is None


def test_the_highest_value_of_all_photos_decides(tmp_path: Path) -> None:
    files = {f"{n}.png": encode(deep(900 + n), "PNG") for n in range(5)}
    assert white_of(lay_out(tmp_path, files)) == 1023
    assert white_of(lay_out(tmp_path, {**files, "bright.tif": tiff(deep(2000))})) == 4095


def test_progress_counts_the_deep_photos_only(tmp_path: Path) -> None:
    files = {"a.png": DEEP_FILES["png"], "b.jpg": SHALLOW_FILES["jpeg"], "c.tif": tiff(deep(9))}
    steps: list[tuple[int, int]] = []
    find_white(lay_out(tmp_path, files), Reading(), lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]


# ---- findings ----------------------------------------------------------------------------


def findings(root: Path, files: dict[str, bytes], white: float | None) -> dict[str, Any]:
    lay_out(root, files)
    manifest = read_photos(list_photos(root), good=(), how=Reading(white))
    assert manifest.white == white
    return {finding.kind: finding for finding in manifest.findings}


def two_classes(highest: list[float], dtype: Any = np.uint16) -> dict[str, bytes]:
    return {f"{'ab'[i % 2]}/{i}.tif": tiff(deep(one, dtype)) for i, one in enumerate(highest)}


def test_the_scale_is_told_with_the_highest_value(tmp_path: Path) -> None:
    found = findings(tmp_path, two_classes([3000, 9000, 12000, 14000]), 16383)
    assert [*found] == ["grey_scale"]
    scale = found["grey_scale"]
    assert (scale.severity, scale.value, len(scale.paths)) == ("info", 16383, 4)
    assert "16383 is white in all of them (--white 16383)" in scale.message
    assert "the highest value is 14000" in scale.message
    assert "Only because of" not in scale.message


def test_one_photo_far_beyond_the_rest_is_named(tmp_path: Path) -> None:
    scale = findings(tmp_path, two_classes([3000, 3500, 40000, 4000]), 65535)["grey_scale"]
    assert scale.severity == "warning"
    assert "Only because of a/2.tif: without it, 4095 would be." in scale.message
    assert "--white 4095" in scale.message


def test_8_bits_have_no_finding(tmp_path: Path) -> None:
    files = {"a/1.png": encode(picture(), "PNG"), "b/2.png": encode(picture(seed=1), "PNG")}
    assert findings(tmp_path, files, None) == {}


def test_photos_of_8_bits_beside_deep_ones_are_a_warning(tmp_path: Path) -> None:
    files = {**two_classes([3000, 3500, 3600]), "b/x.png": encode(picture(), "PNG")}
    mixed = findings(tmp_path, files, 4095)["mixed_depth"]
    assert (mixed.severity, mixed.value, mixed.paths) == ("warning", 1, ("b/x.png",))
    assert "8 bits (1)" in mixed.message
    assert "more than 8 bits (3)" in mixed.message


def test_floats_beside_integers_are_a_warning(tmp_path: Path) -> None:
    files = {**two_classes([3000, 3500, 3600]), "a/f.tif": tiff(deep(1, np.float32))}
    assert findings(tmp_path, files, 4095)["mixed_depth"].paths == ("a/f.tif",)


def test_values_beyond_a_given_white_are_reported_worst_first(tmp_path: Path) -> None:
    found = findings(tmp_path, two_classes([3000, 5000, 4095, 9000]), 4095)
    over = found["over_white"]
    assert (over.severity, over.value, over.paths) == ("warning", 2, ("b/3.tif", "b/1.tif"))
    assert "2 of 4 photos" in over.message
    assert "b/3.tif (9000)" in over.message


def test_values_below_0_are_reported(tmp_path: Path) -> None:
    files = two_classes([0.5, 0.8, 1.0], np.float32)
    files["a/n.tif"] = tiff(deep(1, np.float32) - np.float32(0.5))
    found = findings(tmp_path, files, 1.0)
    assert found["below_black"].paths == ("a/n.tif",)
    assert found["below_black"].severity == "warning"
    assert "over_white" not in found


def test_without_a_scale_each_photo_has_its_own_as_in_earlier_versions(tmp_path: Path) -> None:
    assert findings(tmp_path, two_classes([3000, 9000]), None) == {}


def test_photos_of_another_depth_than_the_model_s(tmp_path: Path) -> None:
    lay_out(tmp_path, {**two_classes([3000, 3500]), "b/x.png": encode(picture(), "PNG")})
    photos = read_photos(list_photos(tmp_path), good=(), how=Reading(4095)).photos
    (shallow,) = other_depth(photos, 4095)
    assert shallow.paths == ("b/x.png",)
    (deeper,) = other_depth(photos, None)
    assert deeper.paths == ("a/0.tif", "b/1.tif")
    assert "trained on photos of 8." in deeper.message
    assert other_depth(photos[:1], 4095) == []


def test_floats_of_several_channels_are_deep(tmp_path: Path) -> None:
    # Pillow does not read such a TIFF: it has no mode.
    path = tmp_path / "ok" / "1.tif"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.random.default_rng(0).random((20, 20, 3)).astype(np.float32))
    assert other_depth([only_photo(path)], 1.0) == []
    assert [each.kind for each in other_depth([only_photo(path)], None)] == ["mixed_depth"]


def only_photo(path: Path) -> Photo:
    entry = Entry(path.name, path, "ok", None, None)
    listing = Listing(path.parent, "classes", (entry,), ("ok",), ())
    return read_photos(listing, good=("ok",), how=Reading(1.0)).photos[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.timeout(20)
def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "1.png"
    os.mkfifo(pipe)
    assert not may_be_deep(pipe)
