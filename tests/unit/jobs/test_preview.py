"""The preview job: which photos it shows, and where it writes."""

from pathlib import Path

import pytest
from helpers.folders import castings_of, photo_folder
from PIL import Image

from fastdefect.config import DataConfig
from fastdefect.errors import UsageError
from fastdefect.events import silent
from fastdefect.jobs.preview import preview


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    """A folder of a few photos, previewed small."""
    data = photo_folder(tmp_path / "data", castings_of(4, 1), "part")
    return DataConfig(data=data, image_size=32)


def test_the_sheet_has_a_row_a_photo(config: DataConfig, tmp_path: Path) -> None:
    heights = []
    for photos in (1, 3):
        out = preview(
            config, seed=0, photos=photos, draws=1, out=tmp_path / "new" / "p.png", on_event=silent
        )
        with Image.open(out) as sheet:
            heights.append(sheet.height)
    assert heights[1] > 2 * heights[0]


def test_a_folder_in_the_place_of_the_sheet(config: DataConfig, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--out .*: expected a path that can be written"
    ) as caught:
        preview(config, seed=0, photos=1, draws=1, out=tmp_path, on_event=silent)
    assert caught.value.hint == "Choose a file in a folder with write permission."
