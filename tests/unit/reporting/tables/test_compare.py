"""Two runs side by side: what the tables say, and the photos of the sheet."""

from pathlib import Path

import numpy as np
import pytest
from helpers.predictions import certain
from PIL import Image

from fastdefect.evaluation.compare import Answers, Comparison, SharedPhotos, compare
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.reporting.sheets.compare import changes_sheet
from fastdefect.reporting.tables.compare import (
    changes_table,
    costs_table,
    figures_table,
    mcnemar_table,
    settings_table,
)


def _comparison(n: int, changed: int, good: str | None = "good") -> Comparison:
    """``n`` defects and as many good parts; ``changed`` defects escape only at first."""
    truth = np.arange(2 * n) % 2
    names = tuple(f"img/{i:03}.png" for i in range(2 * n))
    photos = SharedPhotos(names, names, truth, ("defect", "good"), (good,) if good else ())
    before = np.where((truth == 0) & (np.arange(2 * n) < 2 * changed), 1, truth)
    said = (Answers(0.9 * certain(p.tolist(), 2) + 0.05, p) for p in (before, truth))
    return compare(photos, *said, draws=300, seed=0)


def test_figures_with_their_differences_and_verdicts() -> None:
    table = figures_table(_comparison(40, 8), "old", "new", where="validation", note="Mind this.")
    assert table.title == "old -> new on validation: 80 photos of 80 parts"
    assert table.columns == ("metric", "old", "new", "difference", "95 % interval", "verdict")
    rows = {row[0]: row for row in table.rows}
    assert rows["escape rate"][:4] == ("escape rate", "20.00%", "0.00%", "-20.00 pts")
    low, high = rows["escape rate"][4].removesuffix(" pts").split(" to ")
    assert float(low) < -20 < float(high) < 0
    assert rows["escape rate"][5] == "better"
    assert rows["overkill rate"][4:] == ("+0.00 to +0.00 pts", "no difference shown")
    good = [table.rows[row][0] for row, mark in table.marks.items() if mark == "good"]
    assert "escape rate" in good
    assert "overkill rate" not in good
    assert "One of 14 metrics" in table.caption
    assert table.caption.endswith("Mind this.")


def test_worse_is_marked_bad_and_openings_are_shown() -> None:
    found = _comparison(40, 8)
    truth = np.arange(80) % 2
    photos = SharedPhotos(tuple(map(str, range(80))), tuple(map(str, range(80))), truth,
                          ("defect", "good"), ("good",))  # fmt: skip
    worse = np.where(np.arange(80) < 16, 1, truth)
    said = (Answers(certain(p.tolist(), 2), p) for p in (truth, worse))
    table = figures_table(compare(photos, *said, seed=0), "a", "b", where="test", opening=2)
    assert table.marks[0] == "bad"
    assert table.title.endswith("; test opened for the 2nd time")
    assert found.n == 80


def test_undefined_metrics_are_omitted_and_missing_intervals_explained() -> None:
    table = figures_table(_comparison(10, 10, good=None), "a", "b", where="x")
    assert not {"escape rate", "overkill rate"} & {row[0] for row in table.rows}
    blind = figures_table(_comparison(10, 10), "a", "b", where="x")
    rows = {row[0]: row for row in blind.rows}
    assert rows["escape rate"][3:] == ("-100.00 pts", "all draws agree", "better")
    few = {row[0]: row for row in figures_table(_comparison(3, 3), "a", "b", where="x").rows}
    assert few["escape rate"][4:] == ("-", "can't tell")


def test_figures_that_take_more_parts_are_named_where_there_are_few() -> None:
    few = figures_table(_comparison(9, 8), "a", "b", where="x")
    assert (
        "AUC, average precision, Brier, log loss and calibration error need 20 parts" in few.caption
    )
    rows = {row[0]: row for row in few.rows}
    assert [rows[name][5] for name in ("escape rate", "Brier")] == ["better", "can't tell"]
    assert "20 parts" not in figures_table(_comparison(10, 8), "a", "b", where="x").caption


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([1] * 40, [0] * 40, "old and new predict the same class for every photo: their F1, "),
        ([1] * 40, [0, 1] * 20, "old predicts the same class for every photo: its F1, "),
        ([0, 1] * 20, [0] * 40, "new predicts the same class for every photo: its F1, "),
        ([0, 1] * 20, [0, 0] + [0, 1] * 19, ""),
    ],
)
def test_runs_that_give_constant_prediction_are_named(
    before: list[int], after: list[int], told: str
) -> None:
    names = tuple(map(str, range(40)))
    photos = SharedPhotos(names, names, np.arange(40) % 2, ("defect", "good"), ("good",))
    said = (Answers(0.9 * certain(p, 2) + 0.05, np.array(p)) for p in (before, after))
    found = compare(photos, *said, draws=100, seed=0)
    caption = figures_table(found, "old", "new", where="x", note="Mind this.").caption
    assert ("same class" in caption) == bool(told)
    assert told in caption
    assert caption.endswith(" Mind this.")


def test_mcnemar_by_photo_and_part() -> None:
    table = mcnemar_table(_comparison(40, 8), "a", "b")
    assert table.rows == (
        ("by photo", "80", "8", "0", "0.008"),
        ("by part", "80", "8", "0", "0.008"),
    )
    assert "believe" not in table.caption


def test_changes_name_parts_and_photos() -> None:
    table = changes_table(_comparison(40, 30), "a", "b")
    assert table.rows[1] == ("newly caught", "img/002.png", "1 of 1", "img/002.png")
    assert (len(table.rows), table.marks[0]) == (20, "good")
    assert table.caption == "10 more: newly caught. All are in compare.json."
    none = changes_table(_comparison(5, 0), "a", "b")
    assert (none.rows, none.empty) == ((), "a -> b: no decision changed.")


def test_settings_as_a_user_writes_them() -> None:
    settings = [
        ("DATA", (Path("a"), Path("b"))),
        ("--light", (False, True)),
        ("--folds", (None, 5)),
        ("--target", ((), ("f1=0.9", "auc=0.8"))),
    ]
    assert settings_table(settings, ("x", "y")).rows == (
        ("DATA", "a", "b"),
        ("--light", "no", "yes"),
        ("--folds", "-", "5"),
        ("--target", "-", "f1=0.9, auc=0.8"),
    )
    none = settings_table([], ("x", "y"))
    assert (none.rows, none.empty) == ((), "All settings are the same.")


def test_costs() -> None:
    run = {"name": "a", "arch": "small-cnn", "parameters": 291906, "megabytes": 1.17, "epochs": 3,
           "seconds": 3725.4,
           "decision": DecisionRule("none", 1.0, None, None, "argmax")}  # fmt: skip
    band = DecisionRule("flips", 1.0, 0.2, 0.6, "limits")
    other = {**run, "parameters": None, "epochs": 0, "seconds": 0, "decision": band}
    assert costs_table([run, other]).rows == (
        ("a", "small-cnn", "291,906", "1.2 MB", "3", "3,725 s", "argmax"),
        (
            *("a", "small-cnn", "-", "1.2 MB", "0", "-"),
            "limits, views flips; photos for review count as rejected",
        ),
    )


def test_the_sheet_shows_each_kind_of_change(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "x.png")
    photos = {"img/000.png": tmp_path / "x.png", "img/002.png": tmp_path / "gone.png"}
    assert changes_sheet([("a -> b", _comparison(6, 3))], photos, tmp_path / "s.png", tile=80)
    with Image.open(tmp_path / "s.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).reshape(-1, 3)
    assert (pixels == (255, 0, 0)).all(axis=1).sum() > 80 * 50
    # The vermilion of what is for the worse is nowhere, the blue of what is mended is.
    assert not (pixels == (0xD5, 0x5E, 0x00)).all(axis=1).any()
    assert (pixels == (0x00, 0x72, 0xB2)).all(axis=1).any()


def test_a_sheet_has_no_end_of_photos(tmp_path: Path) -> None:
    heights = []
    for changed in (24, 40):
        changes_sheet([("a", _comparison(40, changed))], {}, tmp_path / "s.png", tile=40)
        with Image.open(tmp_path / "s.png") as sheet:
            heights.append(sheet.height)
    assert heights[0] == heights[1]


def test_no_change_no_sheet(tmp_path: Path) -> None:
    assert not changes_sheet([("a", _comparison(6, 0))], {}, tmp_path / "s.png")
    assert not (tmp_path / "s.png").exists()


@pytest.mark.parametrize("kind", ["newly escapes", "newly caught"])
def test_what_is_for_the_worse_is_framed_so(tmp_path: Path, kind: str) -> None:
    truth = np.array([0, 0, 1])
    names = ("0", "1", "2")
    photos = SharedPhotos(names, names, truth, ("defect", "good"), ("good",))
    wrong = np.array([1, 0, 1])
    order = (truth, wrong) if kind == "newly escapes" else (wrong, truth)
    found = compare(photos, *(Answers(certain(p.tolist(), 2), p) for p in order), draws=20, seed=0)
    assert [change.kind for change in found.changes] == [kind]
    changes_sheet([("a", found)], {}, tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).reshape(-1, 3)
    vermilion = (pixels == (0xD5, 0x5E, 0x00)).all(axis=1).any()
    assert vermilion == (kind == "newly escapes")
