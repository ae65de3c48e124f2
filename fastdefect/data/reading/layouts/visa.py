"""VisA: ``OBJECT/Data/Images/Normal`` and ``Anomaly``, masks, and ``image_anno.csv``."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from fastdefect.data.findings import Finding
from fastdefect.data.photos import DEFECT_COLUMN, KINDS_BETWEEN, Entry
from fastdefect.data.reading.layouts.gathered import Gathered, left_out
from fastdefect.data.reading.layouts.tree import Tree, read_text
from fastdefect.text import counted

_LABELS = {"normal", "anomaly"}  # of its folders, as its CSVs call them
_IMAGES, _MASKS = ("data", "images"), ("data", "masks")


def gather_visa(tree: Tree) -> Gathered | None:
    """The photos as normal or anomaly, with their kinds and masks; None if it is not VisA.

    The root is one object, or a folder of objects; then the object is a column.
    """
    photos = {name: place for name in tree.photos if (place := _place(name, _IMAGES))}
    if {label for _, label in photos.values()} != _LABELS:
        return None
    masks = {
        (place[0], PurePosixPath(name).stem.casefold()): name
        for name in tree.photos
        if (place := _place(name, _MASKS))
    }
    kinds = _kinds(tree)
    several = len({item for item, _ in photos.values()}) > 1
    entries = []
    for name, (item, label) in photos.items():
        file = PurePosixPath(name)
        marked = label == "anomaly"
        mask = masks.get((item, file.stem.casefold())) if marked else None
        kind = kinds.get((item, label, file.name.casefold()), "") if marked else ""
        given = (("object", item if several else ""), (DEFECT_COLUMN, kind))
        columns = tuple((column, value) for column, value in given if value)
        entry = Entry(name, tree.photos[name], label, None, None, columns)
        entries.append(replace(entry, mask=tree.photos[mask] if mask else None))
    return Gathered("visa", _seen(tree, photos, entries), entries, _unused(tree, entries, masks))


def _seen(tree: Tree, photos: Mapping[str, tuple[str, str]], entries: Sequence[Entry]) -> str:
    objects = len({item for item, _ in photos.values()})
    which = f"{objects} objects together" if objects > 1 else "one object"
    marked = counted(sum(entry.mask is not None for entry in entries), "mask")
    seen = f"VisA ({which}): normal and anomaly, kinds in the column {DEFECT_COLUMN}, {marked}"
    if any(name.partition("/")[0] == "split_csv" for name in tree.others):
        seen += "; the splits of split_csv/ are not used, pass one of its CSVs for that"
    return seen


def _unused(
    tree: Tree, entries: Sequence[Entry], masks: Mapping[tuple[str, str], str]
) -> list[Finding]:
    used = {entry.path for entry in entries} | {entry.mask for entry in entries}
    unused = [name for name, path in tree.photos.items() if path not in used]
    every_mask = frozenset(masks.values())
    return [
        *left_out([n for n in unused if n not in every_mask], "not in Data/Images of an object"),
        *left_out([n for n in unused if n in every_mask], "masks without a photo"),
    ]


def _place(name: str, folders: tuple[str, str]) -> tuple[str, str] | None:
    """Object and folder (``normal`` or ``anomaly``) of a file in Data/Images or Data/Masks."""
    steps = name.split("/")
    if len(steps) < 4:
        return None
    data, images, label = (step.casefold() for step in steps[-4:-1])
    if (data, images) != folders or label not in _LABELS:
        return None
    return "/".join(steps[:-4]), label


def _kinds(tree: Tree) -> Mapping[tuple[str, str, str], str]:
    """The kinds of each photo, joined by |, by object, folder and file name.

    A photo that is in several rows has the kinds of all of them.
    """
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for name, path in tree.others.items():
        if PurePosixPath(name).name.casefold() != "image_anno.csv":
            continue
        item = name.rpartition("/")[0]
        for row in csv.DictReader(io.StringIO(read_text(path, 1 << 28) or "")):
            image = str(row.get("image") or "").replace("\\", "/").split("/")
            label = str(row.get("label") or "")
            if len(image) > 1:
                kinds = (part.strip() for part in label.split(",") if part.strip())
                found[item, image[-2].casefold(), image[-1].casefold()].update(kinds)
    return {photo: KINDS_BETWEEN.join(sorted(kinds)) for photo, kinds in found.items()}
