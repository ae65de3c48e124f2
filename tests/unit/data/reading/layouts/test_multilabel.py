from pathlib import Path

import pytest
from helpers.layouts import lay_out

from fastdefect.data.reading.manifest import list_photos
from fastdefect.errors import DataError


def export(root: Path, rows: list[str], header: str = "filename, crack, burr") -> Path:
    for k, side in enumerate(("train", "valid")):
        text = "\n".join([header, *rows])
        files = {f"{side}/{row.partition(',')[0]}": 10 * k + n for n, row in enumerate(rows)}
        lay_out(root, {**files, f"{side}/_classes.csv": text})
    return root


def test_one_kind_on_each_photo(tmp_path: Path) -> None:
    listing = list_photos(export(tmp_path, ["a.png, 1, 0", "b.png, 0, 1", "c.png, 0, 0"]))
    assert listing.layout == "multilabel"
    assert [(e.name, e.split, e.label) for e in listing.entries] == [
        (f"{side}/{name}.png", side, label)
        for side in ("train", "valid")
        for name, label in (("a", "crack"), ("b", "burr"), ("c", "good"))
    ]
    assert listing.findings == ()


def test_several_kinds_make_good_and_defect(tmp_path: Path) -> None:
    rows = ["a.png,1,1,0,0", "b.png,0,1,0,0", "c.png,0,0,1,0", "d.png,0,0,0,1"]
    export(tmp_path, rows, "filename,crack,burr,OK,Unlabeled")
    listing = list_photos(lay_out(tmp_path, {"train/e.png": 99}))
    found = {e.name: (e.label, dict(e.columns).get("defect")) for e in listing.entries}
    assert found["train/a.png"] == ("defect", "burr|crack")
    assert found["train/b.png"] == ("defect", "burr")
    assert found["valid/c.png"] == ("OK", None)
    kinds = {finding.kind: finding for finding in listing.findings}
    assert kinds["no_label"].paths == ("train/d.png", "valid/d.png")
    assert kinds["left_out"].paths == ("train/e.png",)


@pytest.mark.parametrize("row", ["a.png,1", "a.png,1,2", "a,1,0", "a.png,yes,no"])
def test_rows_that_are_not_of_the_export(tmp_path: Path, row: str) -> None:
    lay_out(tmp_path, {"a.png": 1, "_classes.csv": f"filename,crack,burr\n{row}\n"})
    with pytest.raises(DataError, match=r"_classes\.csv, line 2: expected the name of a photo"):
        list_photos(tmp_path)


def test_a_photo_in_two_rows_is_one_entry(tmp_path: Path) -> None:
    rows = ["a.png,1,1,1", "./a.png,1,1,1", "b.png,0,0,0"]
    listing = list_photos(export(tmp_path, rows, "filename,crack,burr,crack"))
    assert [(e.name, e.label, e.columns) for e in listing.entries if e.split == "train"] == [
        ("train/a.png", "defect", (("defect", "burr|crack"),)),
        ("train/b.png", "good", ()),
    ]
    assert listing.findings == ()


def test_the_rows_of_a_photo_with_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"_classes\.csv, line 4: expected train/a\.png") as caught:
        list_photos(export(tmp_path, ["a.png,1,0", "b.png,0,1", "a.png,0,1"]))
    assert f"{tmp_path / 'train' / '_classes.csv'}, line 2" in caught.value.message


def test_a_photo_in_the_tables_of_two_sides_is_refused(tmp_path: Path) -> None:
    export(tmp_path, ["a.png,1,0", "b.png,0,0"])
    lay_out(tmp_path, {"valid/_classes.csv": "filename,crack,burr\n../train/a.png,1,0\n"})
    with pytest.raises(DataError, match="the side that it has in"):
        list_photos(tmp_path)
