"""Which pixels of a mask are marked: the same for labels and for the sizes of defects."""

from pathlib import Path

import numpy as np
import pytest
from helpers.encode import encode, oriented, picture
from helpers.layouts import mask
from numpy.typing import NDArray
from PIL import Image

from fastdefect.data.reading.marks import marked_pixels, marks_of, mask_pixels, read_marks

MARK = np.zeros((12, 16), bool)
MARK[2:4] = MARK[6:8] = True


def written(path: Path, pixels: NDArray[np.generic]) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def marked(path: Path) -> NDArray[np.bool_]:
    found = read_marks(path, 300)
    assert found is not None
    assert marks_of(path) is bool(found.any())
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("marked", [True, False])
def test_marks_in_files_of_any_kind(tmp_path: Path, kind: str, marked: bool) -> None:
    large = mask(marked=marked).resize((160, 120), Image.Resampling.NEAREST)
    (tmp_path / "m").write_bytes(encode(large, kind))
    assert marks_of(tmp_path / "m") is marked
    (tmp_path / "p").write_bytes(encode(picture(120, 160), kind))
    assert marks_of(tmp_path / "p") is None


def test_values_of_masks(tmp_path: Path) -> None:
    kinds = np.zeros((12, 16), np.uint8)
    kinds[2:4], kinds[6:8] = 1, 2
    red = np.dstack([kinds > 0, kinds * 0, kinds * 0]).astype(np.uint8) * 255
    sixteen = (kinds > 0).astype(np.uint16) * 65535
    for number, pixels in enumerate((kinds, red, sixteen, kinds > 0)):
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        assert marks_of(path) is True
    assert marks_of(tmp_path / "0.png", lenient=False) is None  # three values
    (tmp_path / "cut.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    assert marks_of(tmp_path / "cut.png") is None
    assert marks_of(tmp_path / "none.png") is None
    (tmp_path / "text").write_text("no mask")
    assert marks_of(tmp_path / "text") is None
    assert read_marks(tmp_path / "text", 300) is None
    assert mask_pixels(tmp_path / "text") == mask_pixels(tmp_path / "none.png") == 0


@pytest.mark.parametrize(
    "pixels",
    [
        MARK,
        MARK.astype(np.uint8),  # the number of a kind, which is nearly black
        MARK.astype(np.uint16),  # as 8 bits, all black
        (40 + 200 * MARK).astype(np.uint8),  # the background is not black
        np.dstack([MARK, MARK * 0, MARK * 0]).astype(np.uint8) * 255,
    ],
)
def test_the_higher_value_marks(tmp_path: Path, pixels: NDArray[np.generic]) -> None:
    np.testing.assert_array_equal(marked(written(tmp_path / "m.png", pixels)), MARK)


@pytest.mark.parametrize(("level", "every"), [(0, False), (7, True)])
def test_a_mask_of_one_value_marks_all_or_nothing(tmp_path: Path, level: int, every: bool) -> None:
    found = marked(written(tmp_path / "m.png", np.full((12, 16), level, np.uint8)))
    assert found.all() == found.any() == every


def test_a_value_for_each_kind(tmp_path: Path) -> None:
    kinds = np.zeros((12, 16), np.uint8)
    kinds[2:4], kinds[6:8] = 1, 2
    np.testing.assert_array_equal(marked(written(tmp_path / "m.png", kinds)), MARK)


def test_the_noise_of_a_jpeg_marks_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 8, (64, 64)).astype(np.uint8)
    noise[16:32, 8:24] = 255
    (tmp_path / "m.jpg").write_bytes(encode(noise, "JPEG"))
    np.testing.assert_array_equal(marked(tmp_path / "m.jpg"), noise == 255)


@pytest.mark.parametrize(
    "palette",
    [
        [255] * 3 + [0] * 3,  # white first: the numbers are not the grey levels
        [0] * 3 + [200, 0, 0],
        [255] * 3 + [200, 0, 0],
    ],
)
def test_palettes(tmp_path: Path, palette: list[int]) -> None:
    numbers = MARK.astype(np.uint8)
    white_first = palette == [255] * 3 + [0] * 3
    image = Image.fromarray(1 - numbers if white_first else numbers)
    image.putpalette(palette)
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(marked(tmp_path / "m.png"), MARK)


def test_a_mask_is_turned_as_its_photo(tmp_path: Path) -> None:
    stored = np.zeros((12, 16, 3), np.uint8)
    stored[:, :8] = 255
    (tmp_path / "m.png").write_bytes(oriented(stored, "PNG", 6))
    expected = np.zeros((16, 12), bool)
    expected[:8] = True
    np.testing.assert_array_equal(marked(tmp_path / "m.png"), expected)


def test_a_mask_with_more_than_max_megapixels_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "m.png", MARK)
    assert mask_pixels(path) == 192
    assert read_marks(path, 191e-6) is None
    assert read_marks(path, 192e-6) is not None


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_values_that_are_not_finite_are_no_mask(odd: float) -> None:
    values = np.where(MARK, 1.0, 0.0).astype(np.float32)
    found = marked_pixels(values)
    assert found is not None
    np.testing.assert_array_equal(found, MARK)
    values[0, 0] = odd
    assert marked_pixels(values) is None
