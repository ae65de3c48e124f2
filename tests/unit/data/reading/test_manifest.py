import hashlib
import os
import sys
import time
import unicodedata
import weakref
from pathlib import Path

import numpy as np
import pytest
from helpers.encode import encode, oriented, picture

from fastdefect.data.photos import Listing
from fastdefect.data.reading.images import Reading
from fastdefect.data.reading.manifest import Manifest, list_photos, read_photos
from fastdefect.errors import DataError, UsageError

PHOTO = encode(picture(12, 16), "PNG")


def lay_out(root: Path, files: dict[str, bytes | str | int]) -> Path:
    """Write files by their names; a number makes that photo different from others."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            path.write_bytes(encode(picture(12, 16, seed=content), "PNG"))
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def classes(n: int = 2) -> dict[str, bytes | str | int]:
    """``n`` different photos of each of two classes."""
    return {f"{c}/{i}.png": 100 * k + i for k, c in enumerate(("crack", "good")) for i in range(n)}


def names(listing: Listing) -> list[str]:
    return [entry.name for entry in listing.entries]


def kinds(found: Listing | Manifest) -> dict[str, object]:
    return {finding.kind: finding for finding in found.findings}


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


# ---- a CSV -------------------------------------------------------------------------------


def table(tmp_path: Path, text: str | bytes, name: str = "photos.csv") -> Path:
    lay_out(tmp_path, {"img/a.png": 1, "img/b.png": 2, name: text})
    return tmp_path


PLAIN = "path,label,part,split\nimg/a.png,good,7,train\nimg/b.png,crack,,\n"


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


# ---- parts from names --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        (r"p\d+", ["p1", "p1", "p2"]),
        (r"p(\d+)_v(\d)", ["1", "1", "2"]),
        (r"(x)?p(?P<part>\d+)", ["1", "1", "2"]),
        (r"^\w+/p\d+", ["crack/p1", "good/p1", "good/p2"]),
    ],
)
def test_parts_from_names(tmp_path: Path, pattern: str, parts: list[str]) -> None:
    lay_out(tmp_path, {"good/p1_v1.png": 1, "good/p2_v1.png": 2, "crack/p1_v2.png": 3})
    listing = list_photos(tmp_path, part_from=pattern)
    assert [entry.part for entry in listing.entries] == parts
    assert listing.findings == ()


def test_names_without_a_part_are_parts_of_their_own(tmp_path: Path) -> None:
    lay_out(tmp_path, {"good/p1.png": 1, "good/other.png": 2, "crack/p1.png": 3})
    listing = list_photos(tmp_path, part_from=r"p(\d)|other()")
    assert [entry.part for entry in listing.entries] == ["1", None, "1"]
    found = kinds(listing)["no_part"]
    assert (found.severity, found.value, found.paths) == ("info", 1, ("good/other.png",))


def test_part_from_overrides_the_csv(tmp_path: Path) -> None:
    listing = list_photos(table(tmp_path, PLAIN), part_from=r"img/(\w)")
    assert [entry.part for entry in listing.entries] == ["a", "b"]


def test_bad_patterns(tmp_path: Path) -> None:
    lay_out(tmp_path, classes())
    with pytest.raises(UsageError, match=r"not valid: .*position 0"):
        list_photos(tmp_path, part_from="(unclosed")
    with pytest.raises(DataError, match=r"matches none of 4, such as crack/0\.png"):
        list_photos(tmp_path, part_from="part_")


# ---- reading -----------------------------------------------------------------------------


def test_each_photo_is_read_once(tmp_path: Path) -> None:
    files = {**classes(3), "good/turned.jpg": oriented(picture(12, 16), "JPEG", 6)}
    listing = list_photos(lay_out(tmp_path, {**files, "good/bad.jpg": b"text"}))
    seen, progress = {}, []
    manifest = read_photos(
        listing,
        good=("good",),
        on_photo=seen.__setitem__,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert isinstance(manifest, Manifest)
    assert [p.name for p in manifest.photos] == [n for n in names(listing) if "bad" not in n]
    for photo in manifest.photos:
        entry = listing.entries[photo.row]
        assert (photo.name, photo.path, photo.label) == (entry.name, entry.path, entry.label)
        assert photo.sha256 == hashlib.sha256(entry.path.read_bytes()).hexdigest()
        assert seen[photo.row].shape == (photo.height, photo.width, 3)
    turned = manifest.photos[-1]
    assert (turned.name, turned.width, turned.height) == ("good/turned.jpg", 12, 16)
    assert sorted(seen) == [photo.row for photo in manifest.photos]
    assert progress == [(i, 8) for i in range(1, 9)]


def test_handy_properties(tmp_path: Path) -> None:
    manifest = read_photos(list_photos(lay_out(tmp_path, classes(3))), good=("good",))
    assert manifest.labels.dtype == np.int64
    assert manifest.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert manifest.good_indices == (1,)
    assert manifest.counts == {"crack": 3, "good": 3}
    assert read_photos(list_photos(tmp_path), good=()).good_indices == ()


def test_the_result_does_not_depend_on_threads(tmp_path: Path) -> None:
    listing = list_photos(lay_out(tmp_path, {**classes(12), "good/bad.png": b""}))

    def dawdle(row: int, _image: np.ndarray) -> None:
        time.sleep(0.002 * (row % 3))

    one = read_photos(listing, good=("good",), how=Reading(threads=1))
    assert read_photos(listing, good=("good",), how=Reading(threads=5), on_photo=dawdle) == one


def test_memory_does_not_grow_with_the_photos(tmp_path: Path) -> None:
    """No more pictures are alive at once than threads work on them."""
    listing = list_photos(lay_out(tmp_path, classes(20)))
    pictures: list[weakref.ref] = []
    alive: list[int] = []

    def watch(_row: int, image: np.ndarray) -> None:
        pictures.append(weakref.ref(image))
        alive.append(sum(picture() is not None for picture in pictures))

    read_photos(listing, good=("good",), how=Reading(threads=2), on_photo=watch)
    assert len(alive) == 40
    assert max(alive) <= 3


def test_a_mistake_in_the_callback_is_not_hidden(tmp_path: Path) -> None:
    listing = list_photos(lay_out(tmp_path, classes(20)))

    def broken(row: int, _image: np.ndarray) -> None:
        raise ZeroDivisionError(row)

    with pytest.raises(ZeroDivisionError):
        read_photos(listing, good=("good",), on_photo=broken)


def test_an_interrupt_does_not_wait_for_all_the_rest(tmp_path: Path) -> None:
    listing = list_photos(lay_out(tmp_path, classes(20)))
    read = []

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_photos(
            listing,
            good=("good",),
            how=Reading(threads=1),
            on_photo=lambda row, _: (read.append(row), time.sleep(0.01)),
            on_progress=interrupt,
        )
    assert len(read) < 10


BROKEN = {
    "good/cut.png": PHOTO[: len(PHOTO) // 2],
    "good/empty.jpg": b"",
    "crack/empty.bmp": b"",
    "crack/page.jpg": "<html>",
}


def test_unreadable_photos_are_counted_and_left_out(tmp_path: Path) -> None:
    manifest = read_photos(list_photos(lay_out(tmp_path, {**classes(), **BROKEN})), good=("good",))
    assert len(manifest.photos) == 4
    found = kinds(manifest)["unreadable"]
    assert (found.severity, found.value) == ("warning", 4)
    assert set(found.paths) == set(BROKEN)
    assert "4 of 8 photos" in found.message
    assert "2 empty file, 1 not an image, 1 truncated PNG" in found.message
    assert "crack/empty.bmp (empty file)" in found.message


def test_strict_makes_them_fatal(tmp_path: Path) -> None:
    more = {f"good/bad{i}.jpg": b"" for i in range(3)}
    lay_out(tmp_path, {**classes(), **BROKEN, **more})
    with pytest.raises(DataError) as caught:
        read_photos(list_photos(tmp_path), good=("good",), strict=True)
    assert "7 of 11 photos cannot be read" in caught.value.message
    assert "crack/page.jpg: not an image" in caught.value.message
    assert "and 2 more" in caught.value.message
    assert read_photos(list_photos(lay_out(tmp_path / "x", classes())), good=(), strict=True)


def test_a_class_without_a_readable_photo(tmp_path: Path) -> None:
    lay_out(tmp_path, {**classes(), "burr/1.png": b"", "burr/2.png": b"text"})
    with pytest.raises(DataError) as caught:
        read_photos(list_photos(tmp_path), good=("good",))
    assert "None of the 2 photos of class burr" in caught.value.message
    assert "1 empty file, 1 not an image" in caught.value.message


# ---- findings ----------------------------------------------------------------------------


def test_a_sound_folder_has_no_findings(tmp_path: Path) -> None:
    assert read_photos(list_photos(lay_out(tmp_path, classes(3))), good=("good",)).findings == ()


def test_duplicates_and_conflicting_labels(tmp_path: Path) -> None:
    copies = {"good/x.png": 900, "good/y.png": 900, "good/z.png": 901, "crack/z.png": 901}
    manifest = read_photos(list_photos(lay_out(tmp_path, {**classes(), **copies})), good=("good",))
    found = kinds(manifest)
    assert found["duplicate"].value == 4
    assert set(found["duplicate"].paths) == set(copies)
    assert "4 files contain only 2 different photos" in found["duplicate"].message
    conflict = found["label_conflict"]
    assert (conflict.severity, conflict.value) == ("error", 1)
    assert set(conflict.paths) == {"good/z.png", "crack/z.png"}
    assert "crack/z.png (crack) = good/z.png (good)" in conflict.message


def test_a_given_split_without_a_class(tmp_path: Path) -> None:
    lay_out(tmp_path, {f"train/{name}": i for i, name in enumerate(classes())})
    lay_out(tmp_path, {"test/good/9.png": 9})
    found = kinds(read_photos(list_photos(tmp_path), good=("good",)))["absent_class"]
    assert found.severity == "warning"
    assert "test photos do not contain crack" in found.message


def test_imbalance(tmp_path: Path) -> None:
    files = {f"good/{i}.png": i for i in range(7)}
    manifest = read_photos(
        list_photos(lay_out(tmp_path, {**files, "bad/1.png": 50, "bad/2.png": 51})), good=("good",)
    )
    found = kinds(manifest)["imbalance"]
    assert (found.severity, found.value) == ("warning", 3.5)
    lay_out(tmp_path, {"bad/3.png": 52})  # 7 to 3
    assert read_photos(list_photos(tmp_path), good=("good",)).findings == ()
