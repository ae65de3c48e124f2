import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.encode import oriented, picture
from helpers.layouts import coco, lay_out

from fastdefect.data.photos import Box
from fastdefect.data.reading.manifest import list_photos
from fastdefect.errors import DataError

BOX = [4, 3, 5, 6]


def labels(root: Path) -> dict[str, tuple[str | None, str]]:
    listing = list_photos(root)
    assert listing.layout == "coco"
    return {entry.name: (entry.split, entry.label) for entry in listing.entries}


@pytest.mark.parametrize(
    ("photo", "table"),
    [
        ("{side}2017/{n}.png", "annotations/instances_{side}2017.json"),
        ("images/{side}/{n}.png", "annotations/{side}.json"),
        ("images/{side}{n}.png", "annotations/{side}.json"),
        ("{side}/{n}.png", "{side}/_annotations.coco.json"),
        ("{side}/images/{n}.png", "{side}/_annotations.coco.json"),
    ],
)
def test_where_photos_and_annotations_lie(tmp_path: Path, photo: str, table: str) -> None:
    expected = {}
    for k, side in enumerate(("train", "val")):
        names = [photo.format(side=side, n=n) for n in range(3)]
        files = {name: 10 * k + n for n, name in enumerate(names)}
        listed = [name.rpartition("/")[2] for name in names]
        text = coco(listed, [(0, 1, BOX), (1, 2, BOX)], "root", "crack", "burr")
        lay_out(tmp_path, {**files, table.format(side=side): text})
        its = "train" if side == "train" else "valid"
        expected |= dict(zip(names, [(its, c) for c in ("crack", "burr", "good")], strict=True))
    assert labels(tmp_path) == expected
    assert list_photos(tmp_path).findings == ()


def test_several_kinds_on_a_photo(tmp_path: Path) -> None:
    names = ["a.png", "b.png", "c.png"]
    boxes = [(0, 0, BOX), (0, 1, [0, 0, 1, 1]), (1, 1, BOX)]
    text = coco(names, boxes, "crack", "burr")
    files = {f"images/{name}": n for n, name in enumerate(names)}
    listing = list_photos(lay_out(tmp_path, {**files, "images/d.png": 9, "instances.json": text}))
    assert [(e.label, e.columns) for e in listing.entries] == [
        ("defect", (("defect", "burr|crack"),)),
        ("defect", (("defect", "burr"),)),
        ("good", ()),
    ]
    assert listing.entries[0].boxes == (Box(4, 3, 5, 6, "crack"), Box(0, 0, 1, 1, "burr"))
    (found,) = listing.findings
    assert (found.kind, found.severity, found.paths) == ("left_out", "warning", ("images/d.png",))
    assert "not listed in the annotation files" in found.message


@pytest.mark.parametrize(
    ("orientation", "box"),
    [(1, Box(4, 3, 5, 6, "crack")), (6, Box(3, 4, 6, 5, "crack")), (8, Box(3, 7, 6, 5, "crack"))],
)
def test_boxes_of_a_photo_that_the_camera_turned(
    tmp_path: Path, orientation: int, box: Box
) -> None:
    """The annotation file has the size as stored: 16 x 12. Upright it is 12 x 16."""
    pixels = oriented(picture(12, 16), "JPEG", orientation)
    files = {
        "a.jpg": pixels,
        "b.png": 1,
        "_annotations.coco.json": coco(["a.jpg", "b.png"], [(0, 0, BOX)], "crack"),
    }
    assert list_photos(lay_out(tmp_path, files)).entries[0].boxes == (box,)


def test_other_json_is_passed_over(tmp_path: Path) -> None:
    files = {"a/1.png": 1, "b/2.png": 2, "annotations.json": "[1]", "coco.json": "{", "x.json": "7"}
    assert list_photos(lay_out(tmp_path, files)).layout == "classes"


def test_photos_that_are_not_there(tmp_path: Path) -> None:
    lay_out(tmp_path, {"x.png": 1, "instances.json": coco(["a.png"], [], "crack")})
    with pytest.raises(DataError, match=r"None of the 1 photos listed in .*instances\.json"):
        list_photos(tmp_path)
    twice = coco(["x.png"], [(0, 0, BOX)], "crack")
    lay_out(tmp_path, {"instances.json": twice, "other_coco.json": coco(["x.png"], [], "crack")})
    with pytest.raises(DataError, match="with another side, other kinds or other boxes"):
        list_photos(tmp_path)


def test_class_folders_beside_annotations_are_told(tmp_path: Path) -> None:
    text = coco(["ok/1.png", "ng/2.png"], [(1, 0, BOX)], "crack")
    lay_out(tmp_path, {"ok/1.png": 1, "ng/2.png": 2, "coco.json": text})
    assert "they would give ng 1, ok 1" in list_photos(tmp_path).seen


def test_a_photo_in_two_files_with_other_kinds_is_refused(tmp_path: Path) -> None:
    """Also where the kinds have no boxes."""
    texts = [coco(["a.png"], [(0, kind, [])], "crack", "burr") for kind in (0, 1)]
    files = {f"annotations/instances_{n}.json": text for n, text in enumerate(texts)}
    with pytest.raises(DataError, match=r"instances_1\.json lists a\.png, which"):
        list_photos(lay_out(tmp_path, {**files, "a.png": 1}))


def test_a_damaged_annotation_file_is_not_passed_over(tmp_path: Path) -> None:
    # Class folders beside it would give other labels.
    lay_out(tmp_path, {"ok/a.png": 1, "ng/b.png": 2})
    (tmp_path / "annotations.json").write_text('{"images": [], "annotations": [{"id": 1')
    with pytest.raises(DataError, match=r"annotations.json is a damaged COCO file"):
        list_photos(tmp_path)
    (tmp_path / "annotations.json").write_text("[" * 100_000)
    assert list_photos(tmp_path).layout == "classes"


def test_marks_of_photos_that_the_file_does_not_list_are_told(tmp_path: Path) -> None:
    marks = [(0, 0, BOX), (7, 0, BOX), (7, 1, BOX), (9, 0, BOX)]
    files = {"a.png": 1, "b.png": 2, "coco.json": coco(["a.png", "b.png"], marks, "crack", "burr")}
    listing = list_photos(lay_out(tmp_path, files))
    assert [entry.label for entry in listing.entries] == ["crack", "good"]
    (found,) = listing.findings
    assert (found.kind, found.severity) == ("marks_without_photo", "warning")
    assert (found.value, found.paths) == (3, ("coco.json",))
    assert "3 of 4 marks in coco.json not used: no photo in it has the id 7, 9." in found.message
    assert "is read as good" in found.message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (str, r"The marks have the image_id '0', '1'; the photos have the id 0, 1"),
        (lambda _: None, r"The marks have the image_id 'null'; the photos"),
    ],
)
def test_a_file_whose_marks_are_all_of_other_photos_is_refused(
    tmp_path: Path, change: Callable[[int], Any], said: str
) -> None:
    """Its photos would all be good."""
    content = json.loads(coco(["a.png", "b.png"], [(0, 0, BOX), (1, 0, BOX)], "crack"))
    for mark in content["annotations"]:
        mark["image_id"] = change(mark["image_id"])
    files = {"a.png": 1, "b.png": 2, "coco.json": json.dumps(content)}
    with pytest.raises(DataError, match=rf"none of its 2 marks is on one of them\. {said}"):
        list_photos(lay_out(tmp_path, files))
