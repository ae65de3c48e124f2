"""How much smaller photos become, and which defects are lost by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.encode import encode
from helpers.manifests import photo
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastdefect.config import DataConfig
from fastdefect.data.audit import size_checks
from fastdefect.data.audit.size_checks import check_size, describe_reduction, reduction
from fastdefect.data.photos import Box, Photo
from fastdefect.data.reading.gate import PixelGate

SQUISH, PAD = DataConfig(), DataConfig(resize="pad")


def strip(*boxes: Box, name: str = "a.png", mask: Path | None = None) -> Photo:
    return replace(photo(name, "crack"), width=16384, height=512, boxes=boxes, mask=mask)


def mask_of_dots(count: int) -> NDArray[np.uint8]:
    mask = np.zeros((800, 800), np.uint8)
    for n in range(count):
        mask[40 * (n // 20), 40 * (n % 20)] = 255
    return mask


def square(side: int, *boxes: Box) -> Photo:
    return replace(photo(f"{side}.png", "crack"), width=side, height=side, boxes=boxes)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (SQUISH, "16384 x 512 -> 224 x 224: 73 times"),
        (PAD, "16384 x 512 -> 224 x 7: 73 times"),
        (DataConfig(image_size=64), "16384 x 512 -> 64 x 64: 256 times"),
    ],
)
def test_the_reduction_in_one_line(config: DataConfig, line: str) -> None:
    assert describe_reduction([strip(), strip()], config) == f"Size of the photos: {line}."


def test_photos_of_several_sizes_have_a_median_and_a_largest() -> None:
    photos = [square(448), strip(), square(672), square(500)]
    text = describe_reduction(photos, SQUISH)
    assert "median: 672 x 672 -> 224 x 224: 3.0 times" in text
    assert "largest: 16384 x 512 -> 224 x 224: 73 times" in text
    assert "\n" not in text


def test_small_photos_become_larger() -> None:
    assert "112 x 112 -> 224 x 224: 2.0 times larger" in describe_reduction([square(112)], SQUISH)
    assert "224 x 224: as they are" in describe_reduction([square(224)], SQUISH)


def test_a_strong_reduction_without_boxes_is_a_warning_that_states_the_limit() -> None:
    (found,) = check_size([strip(), square(640)], SQUISH)
    assert (found.kind, found.severity) == ("strong_reduction", "warning")
    assert found.paths == ("a.png",)
    assert found.value == pytest.approx(16384 / 224)
    assert "less than 220 pixels" in found.message  # 3 * 16384 / 224
    assert check_size([square(640), square(5000)], SQUISH) == []


def test_known_defects_that_become_too_small_are_counted_with_the_size_that_keeps_them() -> None:
    boxes = (Box(100, 10, 40, 6), Box(900, 10, 400, 60))
    (found,) = check_size([strip(*boxes), strip(name="b.png")], SQUISH)
    assert (found.kind, found.severity, found.value) == ("small_defect", "warning", 1)
    assert "1 of 2 known defects become smaller than 3 pixels at --image-size 224" in found.message
    assert "40 x 6 pixels become 0.5 x 2.6" in found.message
    assert "--image-size 1248" in found.message  # 3 * 16384 / 40, up to a multiple of 32
    assert found.paths == ("a.png",)


def test_the_aspect_is_kept_with_pad() -> None:
    thin = Box(0, 0, 400, 8)
    assert check_size([replace(strip(), boxes=(Box(0, 0, 400, 30),))], SQUISH) == []
    (found,) = check_size([strip(thin)], PAD)
    assert "400 x 8 pixels become 5.5 x 0.1" in found.message


def test_defects_that_stay_large_are_no_finding_however_strong_the_reduction() -> None:
    assert check_size([strip(Box(0, 0, 4000, 300))], SQUISH) == []


sides = st.floats(1, 400)


@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=40), st.sampled_from([SQUISH, PAD]))
def test_the_proposed_size_keeps_95_percent(
    defects: list[tuple[float, float]], config: DataConfig
) -> None:
    photos = [strip(Box(0, 0, w, h)) for w, h in defects]
    for found in check_size(photos, config):
        size = int(found.message.split("--image-size ")[2].split()[0])
        across, down = reduction(photos[0], replace(config, image_size=size))
        kept = [min(w / across, h / down) >= 3 - 1e-6 for w, h in defects]
        assert np.mean(kept) >= 0.95 - 1e-9
        assert size % 32 == 0


def test_defects_in_masks_are_pieces_that_touch_at_the_size_of_the_model(tmp_path: Path) -> None:
    mask = np.zeros((512, 2048), np.uint8)  # an eighth of the photo's width
    mask[10:16, 100:105] = 255  # 40 x 6 pixels of the photo
    mask[300:400, 500:700] = 255
    mask[300:400, 704:900] = 255  # a gap that is no pixel wide at 224: one defect
    path = tmp_path / "mask.png"
    path.write_bytes(encode(mask, "PNG"))
    (found,) = check_size([strip(mask=path)], SQUISH)
    assert "1 of 2 known defects" in found.message
    assert "40 x 6 pixels become 0.5 x 2.6" in found.message


def test_masks_that_are_empty_or_unreadable_show_no_defect(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(encode(np.zeros((512, 2048), np.uint8), "PNG"))
    kinds = [each.kind for each in check_size([strip(mask=path)], SQUISH)]
    assert kinds == ["strong_reduction"]
    assert [e.kind for e in check_size([strip(mask=tmp_path / "gone")], SQUISH)] == kinds


@pytest.mark.parametrize("kind", ["ok", "Good part"])
def test_a_box_of_a_kind_that_means_good_is_no_defect(kind: str) -> None:
    photo = strip(Box(0, 0, 40, 6, kind), Box(0, 0, 4000, 300, "crack"))
    assert check_size([photo], SQUISH) == []


def test_what_is_marked_on_photos_of_a_good_class_is_no_defect(tmp_path: Path) -> None:
    """As where boxes or masks show the part, and --good names a class that does not say so."""
    path = tmp_path / "mask.png"
    path.write_bytes(encode(mask_of_dots(1), "PNG"))
    photos = [strip(Box(0, 0, 40, 6)), strip(name="b.png", mask=path)]
    assert len(check_size(photos, SQUISH)[0].paths) == 2
    assert [f.kind for f in check_size(photos, SQUISH, ("crack",))] == ["strong_reduction"]


def test_marks_are_those_that_make_the_photo_a_defect(tmp_path: Path) -> None:
    """The noise of a JPEG is none, and the number of a kind in 16 bits is one."""
    noise = np.random.default_rng(0).integers(0, 8, (512, 1024)).astype(np.uint8)
    (tmp_path / "noise.jpg").write_bytes(encode(noise, "JPEG"))
    deep = np.zeros((512, 2048), np.uint16)
    deep[10:16, 100:105] = 1
    (tmp_path / "deep.png").write_bytes(encode(deep, "PNG"))
    photos = [strip(mask=tmp_path / "noise.jpg"), strip(name="b.png", mask=tmp_path / "deep.png")]
    (found,) = check_size(photos, SQUISH)
    assert "1 of 1 known defects" in found.message
    assert found.paths == ("b.png",)


def test_each_of_many_pieces_is_a_defect(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(encode(mask_of_dots(200), "PNG"))
    (found,) = check_size([replace(square(800), mask=path)], SQUISH)
    assert "200 of 200 known defects" in found.message


def test_large_masks_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(encode(mask_of_dots(1), "PNG"))
    held: list[int] = []

    class Gate(PixelGate):
        @contextmanager
        def hold(self, pixels: int) -> Iterator[None]:
            held.append(pixels)
            yield

    monkeypatch.setattr(size_checks, "PixelGate", Gate)
    check_size([strip(mask=path)] * 2, SQUISH)
    assert held == [800 * 800] * 2
