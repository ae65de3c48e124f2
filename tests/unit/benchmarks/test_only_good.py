"""Which photos the benchmark of ``--learn good`` compares beside all."""

import numpy as np
from helpers.benchmarks import load

bench = load("only_good")

_OUT = [
    bench.Row("a.png", "good", "known"),
    bench.Row("b.png", "good", "new"),
    bench.Row("c.png", "bad", "other"),
    bench.Row("d.png", "bad", "other"),
]
_TRUTH = np.array([False, False, True, True])


def _found(known: set[str], difficulty: dict[str, str]) -> dict[str, list[bool]]:
    subsets = bench._subsets(_OUT, _TRUTH, known, difficulty)
    return {text: mask.tolist() for text, mask in subsets}


def test_good_photos_of_known_and_of_new_parts_are_beside_all_defects() -> None:
    assert _found({"known"}, {}) == {
        "known parts": [True, False, True, True],
        "new parts": [False, True, True, True],
    }
    assert _found({"away"}, {}) == {}  # whole parts are held out: all are new


def test_defects_of_a_difficulty_are_beside_all_good_photos() -> None:
    found = _found(set(), {"c.png": "1", "d.png": "3"})
    assert found["difficulty 1 and 2"] == [True, True, True, False]
    assert found["difficulty 3"] == [True, True, False, True]


def test_an_even_draw_has_one_photo_of_each_part_before_a_second() -> None:
    parts = "aabacbc"
    rows = [bench.Row(f"{i}.png", "good", part) for i, part in enumerate(parts)]
    assert "".join(row.path[0] for row in bench._even_parts(rows)) == "0241563"
