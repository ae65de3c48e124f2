"""Recognise the layout of a data folder, a table or a zip: the first that fits, in this order.

With ``--label-from``: the names of the files, or of a table. Without it: VisA, a table at the top
of the folder, a COCO set, a multi-label export, a YOLO set, photos whose masks are their labels,
sides with class folders (MVTec AD among them), class folders.
"""

from dataclasses import replace
from pathlib import Path

from fastdefect.data.reading.csv_table import NoPhotosFoundError, find_table, gather_table
from fastdefect.data.reading.formats import unread_findings
from fastdefect.data.reading.images import IMAGE_SUFFIXES
from fastdefect.data.reading.layouts.class_folders import gather_folders
from fastdefect.data.reading.layouts.coco import gather_coco
from fastdefect.data.reading.layouts.gathered import Gathered, classes_in_words
from fastdefect.data.reading.layouts.mask_labels import gather_masked
from fastdefect.data.reading.layouts.masks import (
    Masks,
    find_masks,
    is_mask_folder,
    is_photo_folder,
)
from fastdefect.data.reading.layouts.multilabel import gather_multilabel
from fastdefect.data.reading.layouts.names import gather_named, propose_pattern
from fastdefect.data.reading.layouts.sides import side_of
from fastdefect.data.reading.layouts.tree import Tree, read_text, walk
from fastdefect.data.reading.layouts.visa import gather_visa
from fastdefect.data.reading.layouts.yolo import gather_yolo
from fastdefect.data.reading.tables.rows import TABLE_SUFFIXES
from fastdefect.data.reading.zip_file import unpacked
from fastdefect.errors import DataError

LAYOUTS = """Supported layouts:
  class folders      splits               a CSV
  DATA/              DATA/                DATA/photos.csv
    good/1.jpg         train/good/1.jpg     path,label,part,split
    crack/2.jpg        train/crack/2.jpg    img/1.jpg,good,7,train
                       test/good/3.jpg      img/2.jpg,crack,8,
(valid/ and test/ folders and the columns part and split are optional). Also a zip, photos beside
masks, MVTec AD, VisA, YOLO, COCO, and labels in file names (--label-from)."""

# Those that are recognised by files of their own, which no set of class folders has.
_ANNOTATED = (gather_coco, gather_multilabel, gather_yolo)


def gather(data: Path, label_from: str | None, *, several: bool = False) -> tuple[Path, Gathered]:
    """The root of all names, and the candidate photos of ``data``, in the layout that fits.

    ``several``: the rows of a table may give one photo several defects. Raises ``DataError`` if
    ``data`` is neither a folder nor a table nor a zip.
    """
    suffix = data.suffix.lower()
    if suffix in TABLE_SUFFIXES and data.is_file():
        return data.parent, _from_table(data, walk(data.parent, lenient=True), label_from, several)
    if suffix == ".zip" and data.is_file():
        root = unpacked(data)
        gathered = _from_folder(root, label_from, several)
        return root, replace(gathered, seen=f"{gathered.seen} (unpacked from {data.name})")
    if not data.is_dir():
        raise _no_data(data)
    return data, _from_folder(data, label_from, several)


def _from_folder(root: Path, label_from: str | None, several: bool) -> Gathered:
    gathered, tree = _recognised(root, label_from, several)
    return replace(gathered, findings=[*unread_findings(tree.others), *gathered.findings])


def _recognised(root: Path, label_from: str | None, several: bool) -> tuple[Gathered, Tree]:
    """The candidate photos in the layout that fits, and the walk through the folder."""
    visa = label_from is None and _is_visa(root)
    table = None if visa else find_table(root, labelled=label_from is None)
    tree = walk(root, lenient=table is not None)
    if table is not None:
        try:
            return _from_table(table, tree, label_from, several), tree
        except NoPhotosFoundError as error:
            if label_from is None:
                return _folders_instead(table, tree, error), tree
            named = gather_named(tree, find_masks(tree.photos), label_from)
            return replace(named, seen=f"{named.seen}. {_not_used(table)}"), tree
    if label_from is not None:
        return gather_named(tree, find_masks(tree.photos), label_from), tree
    for gather_annotated in (gather_visa, *_ANNOTATED):
        if gathered := gather_annotated(tree):
            return _beside(gathered, _class_folders(tree, Masks())), tree
    return _from_class_folders(tree, find_masks(tree.photos)), tree


def _from_class_folders(tree: Tree, masks: Masks) -> Gathered:
    gathered = gather_masked(tree, masks) or gather_folders(tree, masks)
    if len({entry.label for entry in gathered.entries}) > 1:
        return gathered
    hints = [gathered.hint]
    names = [name for name in tree.photos if name not in masks.every]
    if pattern := propose_pattern(names):
        hints.insert(0, f"If the labels are in the file names: --label-from '{pattern}'.")
    hints += [_describe_unused(path) for path in _unused_tables(tree)]
    return replace(gathered, hint=" ".join(filter(None, hints)))


def _unused_tables(tree: Tree) -> list[Path]:
    """The tables at the top of the folder."""
    return [
        path
        for name, path in tree.others.items()
        if "/" not in name and path.suffix.lower() in TABLE_SUFFIXES
    ]


def _describe_unused(table: Path) -> str:
    """Why a table at the top of a folder is not used."""
    head = (read_text(table, 200) or "").partition("\n")[0].strip()
    return (
        f"{table.name} is not used: expected columns of paths and labels in its first line "
        f"(path,label or other "
        f"usual names), but found: {head or 'nothing'}."
    )


def _from_table(table: Path, tree: Tree, label_from: str | None, several: bool) -> Gathered:
    """The photos of the table; the line also says what class folders beside it would give."""
    masks = find_masks(tree.photos)
    gathered = gather_table(table, tree, masks, label_from, several=several)
    return _beside(gathered, _class_folders(tree, masks))


def _beside(gathered: Gathered, beside: Gathered | None) -> Gathered:
    """Extend the line by what the class folders would give, if there are any."""
    if beside is None:
        return gathered
    return replace(
        gathered,
        seen=f"{gathered.seen}: {classes_in_words(gathered.entries)}. The {beside.seen} beside it "
        f"are not used; they would give {classes_in_words(beside.entries)}",
    )


def _folders_instead(table: Path, tree: Tree, error: NoPhotosFoundError) -> Gathered:
    """The class folders beside a table of photos that are not there, if there are any."""
    masks = find_masks(tree.photos)
    beside = _class_folders(tree, masks)
    if beside is None:
        raise error
    return replace(beside, seen=f"{beside.seen}. {_not_used(table)}")


def _not_used(table: Path) -> str:
    return f"{table.name} is not used: none of the photos that it lists is found"


def _class_folders(tree: Tree, masks: Masks) -> Gathered | None:
    """The class folders of the tree; None if there are fewer than two classes.

    Folders of sides, photos or masks are no classes here.
    """
    try:
        found = gather_folders(tree, masks)
    except DataError:
        return None
    labels = {entry.label for entry in found.entries}
    named = [each for each in labels if not (side_of(each) or is_photo_folder(each))]
    return found if len(named) > 1 and not any(map(is_mask_folder, labels)) else None


def _is_visa(root: Path) -> bool:
    """Whether a CSV at the top may be that of a VisA object, which names no photo beside it."""
    return any(
        (root / data / images).is_dir()
        for data in ("Data", "data")
        for images in ("Images", "images")
    )


def _no_data(data: Path) -> DataError:
    if not data.exists():
        return DataError(
            f"Expected a folder of photos or a CSV, but {data} does not exist.",
            "Pass the path of your photos, or render a sample: fastdefect sample DIR",
        )
    kind = "a single photo" if data.suffix.lower() in IMAGE_SUFFIXES else "neither"
    return DataError(f"Expected a folder of photos or a CSV, but {data} is {kind}.", LAYOUTS)
