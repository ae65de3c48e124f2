"""When ``--final auto`` learns from all photos."""

from pathlib import Path
from typing import Any

import pytest

from fastdefect.config_resolve import resolve
from fastdefect.jobs.final import FEW_PHOTOS, suits


def _photos(folder: Path, n: int, sides: tuple[str, ...] = ("",)) -> Path:
    for i in range(n):
        place = folder / sides[i % len(sides)] / ("good" if i % 2 else "scratch")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.png").touch()
    return folder


@pytest.mark.parametrize(
    ("photos", "flags", "expected"),
    [
        (FEW_PHOTOS, {}, True),
        (FEW_PHOTOS + 1, {}, False),
        (FEW_PHOTOS + 1, {"final": "folds"}, True),
        (9, {"final": "none"}, False),
        (9, {"valid": 0.1, "test": 0.0, "epochs": 25}, True),
        (9, {"members": 2}, False),
        (9, {"folds": 3}, False),
        (9, {"tune": "head"}, False),
        (9, {"photos_per_class": 3}, False),
        (9, {"recipe": "legacy"}, False),
        (9, {"keep": "best"}, False),
        (9, {"patience": 3}, False),
    ],
)
def test_few_photos_and_no_other_wish(
    photos: int, flags: dict[str, Any], expected: bool, tmp_path: Path
) -> None:
    assert suits(resolve({"data": _photos(tmp_path, photos), **flags})) == expected


def test_sides_that_the_data_names_stay(tmp_path: Path) -> None:
    assert not suits(resolve({"data": _photos(tmp_path, 12, ("train", "valid"))}))


def test_a_folder_that_cannot_be_listed_is_left_to_the_training(tmp_path: Path) -> None:
    assert not suits(resolve({"data": tmp_path / "nowhere"}))
