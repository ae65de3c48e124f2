"""No part is on two sides, and no tile in two stretches."""

import random
from collections import Counter
from pathlib import Path

import pytest
from helpers.benchmarks import load

sets = load("plain_sets")


def _rows(labels: str, per_part: int) -> list[object]:
    """A photo a letter; ``per_part`` in a row show one part."""
    return [
        sets.Row(f"/photos/{i}.jpg", label, f"part-{i // per_part}")
        for i, label in enumerate(labels)
    ]


# ---- stretches of frames -----------------------------------------------------------------


def test_stretches_are_cut_at_gaps_after_enough_photos() -> None:
    frames = [1, 2, 300, 301, 302, 500, 501, 900]
    assert sets.stretches(frames, gap=100, least=3) == [0, 0, 0, 0, 0, 1, 1, 1]
    # the third gap follows two photos only


def test_a_gap_that_is_just_as_wide_as_allowed_is_no_cut() -> None:
    assert sets.stretches([0, 100, 201], gap=100, least=1) == [0, 0, 1]


def test_near_frames_are_in_one_stretch_in_whatever_order_they_come() -> None:
    rng = random.Random(3)
    frames = [tile + step for tile in range(0, 90_000, 450) for step in (0, 14, 31)]
    rng.shuffle(frames)
    of = dict(zip(frames, sets.stretches(frames), strict=True))
    assert all(of[tile] == of[tile + 14] == of[tile + 31] for tile in range(0, 90_000, 450))
    assert min(Counter(of.values()).values()) >= 30
    assert len(set(of.values())) == 20
    in_order = [of[frame] for frame in sorted(frames)]
    assert in_order == sorted(in_order)


# ---- who is held out -----------------------------------------------------------------------


def test_parts_are_held_out_whole_and_about_a_third() -> None:
    rows = _rows("gd" * 150, per_part=4)
    for seed in range(5):
        (sides,) = sets.divide("mtd-free", rows, seed)
        rest, out = ({row.part for row in side} for side in (sides.rest, sides.held_out))
        assert not rest & out
        assert sorted((*sides.rest, *sides.held_out), key=rows.index) == rows
        assert 96 <= len(sides.held_out) <= 104


def test_the_split_seed_and_nothing_else_decides() -> None:
    rows = _rows("gd" * 60, per_part=3)
    first, again, other = (
        set(sets.divide("mtd-free", given, seed)[0].held_out)
        for given, seed in ((rows, 1), (rows[::-1], 1), (rows, 2))
    )
    assert first == again
    assert first != other


def test_three_thirds_hold_out_every_photo_once() -> None:
    rows = _rows("g" * 200 + "d" * 100, per_part=3)
    sides = sets.divide("mtd-free", rows, 4, rotate=True)
    assert sides[0] == sets.divide("mtd-free", rows, 4)[0]
    assert Counter(row for each in sides for row in each.held_out) == Counter(rows)
    assert all(97 <= len(each.held_out) <= 103 for each in sides)
    parts = [{row.part for row in each.held_out} for each in sides]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_a_class_in_few_parts_is_on_both_sides() -> None:
    # Three parts of 30 hold the rare class: a third of all parts misses them all now and then.
    rows = _rows("g" * 81 + "r" * 9, per_part=3)
    alone = []
    for seed in range(20):
        first = sets.thirds([row.part for row in rows], f"{seed}")
        alone.append(first[81:].count(0) in (0, 9))
        (sides,) = sets.divide("mtd", rows, seed)
        out = sum(row.label == "r" for row in sides.held_out)
        assert out == 3
    assert any(alone)


def test_a_class_of_one_part_is_refused() -> None:
    with pytest.raises(SystemExit, match="31 parts, which is too few"):
        sets.divide("mtd", _rows("g" * 90 + "rrr", per_part=3), 1)


# ---- fewer photos ----------------------------------------------------------------------------


def test_a_smaller_draw_is_within_a_larger_and_has_so_many_of_each_class() -> None:
    rows = _rows("g" * 50 + "d" * 12, per_part=1)
    few, more = sets.draw_per_class(rows, 10, 4), sets.draw_per_class(rows, 20, 4)
    assert Counter(row.label for row in few) == {"g": 10, "d": 10}
    assert Counter(row.label for row in more) == {"g": 20, "d": 12}
    assert set(few) < set(more)
    assert sets.draw_per_class(rows, 10, 5) != few
    assert sets.draw_per_class(rows, None, 4) == tuple(rows)


# ---- folders -----------------------------------------------------------------------------------


def test_tiles_of_all_settings_and_classes_share_the_stretches(tmp_path: Path) -> None:
    for number in range(40):
        for setting, label in ((1, "Free"), (2, "Crack")):
            photo = tmp_path / "mtd" / label / f"exp{setting}_num_{1000 * number + setting}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.touch()
    source = sets.Source(tmp_path, tmp_path / "work")
    rows = source.rows("mtd")
    assert Counter(row.part for row in rows) == {
        "stretch-00": 30,
        "stretch-01": 30,
        "stretch-02": 20,
    }
    parts = {label: [row.part for row in rows if row.label == label] for label in ("Free", "Crack")}
    assert Counter(parts["Free"]) == Counter(parts["Crack"])
    assert {row.label for row in source.rows("mtd-free")} == {"Free", "defect"}
