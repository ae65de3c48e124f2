"""The table and the sheet of labels to look at again."""

from dataclasses import replace

import numpy as np

from fastdefect.evaluation.label_check import Suspect
from fastdefect.evaluation.predictions import Predictions
from fastdefect.reporting.tables.label_check import suspects_table

NAMES = tuple(f"shots/{i}.png" for i in range(30))
PREDICTIONS = Predictions(
    NAMES, ("crack", "dent", "good"), ("good",), np.zeros(30, np.int64), np.full((30, 3), 1 / 3)
)


def suspect(index: int, label: int = 0, suggested: int = 2) -> Suspect:
    return Suspect(index, label, suggested, -0.5, 0.7, f"p{index}", 1, 1)


def test_one_row_a_suspect_in_their_order() -> None:
    made = suspects_table(PREDICTIONS, [suspect(4), suspect(2, 2, 1), suspect(7)])
    assert made.title == "Labels to check: 3 of 30"
    assert made.columns == ("photo", "label", "suggested", "P(suggested)", "margin")
    assert made.rows[0] == ("shots/4.png", "crack", "good", "0.700", "-0.500")
    assert made.rows[1][:3] == ("shots/2.png", "good", "dent")
    assert made.caption.startswith("2 crack → good, 1 good → dent. ")


def test_parts_are_shown_if_they_have_several_photos() -> None:
    half = replace(suspect(1), part_photos=4, part_suspects=2)
    made = suspects_table(PREDICTIONS, [suspect(4), half])
    assert made.columns[-1] == "suspects in part"
    assert [row[-1] for row in made.rows] == ["1 of 1", "2 of 4"]


def test_only_the_first_twenty_but_all_are_counted() -> None:
    made = suspects_table(PREDICTIONS, [suspect(i) for i in range(25)])
    assert made.title == "Labels to check: 25 of 30, the strongest 20"
    assert [row[0] for row in made.rows] == list(NAMES[:20])
    assert made.caption.startswith("25 crack → good. ")


def test_no_suspects() -> None:
    made = suspects_table(PREDICTIONS, [])
    assert (made.empty, made.rows) == ("None of 30 labels is in doubt.", ())
