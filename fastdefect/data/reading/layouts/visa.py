"""VisA: ``OBJECT/Data/Images/Normal`` and ``Anomaly``, masks, and ``image_anno.csv``."""

import csv
import io
from collections.abc import Mapping
from pathlib import PurePosixPath

from fastdefect.data.photos import Entry
from fastdefect.data.reading.layouts.annotated import KINDS
from fastdefect.data.reading.layouts.gathered import Gathered, left_out
from fastdefect.data.reading.layouts.tree import Tree, read_text
from fastdefect.text import counted

_LABELS = {"normal": "normal", "anomaly": "anomaly"}  # of its folders, as its CSVs call them
_IMAGES, _MASKS = ("data", "images"), ("data", "masks")


def gather_visa(tree: Tree) -> Gathered | None:
    """The photos as normal or anomaly, with their kinds and masks; None if it is not VisA.

    The root is one object, or a folder of objects; then the object is a column.
    """
    photos = {name: steps for name in tree.photos if (steps := _place(name, _IMAGES))}
    if not photos or {_LABELS.get(label) for _, label in photos.values()} != set(_LABELS.values()):
        return None
    masks = {
        (place[0], PurePosixPath(name).stem.casefold()): name
        for name in tree.photos
        if (place := _place(name, _MASKS))
    }
    kinds = _kinds(tree)
    objects = sorted({item for item, _ in photos.values()})
    entries = []
    for name, (item, folder) in photos.items():
        file = PurePosixPath(name)
        mask = masks.pop((item, file.stem.casefold()), None) if folder == "anomaly" else None
        kind = kinds.get((item, folder, file.name.casefold()), "") if folder == "anomaly" else ""
        columns = {"object": item if len(objects) > 1 else "", KINDS: kind}
        entries.append(
            Entry(
                name,
                tree.photos[name],
                _LABELS[folder],
                None,
                None,
                tuple((column, value) for column, value in columns.items() if value),
                mask=tree.photos[mask] if mask else None,
            )
        )
    used = {*photos, *(name for name in tree.photos if _place(name, _MASKS))} - {*masks.values()}
    beside = [name for name in tree.photos if name not in used and name not in masks.values()]
    which = f"{len(objects)} objects together" if len(objects) > 1 else "one object"
    marked = counted(sum(entry.mask is not None for entry in entries), "mask")
    seen = f"VisA ({which}): normal and anomaly, kinds in the column {KINDS}, {marked}"
    if any(name.partition("/")[0] == "split_csv" for name in tree.others):
        seen += "; the splits of split_csv/ are not used, pass one of its CSVs for that"
    findings = [
        *left_out(beside, "not in Data/Images of an object"),
        *left_out(sorted(masks.values()), "masks without a photo"),
    ]
    return Gathered("visa", seen, entries, findings)


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
    """The kinds of each photo, joined by +, by object, folder and file name."""
    found: dict[tuple[str, str, str], str] = {}
    for name, path in tree.others.items():
        if PurePosixPath(name).name.casefold() != "image_anno.csv":
            continue
        item = name.rpartition("/")[0]
        for row in csv.DictReader(io.StringIO(read_text(path, 1 << 28) or "")):
            image = str(row.get("image") or "").replace("\\", "/").split("/")
            label = str(row.get("label") or "")
            if len(image) > 1:
                kinds = sorted(part.strip() for part in label.split(",") if part.strip())
                found[item, image[-2].casefold(), image[-1].casefold()] = "+".join(kinds)
    return found
