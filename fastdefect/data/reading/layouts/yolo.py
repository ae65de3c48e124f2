"""YOLO detection sets: a text file of boxes for each photo."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fastdefect.data.photos import Box
from fastdefect.data.reading.headers import Header, read_header
from fastdefect.data.reading.layouts.annotated import Annotated, label_photos
from fastdefect.data.reading.layouts.gathered import NO_LABEL, Gathered, left_out
from fastdefect.data.reading.layouts.sides import sides_by_folder
from fastdefect.data.reading.layouts.tree import Tree, read_text
from fastdefect.errors import DataError
from fastdefect.text import counted, first

_NAME_FILES = ("obj.names", "classes.txt", "labels.txt", "names.txt")
_TRIED = 20  # label files that are read to recognise the layout


@dataclass(frozen=True)
class _Labels:
    """The label files by photo, and the photos that are beside such a folder of labels."""

    of: dict[str, Path]
    inside: tuple[str, ...]


def gather_yolo(tree: Tree) -> Gathered | None:
    """The photos with the boxes of their label files; None if this is not the layout.

    A label file lies in a folder ``labels`` in place of ``images``, or beside its photo if the
    root has a file with the names of the classes. A photo without a label file has no box.

    Raises ``DataError`` for a line that is not a box.
    """
    texts = {name: path for name, path in tree.others.items() if name.casefold().endswith(".txt")}
    names = _class_names(tree)
    labels = _find_labels(tree, texts, beside=names is not None)
    if not labels.of or not _are_boxes(labels):
        return None
    sides = sides_by_folder(labels.inside)
    photos = [
        _annotated(name, tree.photos[name], sides.get(name), labels.of.get(name), names or {})
        for name in labels.inside
    ]
    entries, rule = label_photos(photos)
    unlabelled = [name for name in labels.inside if name not in labels.of]
    inside = set(labels.inside)
    beside = [name for name in tree.photos if name not in inside]
    boxes = sum(len(photo.boxes) for photo in photos)
    seen = f"YOLO detection set with {counted(boxes, 'box').replace('boxs', 'boxes')}: {rule}"
    findings = left_out(beside, "not in the image folders of the YOLO set")
    if unlabelled:
        text = (
            f"{counted(len(unlabelled), 'photo')} without a label file, taken as photos without "
            f"a box: {first(unlabelled)}."
        )
        findings.append(NO_LABEL.finding(text, len(unlabelled), unlabelled))
    return Gathered("yolo", seen, entries, findings)


def _find_labels(tree: Tree, texts: Mapping[str, Path], *, beside: bool) -> _Labels:
    of: dict[str, Path] = {}
    roots: set[str] = set()
    known = {name.casefold(): path for name, path in texts.items()}
    for name in tree.photos:
        stem = name.rpartition(".")[0]
        steps = stem.split("/")
        for at, step in enumerate(steps[:-1]):
            if step.casefold() != "images":
                continue
            path = known.get(
                "/".join([*steps[:at], "labels", *steps[at + 1 :]]).casefold() + ".txt"
            )
            if path:
                of[name] = path
        if beside and name not in of and (path := known.get(f"{stem.casefold()}.txt")):
            of[name] = path
            roots.add(name.rpartition("/")[0])
    inside = tuple(name for name in tree.photos if name in of or _is_inside(name, roots, of))
    return _Labels(of, inside)


def _is_inside(name: str, roots: set[str], of: Mapping[str, Path]) -> bool:
    """Whether a photo is in an image folder (of any side) or beside photos with label files."""
    if not of:
        return False
    steps = [step.casefold() for step in name.split("/")[:-1]]
    return "images" in steps or name.rpartition("/")[0] in roots


def _are_boxes(labels: _Labels) -> bool:
    """Whether the first label files with any line hold boxes."""
    lines = [
        line.split()
        for path in list(labels.of.values())[:_TRIED]
        for line in (read_text(path) or "").splitlines()
        if line.strip()
    ]
    return all(_numbers(cells) is not None for cells in lines)


def _annotated(
    name: str, path: Path, side: str | None, label_file: Path | None, names: Mapping[int, str]
) -> Annotated:
    lines = (read_text(label_file) or "").splitlines() if label_file else []
    marked: list[tuple[int, list[float]]] = []
    for number, line in enumerate(lines, start=1):
        if not (cells := line.split()):
            continue
        numbers = _numbers(cells)
        if numbers is None:
            raise DataError(
                f"{label_file}, line {number}: expected a class and a box in shares of the photo "
                f"(class x y width height), but found {line.strip()[:80]!r}.",
                "Correct or remove the line.",
            )
        marked.append((int(numbers[0]), numbers[1:]))
    header = read_header(path) if marked else None
    kinds = [names.get(kind, f"class {kind}") for kind, _ in marked]
    boxes = tuple(
        _box(numbers, header, kind) for kind, (_, numbers) in zip(kinds, marked, strict=True)
    )
    return Annotated(name, path, side, tuple(dict.fromkeys(kinds)), boxes if header else ())


def _box(numbers: list[float], header: Header | None, kind: str) -> Box:
    """The box in pixels: of a centre and a size, or around a polygon."""
    width, height = header.upright if header else (1, 1)
    if len(numbers) <= 5:  # the fifth is the confidence of a prediction
        x, y, w, h = numbers[:4]
        left, top = x - w / 2, y - h / 2
    else:
        across, down = numbers[0::2], numbers[1::2]
        left, top = min(across), min(down)
        w, h = max(across) - left, max(down) - top
    return Box(left * width, top * height, w * width, h * height, kind)


def _numbers(cells: list[str]) -> list[float] | None:
    """The class and the shares of a line; None if it is not a box or a polygon."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return None
    shares = numbers[1:]
    sized = len(shares) in (4, 5) or (len(shares) >= 6 and len(shares) % 2 == 0)
    plain = numbers[0] >= 0 and numbers[0].is_integer() and all(map(math.isfinite, numbers))
    return numbers if plain and sized and all(-0.1 <= n <= 1.1 for n in shares) else None


def _class_names(tree: Tree) -> dict[int, str] | None:
    """The classes by number, from a YAML or text file at the top; None if there is no such file."""
    for name, path in tree.others.items():
        if "/" not in name and name.casefold().endswith((".yaml", ".yml")):
            names = _yaml_names(path)
            if names is not None:
                return names
    for wanted in _NAME_FILES:
        if listed := tree.file(wanted) or tree.file(f"labels/{wanted}"):
            lines = (read_text(listed) or "").splitlines()
            return {n: line.strip() for n, line in enumerate(lines) if line.strip()}
    return None


def _yaml_names(path: Path) -> dict[int, str] | None:
    try:
        content: Any = yaml.safe_load(read_text(path) or "")
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        return {n: str(name) for n, name in enumerate(names)}
    if isinstance(names, dict) and all(re.fullmatch(r"\d+", str(key)) for key in names):
        return {int(key): str(name) for key, name in names.items()}
    return None
