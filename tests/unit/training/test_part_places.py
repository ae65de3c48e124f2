"""The places of the part, learned from clear outlines."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.learners import made_data

from fastdefect.data.reading.background import Background
from fastdefect.data.store import PhotoStore
from fastdefect.data.training_data import TrainingData
from fastdefect.events import Event, Note
from fastdefect.training.bag_probe import Tiles
from fastdefect.training.part_places import find_part_places

SIDE = 64
AXIS = np.arange(SIDE) - SIDE / 2


def _photo(number: int, *, part: bool) -> np.ndarray:
    """Noise, with a bright disc in another place of each photo, or without."""
    rng = np.random.default_rng(number)
    row, column = rng.integers(-6, 7, 2)
    disc = np.hypot(AXIS[:, None] - row, AXIS[None] - column) < SIDE / 4
    grey = np.where(disc & part, 190, 60) + rng.integers(-6, 7, (SIDE, SIDE))
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def _data(*, part: bool, size: int = SIDE, tiles: int = 1) -> TrainingData:
    data = made_data()
    store = PhotoStore(27, size, "squish", tiles=tiles, limit_mb=64)
    for number, photo in enumerate(data.manifest.photos):
        store.put(photo.row, _photo(number, part=part))
    photos = tuple(replace(photo, width=SIDE, height=SIDE) for photo in data.manifest.photos)
    return replace(data, manifest=replace(data.manifest, photos=photos), store=store)


def _features(data: TrainingData) -> Any:
    """Brightness, and a value that says nothing, of 8 x 8 places of each tile."""

    def tiles(photos: Any) -> Tiles:
        return Tiles.of(data.store, data.rows(tuple(photos)))

    def of(tiles: Tiles) -> np.ndarray:
        grey = data.store.cells[tiles.rows][..., 0]
        step = data.store.size // 8
        mean = grey.reshape(len(grey), 8, step, 8, step).mean(axis=(2, 4)) / 255
        return np.stack([mean, mean * 0 + 1], axis=1).astype(np.float32)

    return tiles, of


def _found(data: TrainingData) -> tuple[Any, str]:
    notes: list[Event] = []
    found = find_part_places(data, data.split.train, _features(data), 1, notes.append)
    (note,) = [each for each in notes if isinstance(each, Note)]
    return found, note.text


@pytest.mark.parametrize(("size", "tiles"), [(SIDE, 1), (32, 9)])
def test_the_places_of_a_disc_are_found_wherever_it_is(size: int, tiles: int) -> None:
    data = _data(part=True, size=size, tiles=tiles)
    found, text = _found(data)
    assert "The background does not count" in text
    assert found.right > 0.9
    others = [i for i in data.split.valid if i not in data.split.train]
    of_tiles, features = _features(data)
    maps = features(of_tiles(others))
    shown, bright = found.of(maps), maps[:, 0] * 255
    assert shown[bright > 110].all()  # the part and its border
    assert not shown[bright < 61].any()


def test_the_background_counts_in_tiles_if_those_without_the_part_are_left_out() -> None:
    data = _data(part=True, size=32, tiles=9)
    data.store.frame = replace(data.store.frame, background=Background(0.1, 0.5, 9.0))
    found, text = _found(data)
    assert found is None
    assert "tiles that are not left out" in text


def test_without_an_outline_the_background_counts() -> None:
    found, text = _found(_data(part=False))
    assert found is None
    assert "The background counts like the part" in text


@pytest.mark.parametrize("right", [0.89, 0.91])
def test_places_that_others_do_not_confirm_are_not_used(
    right: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastdefect.training import part_places

    learned = part_places._learned

    def poorly(*args: Any) -> Any:
        return replace(learned(*args), right=right)

    monkeypatch.setattr(part_places, "_learned", poorly)
    found, text = _found(_data(part=True))
    assert (found is not None) == (right > 0.9)
    assert f"{right:.0%} of" in text
