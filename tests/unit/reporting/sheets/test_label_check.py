"""The sheet of labels to look at again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastdefect.evaluation.label_check import Suspect
from fastdefect.evaluation.predictions import Predictions
from fastdefect.reporting.sheets.label_check import draw_suspects

NAMES = tuple(f"shots/{i}.png" for i in range(30))
PREDICTIONS = Predictions(
    NAMES, ("crack", "dent", "good"), ("good",), np.zeros(30, np.int64), np.full((30, 3), 1 / 3)
)


def suspect(index: int, label: int = 0, suggested: int = 2) -> Suspect:
    return Suspect(index, label, suggested, -0.5, 0.7, f"p{index}", 1, 1)


def test_the_sheet_shows_each_in_its_place(tmp_path: Path) -> None:
    """Six photos of six colours, five to a row; one is gone and one is broken."""
    colours = {0: (200, 30, 30), 1: (30, 200, 30), 2: (30, 30, 200), 5: (200, 200, 30)}
    photos = {}
    for index, colour in colours.items():
        photos[NAMES[index]] = tmp_path / f"{index}.png"
        Image.new("RGB", (600, 300), colour).save(photos[NAMES[index]])
    photos[NAMES[4]] = tmp_path / "4.png"
    photos[NAMES[4]].write_bytes(b"no photo")
    out = tmp_path / "sheet.png"
    order = [5, 1, 3, 4, 0, 2]
    draw_suspects(out, PREDICTIONS, [suspect(i) for i in order], photos, title="T")
    with Image.open(out) as picture:
        sheet = np.asarray(picture.convert("RGB"))
    found = {}
    for index, colour in colours.items():
        rows, columns = np.nonzero((sheet == colour).all(axis=2))
        # Whole, at its own aspect.
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (120, 240)
        found[index] = (rows.min(), columns.min())
    assert found[5][0] == found[1][0] == found[0][0] < found[2][0]
    assert found[5][1] == found[2][1] < found[1][1] < found[0][1]


def test_a_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one photo"):
        draw_suspects(tmp_path / "x.png", PREDICTIONS, [], {}, title="T")
    assert not list(tmp_path.iterdir())
