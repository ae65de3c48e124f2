"""Photos listed by a CSV."""

import unicodedata
from pathlib import Path

import pytest
from helpers.listings import PLAIN, classes, kinds, lay_out, names, table

from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.errors import DataError


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        ("\ufeff" + PLAIN).encode("utf-16-le"),
        PLAIN.replace("path,label,part,split", "Path, LABEL ,Part,Split"),
        PLAIN.replace("img/", "img\\"),
        PLAIN.replace("img/", "./img/../img/"),
        PLAIN.replace("good", ' "good"').replace(' "', '"') + "\n\n,,,\n",
        'id,split,path,label,part\n1,TRAIN,img/a.png,good,7\n2,,"img/b.png",crack\n',
    ],
)
@pytest.mark.parametrize("name_it", [True, False])
def test_a_csv_as_people_write_it(tmp_path: Path, text: str | bytes, name_it: bool) -> None:
    table(tmp_path, text)
    listing = list_photos(tmp_path / "photos.csv" if name_it else tmp_path)
    assert (listing.layout, listing.root) == ("csv", tmp_path)
    assert listing.classes == ("crack", "good")
    assert [(e.name, e.label, e.part, e.split) for e in listing.entries] == [
        ("img/a.png", "good", "7", "train"),
        ("img/b.png", "crack", None, None),
    ]
    assert all(entry.path.is_file() for entry in listing.entries)
    assert listing.findings == ()


@pytest.mark.parametrize(
    ("word", "split"),
    [("train", "train"), ("valid", "valid"), ("val", "valid"), ("Validation", "valid"), ("", None)],
)
def test_words_for_splits(tmp_path: Path, word: str, split: str | None) -> None:
    table(tmp_path, f"path,label,split\nimg/a.png,good,{word}\nimg/b.png,crack,test\n")
    assert [entry.split for entry in list_photos(tmp_path).entries] == [split, "test"]


def test_labels_of_a_csv_are_composed(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "fêlé")
    table(tmp_path, f"path,label\nimg/a.png,{decomposed}\nimg/b.png, bon \n")
    assert list_photos(tmp_path).classes == ("bon", "fêlé")


def test_a_csv_of_excel_on_windows(tmp_path: Path) -> None:
    table(tmp_path, "path;label\nimg/a.png;gut\nimg/b.png;beschädigt\n".encode("cp1252"))
    listing = list_photos(tmp_path)
    assert listing.classes == ("beschädigt", "gut")
    assert "cp1252" in kinds(listing)["encoding"].message


def test_paths_out_of_the_folder_and_absolute(tmp_path: Path) -> None:
    inside = tmp_path / "in" / "b.png"
    text = f"path,label\n../img/a.png,good\n{inside},crack\n{tmp_path / 'far.png'},crack\n"
    listing = list_photos(lay_out(tmp_path, {"img/a.png": 1, "in/photos.csv": text}) / "in")
    assert names(listing) == sorted(["../img/a.png", "b.png", (tmp_path / "far.png").as_posix()])
    assert {e.path for e in listing.entries} == {
        tmp_path / "img" / "a.png",
        inside,
        tmp_path / "far.png",
    }


def test_missing_files_are_unreadable_not_fatal(tmp_path: Path) -> None:
    table(tmp_path, PLAIN + "img/none.png,good,,\nimg,crack,,\n")
    manifest = read_photos(list_photos(tmp_path), good=("good",))
    found = kinds(manifest)["unreadable"]
    assert found.paths == ("img", "img/none.png")
    assert "1 no such file" in found.message
    assert "1 a folder, not a file" in found.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,label\nimg/a.png,good\nimg/b.png,\n", "line 3: expected a label"),
        ("path,label\nimg/a.png,good\n,crack\n", "line 3: expected a path"),
        ("path,label\nimg/a.png\n", "line 2: expected a label"),
        ("path,label,split\nimg/a.png,good,tran\n", "an empty cell, but found 'tran'"),
        ("path,label\nimg/a.png,good\nimg/b.png,x\n./img\\a.png,good\n", "twice: lines 2 and 4"),
        (
            "path,label\nimg/a.png,good\nimg/a.png,crack\n",
            "twice with different labels, 'good' and 'crack': lines 2 and 3",
        ),
        ("path,label\nimg/a,b.png,good\n", "line 2: expected at most 2 cells, but found 3"),
        ('path,label\n"img/a.png,good\n', "expected CSV, but it cannot be parsed"),
        ("path,label\nimg/a.png,good\n", "found one label, good, with 1 photo"),
        ("path,label\n", "found no label"),
    ],
)
def test_mistakes_in_a_csv_are_found_with_their_line(tmp_path: Path, text: str, says: str) -> None:
    table(tmp_path, text)
    with pytest.raises(DataError) as caught:
        list_photos(tmp_path)
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "name,value\na.png,good\n", "path,worker\n", "label\n"])
def test_a_csv_that_lists_no_photos(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="Expected the columns path and label"):
        list_photos(table(tmp_path, text) / "photos.csv")


def test_which_csv(tmp_path: Path) -> None:
    lay_out(tmp_path, {**classes(), "log.csv": "time,value\n1,2\n", ".hidden.csv": PLAIN})
    assert list_photos(tmp_path).layout == "classes"
    table(tmp_path, PLAIN)
    assert list_photos(tmp_path).layout == "csv"
    table(tmp_path, PLAIN, "other.CSV")
    with pytest.raises(DataError, match=r"2 files have .*: other\.CSV, photos\.csv"):
        list_photos(tmp_path)
