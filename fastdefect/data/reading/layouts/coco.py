"""COCO detection sets: boxes in JSON, one file for a side or for all photos."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

from fastdefect.data.findings import Finding
from fastdefect.data.photos import Box
from fastdefect.data.reading.headers import read_header, upright_boxes
from fastdefect.data.reading.layouts.annotated import Annotated, label_photos
from fastdefect.data.reading.layouts.finder import find_photos
from fastdefect.data.reading.layouts.gathered import MARKS_WITHOUT_PHOTO, Gathered, left_out
from fastdefect.data.reading.layouts.sides import side_of, sides_of
from fastdefect.data.reading.layouts.tree import Tree, name_of
from fastdefect.errors import DataError
from fastdefect.text import counted, first

_FOLDERS = frozenset({"", "annotations", "annotation", "labels"})
_WORDS = ("coco", "instances", "annotations")
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class _Listed:
    """One photo of a JSON file: its path as written, its size there, its boxes."""

    text: str
    size: tuple[float, float] | None
    boxes: tuple[Box, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """An annotation file: its photos, and how many of its marks have each ``image_id``."""

    listed: list[_Listed]
    ids: tuple[int | str, ...]
    marks: Counter[int | str]

    @property
    def lost(self) -> dict[int | str, int]:
        """The number of marks by each ``image_id`` that no photo of the file has."""
        known = set(self.ids)
        return {key: n for key, n in self.marks.items() if key not in known}


def gather_coco(tree: Tree) -> Gathered | None:
    """The photos with the boxes of the JSON files; None if there is no such file.

    Raises ``DataError`` if none of the photos of a file is found, or no mark is of one of them.
    """
    files = {name: file for name, path in tree.others.items() if (file := _read(name, path))}
    if not files:
        return None
    sides = _sides(list(files))
    photos: dict[str, Annotated] = {}
    for name, file in files.items():
        for photo in _annotated(tree, name, file.listed, sides.get(name)):
            earlier = photos.setdefault(photo.name, photo)
            if earlier != photo:
                raise DataError(
                    f"{tree.root / name} lists {photo.name}, which it or another annotation file "
                    "also lists with another side, other kinds or other boxes.",
                    "Keep one entry for each photo in one annotation file.",
                )
    entries, rule = label_photos(list(photos.values()))
    beside = [name for name in tree.photos if name not in photos]
    boxes = sum(len(photo.boxes) for photo in photos.values())
    seen = f"COCO detection set ({counted(len(files), 'annotation file')}, {boxes} boxes): {rule}"
    findings = left_out(beside, "not listed in the annotation files")
    findings += [
        _of_lost(tree.root / name, name, file) for name, file in files.items() if file.lost
    ]
    return Gathered("coco", seen, entries, findings)


def _of_lost(path: Path, name: str, file: _File) -> Finding:
    """The finding on marks of photos that the file in ``path`` does not list.

    Raises ``DataError`` if these are all of its marks: then all photos would be good.
    """
    n, total = sum(file.lost.values()), file.marks.total()
    ids = _in_words(file.lost)
    if n == total:
        raise DataError(
            f"{path}: expected marks on the photos that it lists, but none of its "
            f"{counted(total, 'mark')} is on one of them. The marks have the image_id {ids}; the "
            f"photos have the id {_in_words(file.ids)}.",
            "Correct the ids: the image_id of a mark is the id of its photo in images, a number or "
            "a text in both.",
        )
    text = (
        f"{n} of {counted(total, 'mark')} in {name} not used: no photo in it has the id {ids}. A "
        "defective photo without its marks is read as good. List the photos in images, or remove "
        "the marks."
    )
    return MARKS_WITHOUT_PHOTO.finding(text, n, [name])


def _in_words(ids: Collection[int | str]) -> str:
    """The first few ids, texts in quotes, and the number of others; none without any."""
    return first([repr(each)[:60] for each in ids]) or "none"


def _read(name: str, path: Path) -> _File | None:
    """An annotation file; None if it lists no photos, or is something else.

    Raises ``DataError`` for an annotation file that is damaged: without it the photos would get
    their labels from folders, if at all.
    """
    folder, _, file = name.casefold().rpartition("/")
    if not file.endswith(".json"):
        return None
    if folder not in _FOLDERS and not any(word in file for word in _WORDS):
        return None
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b"null"
        content = json.loads(data)
    except OSError:
        return None
    except (ValueError, RecursionError) as error:
        if b'"images"' in data and b'"annotations"' in data:
            raise DataError(
                f"{path} is a damaged COCO file: {error}.", "Restore it from a copy, or remove it."
            ) from error
        return None
    if not isinstance(content, dict):
        return None
    images, marks = content.get("images"), content.get("annotations")
    if not (isinstance(images, list) and isinstance(marks, list) and "categories" in content):
        return None
    photos = [each for each in images if _is_photo(each)]
    marks = [each for each in marks if isinstance(each, dict)]
    listed = list(_listed(photos, marks, _names(content["categories"])))
    ids = tuple(each["id"] for each in photos if _is_key(each.get("id")))
    return _File(listed, ids, Counter(map(_photo_of, marks))) if listed else None


def _is_photo(image: Any) -> bool:
    return isinstance(image, dict) and isinstance(image.get("file_name"), str)


def _photo_of(mark: Mapping[str, Any]) -> int | str:
    """The ``image_id`` of a mark; as a text if it is none that a photo can have."""
    key = mark.get("image_id")
    return key if _is_key(key) else json.dumps(key)[:40]


def _listed(
    photos: Sequence[Mapping[str, Any]],
    marks: Sequence[Mapping[str, Any]],
    names: Mapping[Any, str],
) -> Iterator[_Listed]:
    boxes: dict[Any, list[Box]] = defaultdict(list)
    kinds: dict[Any, dict[str, None]] = defaultdict(dict)
    for mark in marks:
        if _is_key(mark.get("image_id")):
            category = mark.get("category_id")
            kind = names.get(category, f"class {category}") if _is_key(category) else "defect"
            kinds[mark["image_id"]][kind] = None
            if box := _box(mark, kind):
                boxes[mark["image_id"]].append(box)
    for image in photos:
        key = image.get("id")
        size = [image.get("width"), image.get("height")]
        yield _Listed(
            image["file_name"].replace("\\", "/"),
            (size[0], size[1]) if _are_numbers(size) else None,
            tuple(boxes.get(key, ())) if _is_key(key) else (),
            tuple(kinds.get(key, ())) if _is_key(key) else (),
        )


def _names(categories: Any) -> dict[Any, str]:
    found = categories if isinstance(categories, list) else []
    return {
        each["id"]: str(each.get("name", each["id"]))
        for each in found
        if isinstance(each, dict) and _is_key(each.get("id"))
    }


def _box(mark: Mapping[str, Any], kind: str) -> Box | None:
    """The box of a mark, or around its polygons; None if it has neither."""
    given = mark.get("bbox")
    if isinstance(given, list) and len(given) == 4 and _are_numbers(given):
        x, y, w, h = given
        return Box(float(x), float(y), float(w), float(h), kind)
    polygons = mark.get("segmentation")
    numbers = [p for p in polygons if isinstance(p, list)] if isinstance(polygons, list) else []
    across = [x for polygon in numbers for x in polygon[0::2]]
    down = [y for polygon in numbers for y in polygon[1::2]]
    if not across or len(across) != len(down) or not _are_numbers([*across, *down]):
        return None
    left, top = float(min(across)), float(min(down))
    return Box(left, top, max(across) - left, max(down) - top, kind)


def _is_key(value: Any) -> TypeGuard[int | str]:
    return isinstance(value, int | str)


def _are_numbers(values: Sequence[Any]) -> TypeGuard[Sequence[float]]:
    return all(
        isinstance(value, int | float) and math.isfinite(value) and value >= 0 for value in values
    )


def _sides(names: Sequence[str]) -> dict[str, str]:
    """The side of each annotation file: by its folder, or by the words of its own name."""
    folders = sides_of(dict.fromkeys(PurePosixPath(name).parent.name for name in names))
    found: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        words = path.stem.replace("-", "_").split("_")
        side = folders.get(path.parent.name)
        named = [side, *map(side_of, words)]
        if any(named):
            found[name] = next(each for each in named if each)
    return found if "train" in found.values() else {}


def _annotated(
    tree: Tree, name: str, listed: Sequence[_Listed], side: str | None
) -> Iterator[Annotated]:
    json_file = tree.root / name
    folders = {"beside the annotation file": json_file.parent, "from the data folder": tree.root}
    folders["in images/ beside the annotation file"] = json_file.parent / "images"
    folders |= {f"in {at}/": tree.root / at for at in _image_folders(tree, json_file)}
    found = find_photos([photo.text for photo in listed], folders, tree.photos)
    if not found.count:
        lines = "".join(f"\n  {line}" for line in found.tried)
        raise DataError(
            f"None of the {len(listed)} photos listed in {json_file} is found. Tried:{lines}",
            "Put the annotation file beside the photos, or correct its paths.",
        )
    for photo in listed:
        path = found.paths[photo.text] or json_file.parent / photo.text
        header = read_header(path) if photo.boxes else None
        boxes = photo.boxes if header else ()
        if header and photo.size and min(photo.size) > 0:
            boxes = upright_boxes(boxes, photo.size, header)
        inside = path.is_relative_to(tree.root)
        shown = name_of(tree.root, path) if inside else path.as_posix()
        yield Annotated(shown, path, side, photo.kinds, boxes)


def _image_folders(tree: Tree, json_file: Path) -> list[str]:
    """Folders of photos that the name of the annotation file may mean, the likely ones first."""
    words = set(json_file.stem.casefold().replace("-", "_").split("_"))
    folders = dict.fromkeys(name.rpartition("/")[0] for name in tree.photos)
    named = [f for f in folders if f and f.rpartition("/")[2].casefold() in words]
    return [*named, *(f for f in folders if f and f.rpartition("/")[2].casefold() == "images")]
