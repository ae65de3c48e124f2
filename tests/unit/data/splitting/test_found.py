"""The photos of a split, found where they are now: by name, else by their bytes."""

import hashlib
import shutil
from pathlib import Path

import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.photos import Entry
from fastdefect.data.splitting.found import Found, Place, find_photos


def row(name: str, content: bytes) -> dict[str, str]:
    digest = hashlib.sha256(content).hexdigest()
    label = name.partition("/")[0]
    return {"path": name, "label": label, "part": name, "split": "train", "sha256": digest}


def put(folder: Path, name: str, content: bytes) -> Entry:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Entry(name, path, name.partition("/")[0], None, None)


def places(found: Found) -> dict[str, str]:
    return {photo.row["path"]: photo.path.name for photo in found.photos}


def test_photos_at_their_names_are_found_and_others_are_new(tmp_path: Path) -> None:
    entries = [put(tmp_path, f"good/{i}.jpg", bytes([i])) for i in range(4)]
    rows = [row(f"good/{i}.jpg", bytes([i])) for i in (2, 0)]
    found = find_photos(rows, Place(tuple(entries)))
    assert [photo.row["path"] for photo in found.photos] == ["good/2.jpg", "good/0.jpg"]
    assert found.new == ("good/1.jpg", "good/3.jpg")
    assert (found.missing, found.changed, found.relabelled) == ((), (), ())


def test_a_corrected_label_and_a_new_name_are_followed(tmp_path: Path) -> None:
    entries = [put(tmp_path, "crack/1.jpg", b"a"), put(tmp_path, "good/renamed.jpg", b"b")]
    rows = [row("good/1.jpg", b"a"), row("good/2.jpg", b"b")]
    found = find_photos(rows, Place(tuple(entries)))
    assert places(found) == {"good/1.jpg": "1.jpg", "good/2.jpg": "renamed.jpg"}
    (relabelled,) = found.relabelled
    assert (relabelled.row["label"], relabelled.label) == ("good", "crack")
    assert (relabelled.entry.name, relabelled.entry.label) == ("good/1.jpg", "crack")
    assert found.new == ()


def test_photos_that_swapped_their_names_are_no_change(tmp_path: Path) -> None:
    entries = [put(tmp_path, "good/1.jpg", b"b"), put(tmp_path, "good/2.jpg", b"a")]
    found = find_photos([row("good/1.jpg", b"a"), row("good/2.jpg", b"b")], Place(tuple(entries)))
    assert places(found) == {"good/1.jpg": "2.jpg", "good/2.jpg": "1.jpg"}


def test_other_bytes_are_a_change_and_no_file_is_a_loss(tmp_path: Path) -> None:
    entries = [
        put(tmp_path, "good/1.jpg", b"other"),
        Entry("good/2.jpg", tmp_path / "good/2.jpg", "good", None, None),
    ]
    rows = [row("good/1.jpg", b"a"), row("good/2.jpg", b"b"), row("good/3.jpg", b"c")]
    found = find_photos(rows, Place(tuple(entries)))
    assert [each["path"] for each in found.changed] == ["good/1.jpg"]
    assert [each["path"] for each in found.missing] == ["good/2.jpg", "good/3.jpg"]
    assert found.photos == ()


def test_a_folder_far_above_holds_them_under_any_name(tmp_path: Path) -> None:
    put(tmp_path, "2026/may/good/1.jpg", b"a")
    put(tmp_path, "2026/june/IMG_7.PNG", b"b")
    put(tmp_path, "2026/june/notes.txt", b"c")
    put(tmp_path, ".trash/3.jpg", b"c")
    rows = [row("good/1.jpg", b"a"), row("good/2.jpg", b"b"), row("good/3.jpg", b"c")]
    found = find_photos(rows, Place(folder=tmp_path))
    assert places(found) == {"good/1.jpg": "1.jpg", "good/2.jpg": "IMG_7.PNG"}
    assert [each["path"] for each in found.missing] == ["good/3.jpg"]
    assert [photo.label for photo in found.photos] == ["good", "good"]


def test_files_are_read_only_as_far_as_needed(tmp_path: Path) -> None:
    for i in range(20):
        put(tmp_path, f"other/{i + 10}.jpg", bytes([i]))
    put(tmp_path, "far/1.jpg", b"a")
    read: list[int] = []
    place = Place(folder=tmp_path)
    find_photos([row("good/1.jpg", b"a")], place, lambda done, total: read.append(total))
    assert read == [1, 1]  # its own name, which is no file, then the file of this name
    remembered = Place(folder=tmp_path, names={"good/1.jpg": "far/1.jpg"})
    read.clear()
    find_photos([row("good/1.jpg", b"a")], remembered, lambda done, total: read.append(total))
    assert read == [1]


def test_copies_are_matched_by_name_first_and_shared_if_some_were_deleted(tmp_path: Path) -> None:
    rows = [row("good/1.jpg", b"a"), row("good/2.jpg", b"a"), row("crack/3.jpg", b"a")]
    entries = [put(tmp_path, name, b"a") for name in ("crack/3.jpg", "good/2.jpg", "good/9.jpg")]
    found = find_photos(rows, Place(tuple(entries)))
    assert places(found) == {"good/1.jpg": "9.jpg", "good/2.jpg": "2.jpg", "crack/3.jpg": "3.jpg"}
    found = find_photos(rows, Place(tuple(entries[:2])))
    assert len(found.photos) == 3
    assert places(found)["good/2.jpg"] == "2.jpg"
    assert found.missing == ()


@examples(25)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_renaming_is_followed(
    tmp_path_factory: pytest.TempPathFactory, contents: list[int], random: object
) -> None:
    """However the files are named, each row gets a file of its bytes, and no file two rows."""
    folder = tmp_path_factory.mktemp("renamed")
    rows = [row(f"good/{i}.jpg", bytes([content])) for i, content in enumerate(contents)]
    names = [f"{i}.jpg" for i in range(len(contents))]
    random.shuffle(names)  # type: ignore[attr-defined]
    for name, content in zip(names, contents, strict=True):
        put(folder, f"deep/{name}", bytes([content]))
    found = find_photos(rows, Place(folder=folder))
    assert len({photo.path for photo in found.photos}) == len(rows)
    for photo in found.photos:
        assert hashlib.sha256(photo.path.read_bytes()).hexdigest() == photo.row["sha256"]
    shutil.rmtree(folder)


def test_the_folder_of_moved_photos_and_none_of_absolute_names(tmp_path: Path) -> None:
    """A CSV can list photos outside its folder."""
    names = ("june/good/1.jpg", "june/good/2.jpg", "may/good/3.jpg")
    for name in names:
        put(tmp_path, name, name.encode())
    rows = [row(name.partition("/")[2], name.encode()) for name in names]
    assert find_photos(rows, Place(folder=tmp_path)).most_common_folder() == tmp_path / "june"
    outside = [
        {**each, "path": (tmp_path / name).as_posix()}
        for each, name in zip(rows, names, strict=True)
    ]
    found = find_photos(outside, Place(folder=tmp_path))
    assert len(found.photos) == 3
    assert found.most_common_folder() is None
