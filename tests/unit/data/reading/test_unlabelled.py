"""Photos without labels: every way to name them, streamed, and none twice."""

import io
import os
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from helpers.object_stores import put
from PIL import Image

from fastdefect.data.reading.unlabelled import Sources, fingerprint, printable
from fastdefect.errors import DataError, UsageError


def _photo(path: Path, level: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)
    return path


def _names(*items: object, lines: list[bytes] | None = None) -> list[str]:
    return [each.name for each in Sources.of([str(item) for item in items], lines or [])]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_gives_its_photos_sorted_under_the_name_that_the_user_wrote(here: Path) -> None:
    for name in ("day/b.png", "day/a.png", "day/z/c.png", "day/.hidden.png", "day/notes.txt"):
        (_photo if name.endswith("png") else Path.touch)(here / name)
    sources = Sources.of(["day/"])
    assert [each.name for each in sources] == ["day/a.png", "day/b.png", "day/z/c.png"]
    assert [each.inside for each in sources] == ["a.png", "b.png", "z/c.png"]
    assert sources.total == 3


def test_masks_and_runs_in_a_folder_are_no_photos(here: Path) -> None:
    _photo(here / "day/images/1.png")
    drawn = np.zeros((8, 8), np.uint8)
    drawn[2:4, 2:4] = 255
    (here / "day/masks").mkdir()
    Image.fromarray(drawn).save(here / "day/masks/1.png")
    _photo(here / "day/run/sheet.png")
    for mark in ("run.json", "config.toml"):
        (here / "day/run" / mark).touch()
    assert _names("day") == ["day/images/1.png"]


def test_a_file_named_in_several_ways_is_decided_once(here: Path) -> None:
    _photo(here / "day/a.png")
    assert _names("day/a.png", "./day/a.png", "day", here / "day/a.png", "day/*.png") == [
        "day/a.png"
    ]


def test_files_of_the_same_place_in_two_tables_are_two_photos(here: Path) -> None:
    for day in ("one", "two"):
        _photo(here / day / "0.png")
        (here / day / "list.csv").write_text("path,part\n0.png,p 1\nmissing.png,\n")
    found = list(Sources.of(["one/list.csv", "two/list.csv"]))
    assert [each.name for each in found] == [
        *("one/0.png", "one/missing.png", "two/0.png", "two/missing.png")
    ]
    assert [each.part for each in found] == ["p 1", None] * 2


def test_a_table_is_read_from_the_working_folder_too(here: Path) -> None:
    _photo(here / "photos/0.png")
    (here / "lists").mkdir()
    (here / "lists/day.csv").write_text("path,label\nphotos/0.png,ok\n")
    (each,) = Sources.of(["lists/day.csv"]).labelled(["ok"])
    assert (each.name, each.inside, each.label) == ("photos/0.png", "photos/0.png", "ok")


def test_the_named_folder_itself_may_be_that_of_a_class(here: Path) -> None:
    for name in ("data/ok_front/a.png", "data/ok_front/crack/b.png"):
        _photo(here / name)
    found = Sources.of(["data/ok_front/"]).labelled(["ok_front", "crack"])
    assert [each.label for each in found] == ["ok_front", "crack"]


def test_a_list_with_nul_characters_is_refused(here: Path) -> None:
    with pytest.raises(DataError, match="found a NUL character") as caught:
        _names("-", lines=[b"a.png\0b.png\0"])
    assert caught.value.hint == "Leave out -print0 or -z."


def test_a_zip_gives_its_photos_below_its_name(here: Path) -> None:
    _photo(here / "a.png")
    with ZipFile(here / "day.zip", "w") as archive:
        archive.write("a.png")
    assert _names("day.zip") == ["day.zip/a.png"]


def test_a_list_on_standard_input_has_no_known_length(here: Path) -> None:
    sources = Sources.of(["-"], [b"a.png\n", b"\n", b"b\xff.png\r\n"])
    assert sources.total is None
    assert [(each.name, os.fsencode(each.path)) for each in sources] == [
        ("a.png", b"a.png"),
        ("b\\udcff.png", b"b\xff.png"),
    ]


def test_the_true_label_is_a_folder_that_is_named_after_a_class(here: Path) -> None:
    _photo(here / "day/crack/deep/1.png")
    _photo(here / "day/other/1.png")
    assert [each.label for each in Sources.of(["day"]).labelled(["crack", "ok"])] == ["crack", None]


def test_an_existing_name_with_brackets_is_no_pattern(here: Path) -> None:
    _photo(here / "a[1].png")
    assert _names("a[1].png") == ["a[1].png"]


def test_a_folder_that_cannot_be_listed_is_a_candidate_with_its_problem(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _photo(here / "day/a.png")
    (here / "day/locked").mkdir()
    real = os.scandir

    def scandir(path: Path) -> "os._ScandirIterator[str]":
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [(each.name, each.problem) for each in Sources.of(["day"])] == [
        ("day/a.png", ""),
        ("day/locked", "a folder that can't be listed (Permission denied)"),
    ]
    with pytest.raises(DataError, match="Cannot list the folder"):
        Sources.of(["day/locked"])


@pytest.mark.parametrize(
    ("items", "text"), [(["no.png"], "Expected a photo, folder"), (["x*.png"], "fits the pattern")]
)
def test_what_does_not_exist_is_an_error_before_the_first_photo(
    here: Path, items: list[str], text: str
) -> None:
    with pytest.raises(DataError, match=text):
        Sources.of(items)


def test_a_table_without_paths_is_an_error_that_shows_its_header(here: Path) -> None:
    (here / "t.csv").write_text("colour,size\nred,3\n")
    with pytest.raises(DataError, match="found: colour,size"):
        Sources.of(["t.csv"])
    with pytest.raises(UsageError, match="none are named"):
        Sources.of([])


def test_names_that_are_not_utf_8_become_text(here: Path) -> None:
    (here / "day").mkdir()
    (here / os.fsdecode(b"day/\xff.png")).touch()
    assert _names("day") == _names("day/*.png") == ["day/\\udcff.png"]
    assert printable("a\udcff") == "a\\udcff"
    assert len({fingerprint(name) for name in ("a", "b", "a\udcff")}) == 3


def _bytes(level: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def test_photos_below_a_url_are_those_of_a_folder(here: Path) -> None:
    drawn = io.BytesIO()
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4] = 255
    Image.fromarray(mask).save(drawn, "png")
    files = {name: _bytes() for name in ("ok/2.png", "ok/1.png", "images/7.png", ".h/1.png")}
    put("memory://sources/day", {**files, "masks/7.png": drawn.getvalue(), "notes.txt": b""})
    sources = Sources.of(["memory://sources/day/"]).labelled({"ok"})
    found = {each.name: (each.inside, each.label) for each in sources}
    assert found == {
        "memory://sources/day/images/7.png": ("images/7.png", None),
        "memory://sources/day/ok/1.png": ("ok/1.png", "ok"),
        "memory://sources/day/ok/2.png": ("ok/2.png", "ok"),
    }
    assert sources.total == 3
    one, both = "memory://sources/day/ok/1.png", ["memory://sources/day", "memory://sources/day/ok"]
    assert _names(one) == [one]
    assert len(_names(*both)) == 3
    assert Sources.of([one]).labelled({"ok"}).__iter__().__next__().label == "ok"


def test_a_table_and_a_list_can_name_urls(here: Path) -> None:
    put("memory://listed", {"1.png": _bytes()})
    _photo(here / "2.png")
    (here / "list.csv").write_text("path,part\nmemory://listed/1.png,7\n2.png,8\n")
    found = [(each.name, each.part, str(each.path)) for each in Sources.of(["list.csv"])]
    assert found == [
        ("memory://listed/1.png", "7", "memory://listed/1.png"),
        ("2.png", "8", "2.png"),
    ]
    assert _names("-", lines=[b"memory://listed/1.png\n", b"2.png\n"]) == [
        "memory://listed/1.png",
        "2.png",
    ]
    assert _names((here / "2.png").as_uri()) == [str(here / "2.png")]


def test_zips_and_tables_at_urls_are_refused() -> None:
    for name in ("day.zip", "list.csv"):
        with pytest.raises(DataError, match="zips and tables are only read from a disk"):
            Sources.of([f"memory://sources/{name}"])


def test_a_zip_is_not_for_other_computers(here: Path) -> None:
    with ZipFile("day.zip", "w") as zipped:
        zipped.writestr("1.png", _bytes())
    with pytest.raises(DataError, match="The files of day.zip are unpacked on this computer only"):
        Sources.of(["day.zip"]).check_shared()
