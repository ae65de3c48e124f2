"""Tiles of background: left out where the outline of the part is sure, and kept elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fastdefect.config import DataConfig
from fastdefect.data.audit.background_tiles import find_background
from fastdefect.data.photos import Box, Entry
from fastdefect.data.reading.background import Background, contrast_of
from fastdefect.data.reading.frame import Frame, background_of
from fastdefect.data.reading.images import USUAL

SIDE, RADIUS = 320, 80
FRAME = Frame(32, "squish", 144)  # 12 x 12 tiles at full resolution
Draw = Callable[[np.random.Generator], NDArray[np.float32]]


def table(rng: np.random.Generator, x: int = 100, y: int = 100, radius: int = RADIUS) -> NDArray:
    """A turned part, a disc with a hub and scratches, on a plain table with noise."""
    photo = np.full((SIDE, SIDE), 200, np.float32)
    cv2.circle(photo, (x, y), radius, 90.0, -1)
    cv2.circle(photo, (x, y), radius // 3, 60.0, -1)
    for _ in range(40):
        ends = rng.integers(-radius // 2, radius // 2, (2, 2)) + np.array([x, y])
        cv2.line(photo, ends[0].tolist(), ends[1].tolist(), 130.0, 2)
    return photo + rng.normal(0, 2, photo.shape).astype(np.float32)


def grain(rng: np.random.Generator) -> NDArray:
    return cv2.GaussianBlur(rng.normal(130, 60, (SIDE, SIDE)).astype(np.float32), (0, 0), 1)


def patterned(rng: np.random.Generator) -> NDArray:
    """The part on a table with a strong pattern."""
    photo = table(rng)
    rows, columns = np.indices(photo.shape)
    stripes = 40 * ((rows // 5 + columns // 5) % 2)
    return np.where(photo > 180, photo - stripes, photo)


def changing(rng: np.random.Generator) -> NDArray:
    return table(rng, x=160, y=160, radius=int(rng.integers(60, 110)))


def written(folder: Path, draw: Draw, n: int = 10, box: Box | None = None) -> list[Entry]:
    entries = []
    for number in range(n):
        path = folder / f"{number}.png"
        photo = draw(np.random.default_rng(number)).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(path), photo)
        label = "bad" if number % 2 else "good"
        boxes = (box,) if box and number % 2 else ()
        entries.append(Entry(path.name, path, label, None, None, boxes=boxes))
    return entries


def found(entries: list[Entry]) -> tuple[Background | None, str]:
    return find_background(entries, ("good",), FRAME, USUAL)


def rgb(photo: NDArray) -> NDArray[np.uint8]:
    return np.repeat(photo.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_a_part_on_a_plain_table(tmp_path: Path) -> None:
    background, reason = found(written(tmp_path, table))
    assert background is not None
    assert "clear in 10 of 10 photos" in reason
    share = np.pi * RADIUS**2 / SIDE**2
    assert background.least < share < background.most
    # A part elsewhere: its tiles are there, and most of the table is left out.
    frame = replace(FRAME, background=background)
    photo = rgb(table(np.random.default_rng(99), x=210, y=180))
    filled = frame.filled(frame.fit(photo))
    boxes = frame.boxes(SIDE, SIDE, (SIDE, SIDE))
    for kept, box in zip(filled, boxes, strict=False):
        beside = (np.clip(210, box.x, box.x + box.width), np.clip(180, box.y, box.y + box.height))
        if np.hypot(beside[0] - 210, beside[1] - 180) < RADIUS:
            assert kept, box
    assert filled.sum() < 0.6 * len(boxes)
    # What has an edge is kept, also outside the outline.
    photo[20:24, 20:24] = 120
    again = frame.filled(frame.fit(photo))
    assert not filled[0]
    assert again[0]
    # A part of another size has an unusual outline: everything counts.
    other = rgb(table(np.random.default_rng(5), radius=30))
    assert frame.filled(frame.fit(other))[: len(boxes)].all()


@pytest.mark.parametrize(
    ("draw", "why"),
    [
        (grain, ""),
        (patterned, ""),
        (changing, "the outline covers"),
    ],
)
def test_it_is_not_sure(tmp_path: Path, draw: Draw, why: str) -> None:
    background, reason = found(written(tmp_path, draw))
    assert background is None
    assert why in reason


def test_a_marked_defect_on_the_table_is_no_background(tmp_path: Path) -> None:
    background, reason = found(written(tmp_path, table, box=Box(280, 280, 8, 8)))
    assert (background, reason) == (None, "a marked defect is outside the outline of the part")
    background, _ = found(written(tmp_path, table, box=Box(100, 100, 8, 8)))
    assert background is not None


def test_photos_of_the_test_are_not_read(tmp_path: Path) -> None:
    entries = [replace(entry, split="test") for entry in written(tmp_path, table)]
    assert found(entries) == (None, "")


def test_contrast_is_of_edges_and_not_of_shading_or_level() -> None:
    level = np.full((32, 32, 3), 200, np.uint8)
    shaded = rgb(np.tile(np.linspace(100, 140, 32), (32, 1)))
    assert contrast_of(level) < 0.01
    assert contrast_of(shaded) < 5
    level[10:14, 10:14] = 150
    assert contrast_of(level) > 20


def test_the_values_are_a_setting() -> None:
    config = DataConfig(tiles="4", tile_background="0.1000,0.2500,7.5000")
    assert background_of(config) == Background(0.1, 0.25, 7.5)
    assert background_of(replace(config, tiles="none")) is None
    assert background_of(replace(config, tile_background="keep")) is None
