"""Defects of the rendered sample: their boxes, how much they show, and their place."""

import numpy as np
import pytest

from fastdefect.sample.part import OVERSAMPLING, stream
from fastdefect.sample.render import (
    DEFECTS,
    DIFFICULTIES,
    Defect,
    Part,
    photograph,
    render_part,
)
from fastdefect.sample.scene import draw_pose

ALL_DEFECTS = [Defect(kind, difficulty) for kind in DEFECTS for difficulty in DIFFICULTIES]


def twins(defect: Defect, seed: int, size: int) -> tuple[Part, Part]:
    """The same individual with ``defect`` and without."""
    return render_part(seed, size=size, defect=defect), render_part(seed, size=size)


def difference(first: Part, second: Part, seed: int) -> np.ndarray:
    """Largest difference of any channel, (size, size), between photos taken alike."""
    a, b = photograph(first, seed).pixels, photograph(second, seed).pixels
    return np.abs(a.astype(int) - b).max(axis=2)


# --- the defects -----------------------------------------------------------------------------


@pytest.mark.parametrize("defect", ALL_DEFECTS, ids=lambda d: f"{d.kind}-{d.difficulty}")
@pytest.mark.parametrize("size", [64, pytest.param(96, marks=pytest.mark.slow)])
def test_box_holds_all_that_a_defect_changes(defect: Defect, size: int) -> None:
    part, sound = twins(defect, size, size)
    box = photograph(part, size + 50).box
    assert box is not None
    changed = difference(part, sound, size + 50)
    x, y, w, h = box
    assert changed[y : y + h, x : x + w].max() > 2, "the defect can't be seen"
    changed[y : y + h, x : x + w] = 0
    assert changed.max() <= 1, "something outside the box has changed"
    assert np.count_nonzero(changed) <= 12, "the whole picture has changed"


@pytest.mark.parametrize("kind", DEFECTS)
def test_box_is_no_larger_than_it_must_be(kind: str) -> None:
    part, sound = twins(Defect(kind, 1), 4, 128)
    for seed in range(3):
        rows, columns = np.nonzero(difference(part, sound, seed) > 4)
        box = photograph(part, seed).box
        assert box is not None
        assert np.ptp(rows) + 1 >= 0.5 * box[3]
        assert np.ptp(columns) + 1 >= 0.5 * box[2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", DEFECTS)
def test_higher_difficulty_shows_less(kind: str) -> None:
    shown = [
        np.mean([difference(*twins(Defect(kind, d), s, 80), s).sum() for s in range(3)])
        for d in DIFFICULTIES
    ]
    assert shown[0] > 1.2 * shown[1] > 2 * shown[2]


@pytest.mark.slow
def test_even_a_faint_defect_can_be_seen() -> None:
    for defect in ALL_DEFECTS:
        part, sound = twins(defect, 8, 160)
        clear = (20, 12, 6)[defect.difficulty - 1]
        assert difference(part, sound, 3).max() >= clear, defect


def test_a_defect_stays_at_its_place_on_the_part() -> None:
    part = render_part(3, size=128, defect=Defect("blowhole", 1))
    places = []
    for seed in range(6):
        box = photograph(part, seed).box
        assert box is not None
        pose = draw_pose(stream(seed, 0), OVERSAMPLING * 128)
        middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2]) * OVERSAMPLING
        places.append(np.linalg.solve(pose.matrix(), middle - pose.centre))
    assert np.ptp(places, axis=0).max() < 0.04  # in radii of the part; a pixel is 0.02
    angles = [np.degrees(draw_pose(stream(seed, 0), 1).turn) for seed in range(6)]
    assert np.ptp(angles) > 90
