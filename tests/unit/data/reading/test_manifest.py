import hashlib
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from helpers.encode import oriented, picture
from helpers.listings import PHOTO, PLAIN, classes, kinds, lay_out, names, table

from fastdefect.data.reading.images import Reading
from fastdefect.data.reading.manifest import Manifest, list_photos, read_photos
from fastdefect.errors import DataError, UsageError

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


def test_views_from_names_are_a_column_that_overrides_the_csv(tmp_path: Path) -> None:
    lay_out(tmp_path, {"good/p1_cam1.png": 1, "good/p1_camB.png": 2, "crack/p2.png": 3})
    listing = list_photos(tmp_path, view_from=r"cam(\w)")
    views = [dict(entry.columns).get("view") for entry in listing.entries]
    assert views == [None, "1", "B"]
    csv = "path,label,view,lot\nimg/a.png,good,left,3\nimg/b.png,crack,right,4\n"
    listing = list_photos(table(tmp_path / "csv", csv), view_from="([a])")
    assert [entry.columns for entry in listing.entries] == [
        (("lot", "3"), ("view", "a")),
        (("lot", "4"),),
    ]
    with pytest.raises(UsageError, match="--view-from"):
        list_photos(tmp_path, view_from="(unclosed")


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
