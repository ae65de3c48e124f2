from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.layouts import Content, lay_out

from fastdefect.data.reading.layouts.masks import Masks, find_masks
from fastdefect.data.reading.layouts.tree import walk
from fastdefect.data.reading.manifest import list_photos, read_photos


def masks_in(root: Path, files: Mapping[str, Content]) -> Masks:
    return find_masks(walk(lay_out(root, files)).photos)


@pytest.mark.parametrize(
    ("photo", "its_mask"),
    [
        ("crack/1.jpg", "crack/1.png"),
        ("crack/Imgs/1.png", "crack/Imgs/1.bmp"),
        ("crack/1.jpg", "crack/1_mask.png"),
        ("crack/1.png", "crack/1_GT.png"),
        ("crack/1.png", "crack/1-mask.png"),
        ("crack/Part0.jpg", "crack/Part0_label.bmp"),
        ("crack/1.png", "crack/mask_1.png"),
        ("images/crack/1.jpg", "masks/crack/1.png"),
        ("crack/images/1.jpg", "crack/masks/1.png"),
        ("crack/1.jpg", "crack/mask/1.png"),
        ("crack/1.jpg", "masks/crack/1.jpg.png"),
        ("crack/1.jpg", "masks/1.png"),
        ("test/crack/1.png", "ground_truth/crack/1_mask.png"),
        ("test/crack/1.png", "Ground Truth/crack/1/000.png"),
        ("train/crack/1.png", "train/annotations/crack/1.png"),
    ],
)
def test_where_masks_lie(tmp_path: Path, photo: str, its_mask: str) -> None:
    found = masks_in(tmp_path, {photo: 1, f"{its_mask}!": None, "good/7.jpg": 2})
    assert found.of == {photo: its_mask}
    assert found.marks(photo)
    assert not found.marks("good/7.jpg")
    assert found.every == {its_mask}
    assert found.spare == ()


def test_a_real_photo_of_the_same_stem_stays_a_photo(tmp_path: Path) -> None:
    files = {"a/1.jpg": 1, "a/1.png": 2, "mask/1.png": 3, "no_mask/1.png": 4, "a/2_mask.png": 5}
    assert masks_in(tmp_path, {**files, "a/2.png": 6}).every == frozenset()


def test_two_files_of_two_values_are_no_photo_and_mask(tmp_path: Path) -> None:
    assert masks_in(tmp_path, {"a/1.png": None, "a/1.bmp": None}).every == frozenset()


def test_masks_without_a_photo_are_spare(tmp_path: Path) -> None:
    files = {"a/1.png": 1, "masks/a/1.png!": None, "masks/a/9.png!": None, "masks/a/8.png": 8}
    found = masks_in(tmp_path, files)
    assert found.of == {"a/1.png": "masks/a/1.png"}
    assert found.spare == ("masks/a/9.png",)  # and 8 is a real photo


def test_the_nearest_photo_has_the_mask(tmp_path: Path) -> None:
    files = {f"{side}/crack/1.png": n for n, side in enumerate(("train", "test"))}
    found = masks_in(tmp_path, {**files, "ground_truth/crack/1_mask.png!": None})
    assert found.of == {"test/crack/1.png": "ground_truth/crack/1_mask.png"}


def test_masks_are_facts_of_photos_and_no_class(tmp_path: Path) -> None:
    files = {
        f"{c}/Imgs/{n}.jpg": n + 10 * k for k, c in enumerate(("Free", "crack")) for n in (1, 2)
    }
    lay_out(tmp_path, {**files, "Free/Imgs/1.png": None, "crack/Imgs/1.png!": None})
    listing = list_photos(tmp_path)
    assert listing.classes == ("Free", "crack")
    assert {e.name: e.mask for e in listing.entries} == {
        "Free/Imgs/1.jpg": tmp_path / "Free/Imgs/1.png",
        "Free/Imgs/2.jpg": None,
        "crack/Imgs/1.jpg": tmp_path / "crack/Imgs/1.png",
        "crack/Imgs/2.jpg": None,
    }
    assert "2 masks beside photos" in listing.seen
    assert listing.findings == ()
    masks = [photo.mask for photo in read_photos(listing, good=("Free",)).photos]
    assert masks == [entry.mask for entry in listing.entries]


def test_folders_of_photos_and_masks_are_no_classes(tmp_path: Path) -> None:
    files = {"images/crack/1.png": 1, "images/ok/1.png": 2, "masks/crack/1.png!": None}
    listing = list_photos(lay_out(tmp_path, files))
    assert listing.classes == ("crack", "ok")
    assert listing.findings == ()
    lay_out(tmp_path, {"masks/crack/5.png!": None, "extra/9.png": 9})
    listing = list_photos(tmp_path)
    assert listing.classes == ("extra", "images")  # "images" is no longer the only folder


@pytest.mark.parametrize("sides", [("train/", "test/"), ("", "")])
def test_without_class_folders_the_masks_are_the_labels(
    tmp_path: Path, sides: tuple[str, str]
) -> None:
    files = {
        f"{sides[0]}1.png": 1,
        f"{sides[0]}1_GT.png!": None,
        f"{sides[0]}2.png": 2,
        f"{sides[0]}2_GT.png": None,
        f"{sides[1]}3.png": 3,
    }
    listing = list_photos(lay_out(tmp_path, files))
    assert listing.layout == "masks"
    assert [e.label for e in sorted(listing.entries, key=lambda e: e.name[-5])] == [
        "defect",
        "good",
        "good",
    ]
    assert {e.split for e in listing.entries} == ({"train", "test"} if sides[0] else {None})
    assert "1 photos have no mask" in listing.seen


def test_folders_of_items_that_hold_both_are_no_classes(tmp_path: Path) -> None:
    files = {f"kos{k}/Part{n}.jpg": 10 * k + n for k in (1, 2, 3) for n in (1, 2)}
    masks = {f"kos{k}/Part1_label.bmp!": None for k in (1, 2, 3)}
    masks |= {f"kos{k}/Part2_label.bmp": None for k in (1, 2, 3)}
    listing = list_photos(lay_out(tmp_path, {**files, **masks}))
    assert listing.classes == ("defect", "good")


def test_a_photo_has_the_first_of_its_masks(tmp_path: Path) -> None:
    files = {"a/1.png": 1, "a/1_mask.png!": None, "masks/a/1.png!": None}
    assert masks_in(tmp_path, files).of == {"a/1.png": "a/1_mask.png"}
