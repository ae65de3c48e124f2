"""Photos without class folders, labelled by their masks: a mask that marks anything is a defect."""

from collections import defaultdict

from fastdefect.data.photos import Entry
from fastdefect.data.reading.layouts.class_folders import find_folders
from fastdefect.data.reading.layouts.gathered import Gathered, left_out
from fastdefect.data.reading.layouts.masks import Masks
from fastdefect.data.reading.layouts.sides import sides_by_folder
from fastdefect.data.reading.layouts.tree import Tree
from fastdefect.errors import DataError

GOOD, DEFECT = "good", "defect"


def gather_masked(tree: Tree, masks: Masks) -> Gathered | None:
    """The photos as good or defect by their masks; None if they have class folders, or no masks.

    A photo without a mask, or with an empty one, is good. Folders are no classes where there is
    at most one, or where most hold photos of both kinds.
    """
    if not masks.drawn:
        return None
    names = [name for name in tree.photos if name not in masks.every]
    if _has_classes(tree, masks, names):
        return None
    sides = sides_by_folder(names)
    entries = [
        Entry(
            name,
            tree.photos[name],
            DEFECT if masks.marks(name) else GOOD,
            None,
            sides.get(name),
            mask=tree.photos[masks.of[name]] if name in masks.of else None,
        )
        for name in names
    ]
    seen = (
        f"photos beside masks, without class folders: {DEFECT} where the mask marks anything, "
        f"else {GOOD} ({len(names) - len(masks.of)} photos have no mask)"
    )
    return Gathered("masks", seen, entries, left_out(masks.spare, "masks without a photo"))


def _has_classes(tree: Tree, masks: Masks, names: list[str]) -> bool:
    try:
        folders = find_folders(tree, masks)
    except DataError:  # sides without class folders
        return False
    kinds: dict[str, set[bool]] = defaultdict(set)
    for name in names:
        label = folders.label_of(name)[1]
        if label is not None:
            kinds[label].add(masks.marks(name))
    mixed = sum(len(marked) == 2 for marked in kinds.values())
    return len(kinds) > 1 and mixed <= len(kinds) / 2
