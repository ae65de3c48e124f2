from pathlib import Path
from typing import Any

import pytest
from helpers.encode import oriented, picture
from helpers.layouts import lay_out

from fastdefect.data.photos import Box
from fastdefect.data.reading.manifest import list_photos
from fastdefect.errors import DataError

NAMES = "path: .\nnc: 2\nnames: [crack, 'burr']\n"


def labels(root: Path, **options: Any) -> dict[str, tuple[str | None, str]]:
    listing = list_photos(root, **options)
    assert listing.layout == "yolo"
    return {entry.name: (entry.split, entry.label) for entry in listing.entries}


@pytest.mark.parametrize(
    ("photo", "text"),
    [
        ("images/{side}/{n}.jpg", "labels/{side}/{n}.txt"),
        ("{side}/images/{n}.jpg", "{side}/labels/{n}.txt"),
    ],
)
@pytest.mark.parametrize("sides", [("train", "val", "test"), ("Train", "valid", "testing")])
def test_where_photos_and_labels_lie(
    tmp_path: Path, photo: str, text: str, sides: tuple[str, str, str]
) -> None:
    files = {"data.yaml": NAMES}
    for number, side in enumerate(sides):
        for n in range(3):  # a crack, a burr, and a photo without a box
            files[photo.format(side=side, n=n)] = 10 * number + n
            files[text.format(side=side, n=n)] = f"{n} 0.5 0.5 0.25 0.5\n" if n < 2 else ""
    found = labels(lay_out(tmp_path, files))
    assert found == {
        photo.format(side=side, n=n): (its, ("crack", "burr", "good")[n])
        for side, its in zip(sides, ("train", "valid", "test"), strict=True)
        for n in range(3)
    }
    assert list_photos(tmp_path).findings == ()
    assert "6 boxes" in list_photos(tmp_path).seen


def test_boxes_are_in_pixels_and_kinds_are_kept(tmp_path: Path) -> None:
    polygon = "1 0.25 0.25 0.75 0.25 0.75 1.0 0.25 0.5\n"
    files = {"images/a.png": 1, "labels/a.txt": "0 0.5 0.5 0.25 0.5\n" + polygon}
    files |= {"images/b.png": 2, "labels/b.txt": "0 0.5 0.5 1 1 0.93\n", "images/c.png": 3}
    lay_out(tmp_path, {**files, "labels/c.txt": "", "data.yml": "names:\n  0: crack\n  1: burr\n"})
    listing = list_photos(tmp_path)
    assert [(e.label, e.columns) for e in listing.entries] == [
        ("defect", (("defect", "burr|crack"),)),
        ("defect", (("defect", "crack"),)),
        ("good", ()),
    ]
    assert listing.entries[0].boxes == (Box(6, 3, 4, 6, "crack"), Box(4, 3, 8, 9, "burr"))
    assert listing.entries[1].boxes == (Box(0, 0, 16, 12, "crack"),)
    assert "defect, since 1 photo has several kinds (kept as the column defect)" in listing.seen


def test_boxes_of_a_photo_that_the_camera_turned(tmp_path: Path) -> None:
    files = {"images/a.jpg": oriented(picture(12, 16), "JPEG", 6), "labels/a.txt": "0 0.5 0.5 1 .5"}
    listing = list_photos(lay_out(tmp_path, {**files, "images/b.png": 1, "labels/b.txt": ""}))
    assert listing.entries[0].boxes == (Box(0, 4, 12, 8, "class 0"),)


def test_photos_without_a_label_file_are_told(tmp_path: Path) -> None:
    files = {"images/a.png": 1, "labels/a.txt": "0 .5 .5 .1 .1", "images/b.png": 2, "x/c.png": 3}
    listing = list_photos(lay_out(tmp_path, files))
    found = {finding.kind: finding for finding in listing.findings}
    assert found["no_label"].paths == ("images/b.png",)
    assert found["no_label"].severity == "warning"
    assert found["left_out"].paths == ("x/c.png",)
    assert [entry.label for entry in listing.entries] == ["class 0", "good"]


def test_labels_beside_photos_need_the_names_of_the_classes(tmp_path: Path) -> None:
    files = {"ok/a.png": 1, "ok/a.txt": "0 .5 .5 .1 .1", "ng/b.png": 2, "ng/b.txt": ""}
    assert list_photos(lay_out(tmp_path, files)).layout == "classes"
    lay_out(tmp_path, {"obj.names": "dent\n"})
    assert labels(tmp_path) == {"ng/b.png": (None, "good"), "ok/a.png": (None, "dent")}


def test_boxes_of_good_parts(tmp_path: Path) -> None:
    lay_out(tmp_path, {"data.yaml": "names: [ok, crack]", "images/a.png": 1, "images/b.png": 2})
    lay_out(tmp_path, {"labels/a.txt": "0 .5 .5 1 1", "labels/b.txt": "0 .5 .5 1 1\n1 .5 .5 .1 .1"})
    assert labels(tmp_path) == {"images/a.png": (None, "ok"), "images/b.png": (None, "crack")}


def test_notes_are_no_boxes(tmp_path: Path) -> None:
    files = {"images/ok/a.png": 1, "images/ng/b.png": 2, "labels/ok/a.txt": "a fine part"}
    listing = list_photos(lay_out(tmp_path, files))
    assert (listing.layout, listing.classes) == ("classes", ("ng", "ok"))


def test_a_line_that_is_no_box(tmp_path: Path) -> None:
    files = {f"images/{n}.png": n for n in range(30)}
    files |= {f"labels/{n}.txt": "0 .5 .5 .1 .1\n" for n in range(30)}
    with pytest.raises(DataError, match=r"9\.txt, line 2: expected a class and a box"):
        list_photos(lay_out(tmp_path, {**files, "labels/9.txt": "0 .5 .5 .1 .1\n0 7 8\n"}))


def test_a_picture_beside_the_folders_is_no_photo(tmp_path: Path) -> None:
    files = {"images/a.png": 1, "labels/a.txt": "0 0.5 0.5 0.25 0.5\n", "images/b.png": 2}
    lay_out(tmp_path, {**files, "results.png": 3, "data.yaml": NAMES, "images/c.nef": "x"})
    listing = list_photos(tmp_path)
    assert [entry.name for entry in listing.entries] == ["images/a.png", "images/b.png"]
    found = {each.kind: each.paths for each in listing.findings}
    assert found["unread_format"] == ("images/c.nef",)
