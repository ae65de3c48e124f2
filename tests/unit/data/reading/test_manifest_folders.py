"""Photos listed by their folders."""

import os
import sys
import unicodedata
from pathlib import Path

import pytest
from helpers.listings import PHOTO, classes, kinds, lay_out, names

from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.errors import DataError

# ---- class folders -----------------------------------------------------------------------


def test_class_folders(tmp_path: Path) -> None:
    files = {"ok front/b.PNG": 1, "ok front/deep/er/a.jpeg": 2, "défaut/ä.tif": 3}
    listing = list_photos(lay_out(tmp_path, files))
    assert listing.layout == "classes"
    assert listing.root == tmp_path
    assert listing.classes == ("défaut", "ok front")
    assert names(listing) == ["défaut/ä.tif", "ok front/b.PNG", "ok front/deep/er/a.jpeg"]
    assert [e.label for e in listing.entries] == ["défaut", "ok front", "ok front"]
    assert {(e.part, e.split) for e in listing.entries} == {(None, None)}
    assert all(e.path == tmp_path / e.name for e in listing.entries)
    assert listing.findings == ()


def test_a_relative_folder_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path / "data", classes())
    monkeypatch.chdir(tmp_path)
    listing = list_photos(Path("data"))
    assert listing.root == tmp_path / "data"
    assert listing.entries[0].path.is_absolute()


def test_litter_is_passed_over_without_a_word(tmp_path: Path) -> None:
    litter = [
        ".hidden/a.png",
        "__MACOSX/good/._0.png",
        "good/._0.png",
        "good/.DS_Store",
        "good/Thumbs.db",
        "good/.thumbnails/0.png",
        "good/@eaDir/0.png",
        "desktop.ini",
    ]
    listing = list_photos(lay_out(tmp_path, {**classes(1), **dict.fromkeys(litter, PHOTO)}))
    assert names(listing) == ["crack/0.png", "good/0.png"]
    assert listing.findings == ()


def test_other_files_are_counted(tmp_path: Path) -> None:
    others = {"good/notes.txt": "x", "good/a.json": "x", "crack/b.XLS": "x", "readme.md": "x"}
    found = kinds(list_photos(lay_out(tmp_path, {**classes(), **others})))["not_a_photo"]
    assert found.severity == "info"
    assert found.value == 3  # photos beside the class folders have no label
    assert found.paths == ("crack/b.XLS", "good/a.json", "good/notes.txt")
    assert "good/notes.txt" in found.message


def test_empty_class_folders_are_no_classes(tmp_path: Path) -> None:
    lay_out(tmp_path, {**classes(), "burr/readme.txt": "none yet"})
    (tmp_path / "shrinkage").mkdir()
    listing = list_photos(tmp_path)
    assert listing.classes == ("crack", "good")
    found = kinds(listing)["empty_class"]
    assert found.severity == "warning"
    assert found.paths == ("burr", "shrinkage")


def test_loose_photos_beside_class_folders_are_reported(tmp_path: Path) -> None:
    listing = list_photos(lay_out(tmp_path, {**classes(), "loose.jpg": PHOTO}))
    assert len(listing.entries) == 4
    found = kinds(listing)["no_label"]
    assert (found.severity, found.paths) == ("warning", ("loose.jpg",))


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS makes one folder of the two")
def test_composed_and_decomposed_names_are_one_class(tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "fêlé")
    decomposed = unicodedata.normalize("NFD", "fêlé")
    assert composed != decomposed
    files = {f"{composed}/a.png": 1, f"{decomposed}/b.png": 2, "bon/c.png": 3}
    listing = list_photos(lay_out(tmp_path, files))
    assert listing.classes == ("bon", composed)
    assert all(entry.path.is_file() for entry in listing.entries)  # names stay as on disk
    assert [entry.name[-5:] for entry in listing.entries] == ["c.png", "a.png", "b.png"]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    lay_out(tmp_path / "far", {"1.png": 1})
    root = lay_out(tmp_path / "data", classes(1))
    try:
        (root / "burr").symlink_to(tmp_path / "far", target_is_directory=True)
        (root / "good" / "round").symlink_to(root / "good", target_is_directory=True)
        (root / "good" / "broken.png").symlink_to(tmp_path / "gone.png")
    except OSError:
        pytest.skip("no links without special rights here")
    listing = list_photos(root)
    assert names(listing) == ["burr/1.png", "crack/0.png", "good/0.png", "good/broken.png"]
    manifest = read_photos(listing, good=("good",))
    assert kinds(manifest)["unreadable"].paths == ("good/broken.png",)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_names_that_are_no_text_can_be_written_down(tmp_path: Path) -> None:
    lay_out(tmp_path, classes(1))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/good/\xff.png")).write_bytes(PHOTO)
    listing = list_photos(tmp_path)
    assert names(listing)[-1].encode("utf-8") == rb"good/\udcff.png"
    assert len(read_photos(listing, good=("good",)).photos) == 3


# ---- given splits ------------------------------------------------------------------------


@pytest.mark.parametrize("valid", ["valid", "val", "Validation"])
def test_split_folders(tmp_path: Path, valid: str) -> None:
    files = {f"{s}/{name}": f"{s}{name}" for s in ("train", valid, "test") for name in classes(1)}
    listing = list_photos(lay_out(tmp_path, files))
    assert listing.layout == "splits"
    assert listing.classes == ("crack", "good")
    assert {e.name: e.split for e in listing.entries} == {
        f"{s}/{c}/0.png": {"train": "train", "test": "test"}.get(s, "valid")
        for s in ("train", valid, "test")
        for c in ("crack", "good")
    }


def test_train_alone_is_enough_and_other_folders_are_reported(tmp_path: Path) -> None:
    files = {f"train/{name}": 1 for name in classes()}
    lay_out(tmp_path, {**files, "train/loose.png": 1, "ground_truth/crack/0.png": 1})
    listing = list_photos(tmp_path)
    assert {entry.split for entry in listing.entries} == {"train"}
    found = kinds(listing)["left_out"]
    assert (found.severity, found.value, found.paths) == (
        "warning",
        1,
        ("ground_truth/crack/0.png",),
    )
    assert kinds(listing)["no_label"].paths == ("train/loose.png",)


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    listing = list_photos(lay_out(tmp_path, {"test/1.png": 1, "series/2.png": 2}))
    assert (listing.layout, listing.classes) == ("classes", ("series", "test"))


def test_splits_without_train_and_twice_the_same(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected class folders in .*train, but found no such"):
        list_photos(lay_out(tmp_path / "a", {"test/good/1.png": 1, "valid/good/2.png": 2}))
    with pytest.raises(DataError, match="found none beside test, train"):
        list_photos(lay_out(tmp_path / "b", {"test/good/1.png": 1, "train/2.png": 2}))
    with pytest.raises(DataError, match=r"one folder per split .* found val and valid"):
        list_photos(lay_out(tmp_path / "c", {"val/good/1.png": 1, "valid/good/2.png": 2}))


# ---- no layout at all --------------------------------------------------------------------


def test_what_is_no_data_is_reported_with_the_layouts(tmp_path: Path) -> None:
    lay_out(tmp_path, {"lonely.jpg": PHOTO, "notes.txt": "x", "empty/.keep": ""})
    for path, says in [
        ("nowhere", "does not exist"),
        ("lonely.jpg", "is a single photo"),
        ("notes.txt", "is neither"),
        ("empty", "found no class folder"),
    ]:
        with pytest.raises(DataError, match=says) as caught:
            list_photos(tmp_path / path)
        assert path in caught.value.message
        if path != "nowhere":
            assert "path,label,part,split" in caught.value.hint
            assert "train/good/1.jpg" in caught.value.hint


def test_photos_without_folders(tmp_path: Path) -> None:
    lay_out(tmp_path, {f"{i}.jpg": PHOTO for i in range(4)})
    with pytest.raises(DataError, match="4 photos outside the class folders") as caught:
        list_photos(tmp_path)
    assert "Move each photo into a folder" in caught.value.hint


def test_one_class_only(tmp_path: Path) -> None:
    lay_out(tmp_path, {"good/1.png": 1})
    (tmp_path / "crack").mkdir()
    with pytest.raises(DataError) as caught:
        list_photos(tmp_path)
    assert "one class folder, good, with 1 photo" in caught.value.message
    assert "1 folder without photos (crack)" in caught.value.message


def test_one_folder_too_high(tmp_path: Path) -> None:
    # Neither name means good: these may be two folders of one class.
    lay_out(tmp_path / "archive", {"a/1.png": 1, "b/2.png": 2})
    with pytest.raises(DataError) as caught:
        list_photos(tmp_path)
    assert f"Did you mean {tmp_path / 'archive'}? It contains a, b." in caught.value.hint
