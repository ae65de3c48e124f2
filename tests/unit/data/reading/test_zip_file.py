import io
import os
import shutil
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.encode import encode
from helpers.layouts import photo

from fastdefect.data.reading import zip_file
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTDEFECT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def archive(path: Path, files: Mapping[str, str | int]) -> Path:
    """A zip with these members; a number is a photo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(
                name, encode(photo(content), "PNG") if isinstance(content, int) else content
            )
    return path


CLASSES = {"crack/1.png": 1, "ok/2.png": 2, "__MACOSX/ok/._2.png": "x", ".DS_Store": "x"}


def test_a_zip_is_read_and_nothing_appears_beside_it(tmp_path: Path, cache: Path) -> None:
    path = archive(tmp_path / "data" / "parts.zip", CLASSES)
    listing = list_photos(path)
    assert listing.layout == "classes"
    assert [entry.name for entry in listing.entries] == ["crack/1.png", "ok/2.png"]
    assert len(read_photos(listing, good=("ok",)).photos) == 2
    assert list(path.parent.iterdir()) == [path]
    assert all(entry.path.is_relative_to(cache) for entry in listing.entries)
    assert "(unpacked from parts.zip)" in listing.seen


@pytest.mark.parametrize("top", ["parts/", "a/b/"])
def test_folders_around_the_photos_are_entered(tmp_path: Path, top: str) -> None:
    files = {top: "", **{f"{top}{name}": content for name, content in CLASSES.items()}}
    listing = list_photos(archive(tmp_path / "parts.zip", files))
    assert [entry.name for entry in listing.entries] == ["crack/1.png", "ok/2.png"]


def test_a_class_is_not_a_folder_around_the_photos(tmp_path: Path) -> None:
    files = {"ok/normal_light/1.png": 1, "ok/dim_light/2.png": 2}
    with pytest.raises(DataError, match="one class folder, ok"):
        list_photos(archive(tmp_path / "parts.zip", files))


def test_a_table_in_a_zip(tmp_path: Path) -> None:
    files = {
        "photos.csv": "file,class\nimg/1.png,ok\nimg/2.png,ng\n",
        "img/1.png": 1,
        "img/2.png": 2,
    }
    assert list_photos(archive(tmp_path / "parts.zip", files)).layout == "csv"


def test_it_is_unpacked_once_and_again_where_the_cache_is_gone(tmp_path: Path, cache: Path) -> None:
    path = archive(tmp_path / "parts.zip", CLASSES)
    first = list_photos(path)
    written = first.entries[0].path.stat().st_mtime_ns
    moved = path.rename(tmp_path / "renamed.zip")
    assert list_photos(moved).root == first.root
    assert first.entries[0].path.stat().st_mtime_ns == written
    shutil.rmtree(cache)
    again = list_photos(moved)
    assert [entry.name for entry in again.entries] == [entry.name for entry in first.entries]
    assert all(entry.path.is_file() for entry in again.entries)


def test_another_zip_of_the_same_name(tmp_path: Path) -> None:
    path = archive(tmp_path / "parts.zip", CLASSES)
    first = list_photos(path)
    os.utime(archive(path, {**CLASSES, "ok/3.png": 3}), ns=(1, 1))
    again = list_photos(path)
    assert again.root != first.root
    assert len(again.entries) == 3


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.png", "leads out of the zip"),
        ("ok/../../evil.png", "leads out of the zip"),
        ("/etc/evil.png", "leads out of the zip"),
        ("C:\\evil.png", "leads out of the zip"),
        ("..\\evil.png", "leads out of the zip"),
        ("ok/10:30:00.png", "has a colon"),
        (link("ok/evil.png"), "it is a link"),
    ],
)
def test_names_that_are_not_safe(
    tmp_path: Path, cache: Path, name: str | zipfile.ZipInfo, reason: str
) -> None:
    path = archive(tmp_path / "parts.zip", CLASSES)
    with zipfile.ZipFile(path, "a") as out:
        out.writestr(name, "/etc/passwd")
    with pytest.raises(DataError, match=reason):
        list_photos(path)
    assert not list((cache / "zips").iterdir())
    assert not list(tmp_path.glob("**/evil.png"))


def test_encrypted_members(tmp_path: Path) -> None:
    path = archive(tmp_path / "parts.zip", CLASSES)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")  # the flags of the first member, in its two headers
    data[at + 8] |= 1
    data[6] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="it is encrypted"):
        list_photos(path)


def test_a_bomb(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for n in range(3):
            out.writestr(f"ok/{n}.png", bytes(1 << 20))
    monkeypatch.setattr(zip_file, "_RATIO_FROM", 1 << 20)
    with pytest.raises(DataError, match="unpack to 3145728"):
        list_photos(path)
    assert not list((cache / "zips").iterdir())


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(DataError, match="has 0 bytes free"):
        list_photos(archive(tmp_path / "parts.zip", CLASSES))


@pytest.mark.parametrize("damage", ["cut", "text", "flipped"])
def test_a_damaged_zip_leaves_nothing(tmp_path: Path, cache: Path, damage: str) -> None:
    path = archive(tmp_path / "parts.zip", CLASSES)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        at = data.index(b"crack/1.png") + 60
        data[at : at + 8] = bytes(8)
    path.write_bytes({"cut": data[:200], "text": b"PK but no zip"}.get(damage, data))
    with pytest.raises(DataError, match="not a zip file that can be unpacked"):
        list_photos(path)
    assert not list((cache / "zips").iterdir())


def test_names_in_utf8_that_are_not_marked_as_such(tmp_path: Path) -> None:
    path = archive(tmp_path / "parts.zip", {"riss/1.png": 1, "schön/2.png": 2})
    buffer = io.BytesIO(path.read_bytes())
    data = bytearray(buffer.getvalue())
    for mark, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + place] &= ~0x08 & 0xFF
    path.write_bytes(data)
    assert list_photos(path).classes == ("riss", "schön")


def test_without_a_place_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastdefect.data.reading.zip_file.cache_folder", lambda: None)
    with pytest.raises(UsageError, match="no folder for it"):
        list_photos(archive(tmp_path / "parts.zip", CLASSES))
