"""Files at URLs: a photo can be damaged, and a store can be away; these are not the same."""

from pathlib import Path

import pytest
from helpers.examples import examples
from helpers.object_stores import BrokenStore, put
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.reading import object_store
from fastdefect.data.reading.images import UnreadablePhoto, read_bytes
from fastdefect.data.reading.layouts.tree import photos_among, walk
from fastdefect.data.reading.object_store import (
    ObjectFile,
    is_empty,
    is_url,
    list_objects,
    read_object,
    write_object,
)
from fastdefect.errors import DataError, ObjectStoreError, UsageError


@pytest.fixture(autouse=True)
def broken(monkeypatch: pytest.MonkeyPatch) -> type[BrokenStore]:
    """A store with one photo, which works until a test adds errors."""
    monkeypatch.setattr(object_store, "_PAUSE", 0)
    for name in ("store", "pseudo_dirs", "errors", "listing_errors"):
        monkeypatch.setattr(BrokenStore, name, {} if name == "store" else [])
    put("broken://day", {"1.png": b"photo"})
    return BrokenStore


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((each, True) for each in ("s3://b/day", "gs://b", "az://c/a.png", "memory://day")),
        *((each, False) for each in ("day", "C://day", "/s3/a.png", "s3:/b", "a s3://b", "-")),
    ],
)
def test_a_url_begins_with_a_protocol(text: str, expected: bool) -> None:
    assert is_url(text) is expected


def test_files_are_listed_below_a_url_and_read_by_the_reader_of_photos() -> None:
    put("memory://list/day", {"a.png": b"a", "z/b.png": b"b"})
    assert list_objects("memory://list/day") == ["a.png", "z/b.png"]
    assert list_objects("memory://list/day/") == ["a.png", "z/b.png"]
    assert list_objects("memory://list/day/a.png") == [""]
    assert read_bytes(ObjectFile("memory://list/day/z/b.png")) == b"b"
    with pytest.raises(DataError, match="Expected photos at memory://list/night, but there are no"):
        list_objects("memory://list/night")


def test_a_written_file_is_read_again() -> None:
    assert is_empty("memory://out")
    assert read_object("memory://out/manifest.json") is None
    write_object("memory://out/manifest.json", b"{}")
    write_object("memory://out/manifest.json", b"{1}")
    assert read_object("memory://out/manifest.json") == b"{1}"
    assert not is_empty("memory://out")


def test_a_store_without_whole_writes_gets_the_name_at_the_end() -> None:
    write_object("broken://out/photos/part-00000.parquet", b"rows")
    assert list_objects("broken://out") == ["photos/part-00000.parquet"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError("1.png"), "no such file"),
        (IsADirectoryError("1.png"), "a folder, not a file"),
        (PermissionError("AccessDenied"), "no permission to read it"),
    ],
)
def test_what_is_wrong_with_one_file_is_its_reason(
    broken: type[BrokenStore], error: Exception, reason: str
) -> None:
    broken.errors.append(error)
    with pytest.raises(UnreadablePhoto, match=f"broken://day/1.png: {reason}"):
        read_bytes(ObjectFile("broken://day/1.png"))


def test_a_lost_connection_is_tried_again(broken: type[BrokenStore]) -> None:
    broken.errors += [ConnectionResetError("reset"), TimeoutError("slow")]
    assert read_bytes(ObjectFile("broken://day/1.png")) == b"photo"


def test_a_store_that_is_away_is_no_damaged_photo(broken: type[BrokenStore]) -> None:
    broken.errors += [ConnectionResetError("reset by peer")] * 3
    with pytest.raises(ObjectStoreError, match=r"1.png can't be reached: reset by peer\.") as found:
        read_bytes(ObjectFile("broken://day/1.png"))
    assert "then run it again" in found.value.hint


def test_used_up_memory_is_not_the_fault_of_the_store(broken: type[BrokenStore]) -> None:
    broken.errors.append(MemoryError())
    with pytest.raises(MemoryError):
        read_bytes(ObjectFile("broken://day/1.png"))


def test_credentials_that_expire_are_no_damaged_photo(broken: type[BrokenStore]) -> None:
    broken.errors.append(PermissionError("the token has expired"))
    broken.listing_errors.append(PermissionError("the token has expired"))
    with pytest.raises(ObjectStoreError, match="broken://day: the store refuses access"):
        read_bytes(ObjectFile("broken://day/1.png"))


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("nowhere://day", "Protocol not known: nowhere", "Use s3://"),
        ("gs://bucket/day", "gs:// needs a library", r'pip install "fastdefect[gs]"'),
        ("az://bucket/day", "az:// needs a library", r'pip install "fastdefect[az]"'),
    ],
)
def test_a_missing_library_is_named(
    url: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("gcsfs", "adlfs"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(UsageError) as found:
        list_objects(url)
    assert message in found.value.message
    assert hint in found.value.hint


_NAMES = ["a", "a-b", "a.png", "b", "B.PNG", "run.json", "config.toml", ".h", "x.txt"]
_STEPS = st.sampled_from(_NAMES)
_PATHS = st.lists(st.lists(_STEPS, min_size=1, max_size=3).map("/".join), max_size=8)


@given(_PATHS)
@examples(60)
def test_photos_are_chosen_and_sorted_as_on_a_disk(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str]
) -> None:
    folder, names = tmp_path_factory.mktemp("tree"), []
    for name in paths:
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        except OSError:  # a file in the place of a folder
            continue
        if (folder / name).is_file():
            names.append(name)
    expected = list(walk(folder).photos)
    assert photos_among(reversed(dict.fromkeys(names))) == expected


def test_a_place_is_shown_by_its_url() -> None:
    assert str(ObjectFile("s3://b/1.png")) == "s3://b/1.png"
    assert Path("1.png") != ObjectFile("1.png")
