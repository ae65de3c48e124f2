"""``--tiles auto``: the number of tiles from the marks, or from the sizes of the photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fastdefect.config import DataConfig
from fastdefect.data.audit.tiling import choose_tiles
from fastdefect.data.photos import Box, Entry, Listing
from fastdefect.data.reading.frame import Frame
from fastdefect.data.settle import settle_tiles
from fastdefect.events import Note

CONFIG = DataConfig(image_size=224, tiles="auto")


def photo(
    folder: Path, width: int, height: int, boxes: Sequence[Box] = (), name: str = "a"
) -> Entry:
    path = folder / f"{name}.png"
    cv2.imwrite(str(path), np.zeros((height, width), np.uint8))
    label = "bad" if boxes else "good"
    return Entry(path.name, path, label, None, None, boxes=tuple(boxes))


@pytest.mark.parametrize(("width", "height"), [(512, 512), (300, 200), (200, 200), (4000, 3000)])
def test_usual_photos_are_not_cut(tmp_path: Path, width: int, height: int) -> None:
    assert choose_tiles([photo(tmp_path, width, height)], ("good",), CONFIG)[0] == 1


def test_strips_are_cut_until_a_tile_is_hardly_reduced(tmp_path: Path) -> None:
    tiles, reason = choose_tiles([photo(tmp_path, 16384, 512)], ("good",), CONFIG)
    assert max(Frame(224, "squish", tiles).reduction(16384, 512)) <= 2.5
    assert max(Frame(224, "squish", tiles - 1).reduction(16384, 512)) > 2.5
    assert reason == "photos would become 73 times smaller, and become 2.5 times"


def test_small_defects_decide_and_marks_on_good_photos_do_not(tmp_path: Path) -> None:
    small, large = Box(50, 50, 10, 12), Box(50, 50, 60, 80)
    entries = [photo(tmp_path, 1200, 900, [small], "b"), photo(tmp_path, 1200, 900, name="c")]
    tiles, reason = choose_tiles(entries, ("good",), CONFIG)
    across, down = Frame(224, "squish", tiles).reduction(1200, 900)
    assert min(10 / across, 12 / down) >= 6
    assert reason.startswith("1 of 1 known defect would become smaller than 3 pixels, and 100%")
    assert choose_tiles([photo(tmp_path, 1200, 900, [large])], ("good",), CONFIG)[0] == 1
    assert choose_tiles(entries, ("good", "bad"), CONFIG)[0] == 1


def listed(*entries: Entry) -> Listing:
    return Listing(Path(), "folders", entries, ("bad", "good"), ())


@pytest.mark.parametrize(
    ("side", "box", "settings", "tiles"),
    [
        (1200, Box(50, 50, 12, 12), {}, "16"),  # 16 tiles or fewer are enough
        (1200, Box(50, 50, 60, 60), {}, "none"),
        (4000, Box(50, 50, 12, 12), {}, "none"),  # more than 16 would be needed: only a warning
        (1200, Box(50, 50, 12, 12), {"light": True}, "none"),
        (1200, Box(50, 50, 12, 12), {"learn": "both"}, "16"),
        (1200, Box(50, 50, 12, 12), {"tiles": "none"}, "none"),
        (5600, None, {}, "none"),  # nothing is known of the defects
    ],
)
def test_without_a_request_known_defects_alone_decide_and_few_tiles(
    tmp_path: Path, side: int, box: Box | None, settings: dict[str, Any], tiles: str
) -> None:
    config, notes = DataConfig(good="good", **settings), list[Note]()
    entry = photo(tmp_path, side, side, [box] if box else [])
    found = settle_tiles(listed(entry), config, notes.append)
    if tiles == "16":
        assert 1 < int(found.tiles) <= 16
        assert "--tiles marked: up to" in notes[0].text
        assert "override with --tiles" in notes[0].text
    else:
        assert (found.tiles, notes) == (tiles, [])


def test_defects_that_stay_small_get_the_largest_number_that_helps(tmp_path: Path) -> None:
    entries = [photo(tmp_path, 1200, 900, [Box(50, 50, 2, 2)])]
    tiles, reason = choose_tiles(entries, ("good",), CONFIG)
    assert 1 < tiles <= 64
    assert "0%" in reason
