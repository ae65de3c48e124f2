"""Marked places of photos that are not square, as the network sees them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fastdefect.data.photos import Box, Entry
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.images import Resize, fit_to, shown_in
from fastdefect.jobs.explaining.marks import marked_place

SIZE = 64


@pytest.mark.parametrize("resize", ["squish", "pad"])
@pytest.mark.parametrize(("width", "height"), [(150, 60), (45, 120), (80, 80)])
@pytest.mark.parametrize("kind", ["box", "mask"])
def test_a_mark_lies_on_the_pixels_that_it_marks(
    tmp_path: Path, resize: Resize, width: int, height: int, kind: str
) -> None:
    x, y, w, h = width // 2, height // 5, width // 4, height // 3
    photo = np.zeros((height, width, 3), np.uint8)
    photo[y : y + h, x : x + w] = 255
    mask = tmp_path / "mask.png"
    cv2.imwrite(str(mask), photo)
    marks = {"boxes": (Box(x, y, w, h),)} if kind == "box" else {"mask": mask}
    entry = Entry("a.png", tmp_path / "a.png", "defect", None, None, **marks)  # type: ignore[arg-type]
    found = marked_place(entry, width, height, frame=Frame(SIZE, resize), max_megapixels=300)
    assert found is not None
    seen = fit_to(photo, SIZE, resize)[..., 0]
    expected = np.zeros_like(found)
    area = shown_in(SIZE, width, height, resize)
    expected[area] = seen[area] > 25
    assert (found & expected).sum() / (found | expected).sum() > 0.9  # a row or column less
