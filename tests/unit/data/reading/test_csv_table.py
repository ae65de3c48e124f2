import sys
from pathlib import Path

import pytest
from helpers.layouts import lay_out

from fastdefect.data.photos import Box, Listing
from fastdefect.data.reading.manifest import list_photos
from fastdefect.errors import DataError, UsageError

PHOTOS = {"img/a.png": 1, "img/b.png": 2}


def table(root: Path, text: str, name: str = "photos.csv") -> Path:
    lay_out(root, {**PHOTOS, name: text})
    return root / name


def found(listing: Listing) -> list[tuple[str, str, str | None]]:
    return [(entry.name, entry.label, entry.split) for entry in listing.entries]


AS_USUAL = [("img/a.png", "good", "train"), ("img/b.png", "crack", "test")]


@pytest.mark.parametrize("path", ["path", "file", "filename", "File Name", "image", "image-path"])
@pytest.mark.parametrize("label", ["label", "class", "Target", "category"])
@pytest.mark.parametrize("split", ["split", "set", "Subset"])
def test_usual_names_of_columns(tmp_path: Path, path: str, label: str, split: str) -> None:
    text = f"{split},{path},{label}\nTraining,img/a.png,good\ntesting,img/b.png,crack\n"
    listing = list_photos(table(tmp_path, text))
    assert found(listing) == AS_USUAL
    assert all(entry.columns == () for entry in listing.entries)
    assert listing.findings == ()


def test_the_plain_names_are_preferred_and_the_others_kept(tmp_path: Path) -> None:
    text = "path,file,label,class\nimg/a.png,x,good,7\nimg/b.png,y,crack,8\n"
    first = list_photos(table(tmp_path, text)).entries[0]
    assert (first.label, first.columns) == ("good", (("file", "x"), ("class", "7")))


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("file,image,label", "one column for the path .* found file, image"),
        ("path,class,target", "one column for the label .* found class, target"),
        ("path,path,label", "found path, path"),
    ],
)
def test_ambiguous_columns_are_refused_with_their_names(
    tmp_path: Path, header: str, says: str
) -> None:
    path = table(tmp_path, f"{header}\nimg/a.png,x,y\n")
    for data in (path, tmp_path):
        with pytest.raises(DataError, match=says):
            list_photos(data)


def test_rare_names_count_where_there_are_no_others(tmp_path: Path) -> None:
    text = "ImageId,class_name,class_id\nimg/a.png,good,0\nimg/b.png,crack,1\n"
    assert list_photos(table(tmp_path, text)).classes == ("crack", "good")
    text = "image_id,file_name,class,class_id\n7,img/a.png,good,0\n8,img/b.png,crack,1\n"
    assert list_photos(table(tmp_path, text)).classes == ("crack", "good")


def test_a_set_that_is_no_side_is_a_column(tmp_path: Path) -> None:
    text = "path,label,set\nimg/a.png,good,A\nimg/b.png,crack,B\n"
    first = list_photos(table(tmp_path, text)).entries[0]
    assert (first.split, first.columns) == (None, (("set", "A"),))


def test_rows_of_the_split_unused(tmp_path: Path) -> None:
    lay_out(tmp_path, {"img/c.png": 3})
    text = "path,label,split\nimg/a.png,good,train\nimg/b.png,crack,test\nimg/c.png,crack,unused\n"
    listing = list_photos(table(tmp_path, text))
    assert found(listing) == AS_USUAL
    (finding,) = listing.findings
    assert (finding.severity, finding.paths) == ("warning", ("img/c.png",))
    assert "of the split 'unused'" in finding.message
    again = list_photos(tmp_path / "photos.csv", resplit=True)
    assert {(entry.split) for entry in again.entries} == {None}
    assert len(again.entries) == 3


# ---- paths -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "way"),
    [
        ("img/{}.png", ""),
        ("img/{}", ""),
        ("C:\\photos\\img\\{}.png", "by name below its folder"),
        ("\\\\server\\share\\img\\{}.PNG", "by name below its folder"),
        ("/elsewhere/img/{}", "by name below its folder"),
        ("{}.png", "by name below its folder"),
    ],
)
def test_paths_as_they_are_written(tmp_path: Path, row: str, way: str) -> None:
    text = f"path,label,split\n{row.format('a')},good,train\n{row.format('b')},crack,test\n"
    listing = list_photos(table(tmp_path, text))
    assert found(listing) == AS_USUAL
    assert all(entry.path.is_file() for entry in listing.entries)
    assert listing.seen.endswith(f", found {way}." if way else "path, label, split.")


def test_paths_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "path,label,split\nimg/a.png,good,train\nimg/b.png,crack,test\n"
    listing = list_photos(table(tmp_path, text, "lists/photos.csv"))
    assert [entry.path for entry in listing.entries] == [tmp_path / name for name in PHOTOS]
    assert "found from the working folder" in listing.seen


def test_the_longest_end_of_a_path_decides(tmp_path: Path) -> None:
    lay_out(tmp_path, {"cam1/ok/a.png": 3, "cam2/ok/a.png": 4})
    text = (
        "path,label\nD:\\x\\cam2\\ok\\a.png,good\nD:\\x\\img\\b.png,crack\nD:\\y\\ok\\a.png,good\n"
    )
    listing = list_photos(table(tmp_path, text))
    assert {e.name for e in listing.entries} >= {"cam2/ok/a.png", "img/b.png"}
    missing = [entry for entry in listing.entries if not entry.path.is_file()]
    assert [entry.name for entry in missing] == ["D:/y/ok/a.png"]  # one of two: not guessed


def test_one_way_for_all_rows(tmp_path: Path) -> None:
    """A photo that has moved to another class is missing, and not found by its name there."""
    lay_out(tmp_path, {"crack/1.png": 5})
    text = "path,label\nimg/a.png,good\nimg/b.png,crack\ngood/1.png,good\n"
    listing = list_photos(table(tmp_path, text))
    assert [e.name for e in listing.entries if not e.path.is_file()] == ["good/1.png"]


def test_the_ways_that_were_tried_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = table(tmp_path, "path,label\nx/1.jpg,good\nx/2.jpg,crack\n", "in/photos.csv")
    with pytest.raises(DataError, match="None of the 2 photos listed") as caught:
        list_photos(path)
    for tried in (tmp_path / "in/x/1.jpg", tmp_path / "x/1.jpg", "a photo named 1.jpg"):
        assert str(tried) in caught.value.message


def test_a_suffix_that_two_photos_have_is_not_guessed(tmp_path: Path) -> None:
    lay_out(tmp_path, {"img/a.jpg": 3})
    listing = list_photos(table(tmp_path, "path,label\nimg/a,good\nimg/b,crack\n"))
    assert [e.name for e in listing.entries if not e.path.is_file()] == ["img/a"]


# ---- what is beside the table ------------------------------------------------------------


def test_photos_that_the_table_does_not_list(tmp_path: Path) -> None:
    lay_out(tmp_path, {"img/c.png": 3, "img/a_mask.png!": None, "new/d.png": 4})
    listing = list_photos(table(tmp_path, "path,label\nimg/a.png,good\nimg/b.png,crack\n"))
    (finding,) = listing.findings
    assert (finding.kind, finding.severity, finding.value) == ("left_out", "warning", 2)
    assert finding.paths == ("img/c.png", "new/d.png")
    assert "below the folder of photos.csv, but not listed in it" in finding.message
    assert listing.entries[0].mask == tmp_path / "img/a_mask.png"


def test_class_folders_beside_the_table(tmp_path: Path) -> None:
    lay_out(tmp_path, {"ok/1.png": 1, "ok/2.png": 2, "ng/3.png": 3})
    lay_out(tmp_path, {"split.csv": "path,label\nok/1.png,good\nng/3.png,crack\n"})
    listing = list_photos(tmp_path)
    assert listing.layout == "csv"
    assert (
        "split.csv, with path, label: crack 1, good 1. The class folders beside it are not used; "
        "they would give ng 1, ok 2." in listing.seen
    )


def test_a_table_of_other_photos_gives_way_to_folders(tmp_path: Path) -> None:
    lay_out(tmp_path, {"ok/1.png": 1, "ng/3.png": 3, "log.csv": "image,class\n9.png,a\n8.png,b\n"})
    listing = list_photos(tmp_path)
    assert listing.layout == "classes"
    assert "log.csv is not used" in listing.seen


def test_a_plain_table_is_preferred_to_others(tmp_path: Path) -> None:
    table(tmp_path, "path,label\nimg/a.png,good\nimg/b.png,crack\n")
    lay_out(tmp_path, {"predictions.csv": "file,class\nimg/a.png,x\n"})
    assert list_photos(tmp_path).classes == ("crack", "good")


# ---- boxes and masks ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "values"), [("x,y,w,h", "1,2,3,4"), ("xmin,ymin,xmax,ymax", "1,2,4,6")]
)
def test_boxes_and_masks_in_columns(tmp_path: Path, columns: str, values: str) -> None:
    text = f"path,label,{columns},mask\nimg/a.png,good,,,,,\nimg/b.png,crack,{values},m\\b.bmp\n"
    lay_out(tmp_path, {"m/b.bmp!": None})
    good, crack = list_photos(table(tmp_path, text)).entries
    assert (good.boxes, good.mask) == ((), None)
    assert crack.boxes == (Box(1, 2, 3, 4, "crack"),)
    assert crack.mask == tmp_path / "m/b.bmp"
    assert dict(crack.columns)["mask"] == "m\\b.bmp"


def test_a_row_for_each_box(tmp_path: Path) -> None:
    rows = ["img/a.png,crack,1,2,3,4", "img/a.png,crack,5,6,7,8", "img/b.png,burr,1,1,2,2"]
    text = "\n".join(["filename,class,x,y,w,h", *rows])
    listing = list_photos(table(tmp_path, text))
    assert [(e.label, len(e.boxes)) for e in listing.entries] == [("crack", 2), ("burr", 1)]
    lay_out(tmp_path, {"img/c.png": 3})
    rows += ["img/a.png,burr,9,9,1,1", "img/c.png,OK,,,,"]
    listing = list_photos(table(tmp_path, "\n".join(["filename,class,x,y,w,h", *rows])))
    assert [(e.label, dict(e.columns).get("defect")) for e in listing.entries] == [
        ("defect", "burr|crack"),
        ("defect", "burr"),
        ("OK", None),
    ]


def test_columns_that_are_no_boxes(tmp_path: Path) -> None:
    text = "path,label,x,y,w,h\nimg/a.png,good,left,2,3,4\nimg/b.png,crack,1,2,0,4\n"
    assert all(entry.boxes == () for entry in list_photos(table(tmp_path, text)).entries)


# ---- parquet -----------------------------------------------------------------------------


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    frame = pd.DataFrame({"File": ["img/a.png", "img/b.png"], "class": ["good", "crack"]})
    frame["lot"] = [None, 7]
    frame["set"] = ["train", "test"]
    monkeypatch.setattr(pd, "read_parquet", lambda path: frame)
    listing = list_photos(table(tmp_path, "binary", "photos.parquet"))
    assert found(listing) == AS_USUAL
    assert [entry.columns for entry in listing.entries] == [(), (("lot", "7.0"),)]


def test_parquet_without_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "fastparquet", None)
    with pytest.raises(UsageError, match="needs a parquet engine") as caught:
        list_photos(table(tmp_path, "binary", "photos.parquet"))
    assert "fastdefect[parquet]" in caught.value.hint


def test_parquet_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="Expected a parquet file"):
        list_photos(table(tmp_path, "binary", "photos.parquet"))


@pytest.mark.parametrize("column", ["split", "part"])
def test_rows_of_one_photo_that_contradict_each_other(column: str, tmp_path: Path) -> None:
    lay_out(tmp_path, {"a.png": 1, "b.png": 2})
    table = tmp_path / "photos.csv"
    rows = ["a.png,crack,train,1,1,4,4", "a.png,burr,test,8,8,4,4", "b.png,ok,train,,,,"]
    table.write_text("\n".join([f"path,label,{column},x,y,w,h", *rows]))
    with pytest.raises(DataError, match="in two splits or as two parts: lines 2 and 3"):
        list_photos(table)
