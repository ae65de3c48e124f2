"""Class folders, and sides with class folders in them: ``good/7.jpg``, ``train/good/7.jpg``.

MVTec AD is of this kind: its train has good parts only, and its masks are in ``ground_truth``.
"""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.findings import Finding
from fastdefect.data.photos import Entry, Layout
from fastdefect.data.reading.formats import holds_pictures
from fastdefect.data.reading.good_class import recognise_good
from fastdefect.data.reading.layouts.contents import Contents, contents_of
from fastdefect.data.reading.layouts.gathered import (
    NO_LABEL,
    Gathered,
    empty_classes,
    left_out,
    no_photos,
)
from fastdefect.data.reading.layouts.masks import Masks, is_mask_folder, is_photo_folder
from fastdefect.data.reading.layouts.sides import sides_of
from fastdefect.data.reading.layouts.tree import Tree
from fastdefect.errors import DataError
from fastdefect.text import counted, first, listed


@dataclass(frozen=True)
class Folders:
    """How the folders of a tree are read: the folder of all photos, and its sides, by name.

    ``base`` is empty for the root itself; ``sides`` maps the name of a folder to its side.
    ``inner``: in each side, the class folders are in a folder such as ``images``. ``in_classes``:
    the sides are in the class folders (``good/train/7.jpg``).
    """

    base: str
    sides: dict[str, str]
    inner: bool = False
    in_classes: bool = False

    def label_of(self, name: str) -> tuple[str | None, str | None, bool]:
        """Side and class of a photo, and whether it is below the folders that are read."""
        inner = name.removeprefix(f"{self.base}/") if self.base else name
        steps = inner.split("/")
        if self.base and inner == name:
            return None, None, False
        side = None
        if self.in_classes:
            # Other files than photos may be in other folders of a class.
            side = self.sides.get(steps[1]) if len(steps) > 2 else None
            if side is not None:
                steps.pop(1)
        elif self.sides:
            side = self.sides.get(steps.pop(0)) if len(steps) > 1 else None
            if side is None:
                return None, None, False
            if self.inner and len(steps) > 2 and is_photo_folder(steps[0]):
                steps.pop(0)
        label = _nfc(steps[0]) if len(steps) > 1 else None
        return side, label, True


def gather_folders(tree: Tree, masks: Masks) -> Gathered:
    """The photos by their class folders, in the sides of the root if there are any.

    Raises ``DataError`` for sides that are ambiguous or without classes, and for several data
    sets in one folder.
    """
    folders = find_folders(tree, masks)
    if not folders.sides:
        _refuse_several(tree, folders.base, contents_of(tree, masks))
    entries: list[Entry] = []
    loose: list[str] = []
    beside: list[str] = []
    for name, path in tree.photos.items():
        if name in masks.every:
            continue
        side, label, inside = folders.label_of(name)
        if label is not None:
            mask = masks.of.get(name)
            entries.append(
                Entry(name, path, label, None, side, mask=tree.photos[mask] if mask else None)
            )
        else:
            (loose if inside or "/" not in name else beside).append(name)
    empty = _empty(tree, folders, {entry.label for entry in entries}, masks)
    layout, seen = _named(folders, entries, masks)
    findings = [
        *empty_classes(empty),
        *_loose(loose),
        *left_out(beside, f"beside {_sides_in_words(tree, folders)}"),
        *left_out(masks.spare, "masks without a photo"),
        *no_photos(_others(tree, folders)),
    ]
    return Gathered(layout, seen, entries, findings, *_lack(tree, entries, empty, loose))


def find_folders(tree: Tree, masks: Masks) -> Folders:
    """The folder of the class folders, and the sides; see ``Folders``."""
    contents = contents_of(tree, masks)
    base = ""
    while True:  # "images" alone is a folder of photos and not a class
        top = contents.inner(base)
        if len(top) != 1 or not is_photo_folder(Path(top[0]).name):
            break
        base = top[0]
    base = _data_set_in(contents, base) or base
    sides = _side_folders(tree, base)
    if not sides and (in_classes := _sides_in_classes(contents, base)):
        return Folders(base, in_classes, in_classes=True)
    in_sides = [
        steps[1:]
        for name in tree.photos
        if name not in masks.every
        and (steps := name.removeprefix(f"{base}/").split("/"))[0] in sides
    ]
    inner = all(len(steps) > 2 and is_photo_folder(steps[0]) for steps in in_sides)
    return Folders(base, sides, inner and bool(in_sides))


def _data_set_in(contents: Contents, folder: str) -> str | None:
    """The folder of a data set below folders that hold nothing else, as an archive has them.

    It must have a train or a class whose name means good: ``ok/monday`` and ``ok/tuesday`` are
    photos of one class. None if there is none, also if there are photos or a table on the way: a
    table says more than the folders around its photos.
    """
    if folder in contents.with_photos or (folder and folder in contents.with_tables):
        return None
    inner = contents.inner(folder)
    names = [Path(each).name for each in inner]
    if "train" in sides_of(names).values() or recognise_good(names) is not None:
        return folder
    return _data_set_in(contents, inner[0]) if len(inner) == 1 else None


def _sides_in_classes(contents: Contents, base: str) -> dict[str, str]:
    """The sides in class folders, by name; empty unless each photo of each class is in one."""
    classes = contents.inner(base)
    deep = [inner for each in classes for inner in contents.inner(each)]
    names = {Path(each).name for each in deep}
    sides = sides_of(sorted(names))
    if names != set(sides) or "train" not in sides.values():
        return {}
    if any(map(contents.inner, deep)):
        return {}  # rather several data sets, or classes in sides in something else
    return sides if contents.with_unmasked <= set(deep) else {}


def _side_folders(tree: Tree, base: str) -> dict[str, str]:
    """The side by the name of its folder; empty for another layout."""
    folders = tree.top_folders(base)
    sides = sides_of([Path(folder).name for folder in folders])
    at = tree.root / base
    for side in ("train", "valid", "test"):
        same = [name for name, its in sides.items() if its == side]
        numbered = set(sides.values()) == {side} and not all(map(str.isalpha, same))
        if len(same) > 1 and not numbered:  # train1 and train2 alone may be classes
            raise DataError(
                f"Expected one folder per split in {at}, but found {listed(same)}.",
                "Move the class folders of one into the other and remove the empty folder.",
            )
    train = [name for name, side in sides.items() if side == "train"]
    inner = tree.top_folders(f"{base}/{train[0]}" if base else train[0]) if train else []
    if inner and len(train) == 1:
        return sides
    if sides and len(sides) == len(folders) and len(set(sides.values())) == len(sides):
        raise DataError(
            f"Expected class folders in {at / 'train'}, but found "
            f"{'none' if train else 'no such folder'} beside "
            f"{', '.join(Path(folder).name for folder in folders)}.",
            "Move the training photos into train/CLASS/.",
        )
    return {}  # a single folder "test" among others is a class


def _refuse_several(tree: Tree, base: str, contents: Contents) -> None:
    """Refuse a folder of data sets, each with its own classes: their names are no classes."""
    top = contents.inner(base)
    sets = [found for folder in top if (found := _data_set_in(contents, folder))]
    if len(sets) > 1 and len(sets) == len(top):
        raise DataError(
            f"Expected one data set in {tree.root / base}, but found {len(sets)}, each with "
            f"classes of its own: {first([name.removeprefix(f'{base}/') for name in sets])}.",
            f"Pass the folder of one of them, for example {tree.root / sets[0]}",
        )


def _named(folders: Folders, entries: list[Entry], masks: Masks) -> tuple[Layout, str]:
    """The layout and the line that names it."""
    layout: Layout = "splits" if folders.sides else "classes"
    kept = ""
    if masks.of:
        kept = f"; {counted(len(masks.of), 'mask')} beside photos, kept as facts of these photos"
    where = f" in {folders.base}" if folders.base else ""
    if not folders.sides:
        return layout, f"class folders{where}{kept}"
    sides = {
        side: [name for name, its in folders.sides.items() if its == side]
        for side in ("train", "valid", "test")
    }
    words = [
        side if names == [side] else f"{names[0]} (as {side})"
        for side, names in sides.items()
        if names
    ]
    trained = {entry.label for entry in entries if entry.split == "train"}
    others = {entry.label for entry in entries} - trained
    if others and len(trained) == 1 and recognise_good(sorted(trained)):
        which = listed(words) if len(words) > 1 else words[0]
        return "mvtec", f"MVTec AD: {which}, with good parts alone in train{kept}"
    within = listed(words) if len(words) > 1 else words[0]
    if folders.in_classes:
        return layout, f"class folders{where} with {within}{kept}"
    return layout, f"class folders in {within}{where}{kept}"


def _empty(tree: Tree, folders: Folders, labels: set[str], masks: Masks) -> list[str]:
    """Class folders without photos; a folder of masks is none."""
    at = [folders.base]
    if folders.sides and not folders.in_classes:
        at = [f"{folders.base}/{name}".strip("/") for name in folders.sides]
    of_masks = {"/".join(mask.split("/")[:depth]) for mask in masks.every for depth in range(1, 9)}
    found = {
        _nfc(Path(folder).name)
        for above in at
        for folder in tree.top_folders(above)
        if folder not in of_masks
    }
    known = {name for name in found if folders.inner and is_photo_folder(name)}
    known |= {n for n in found if (folders.inner or masks.every) and is_mask_folder(n)}
    return sorted(found - labels - known)


def _loose(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = f"Photos outside the class folders, excluded ({len(names)}): {first(names)}."
    return [NO_LABEL.finding(text, len(names), names)]


def _sides_in_words(tree: Tree, folders: Folders) -> str:
    names = list(folders.sides) or [folders.base or tree.root.name]
    return "the folders " + listed(names) if len(names) > 1 else f"the folder {names[0]}"


def _others(tree: Tree, folders: Folders) -> list[str]:
    """Other files in the class folders, and pictures that are not read wherever they are.

    A text beside the class folders belongs to the data set as a whole.
    """
    return [n for n in tree.others if folders.label_of(n)[1] is not None or holds_pictures(n)]


def _lack(tree: Tree, entries: list[Entry], empty: list[str], loose: list[str]) -> tuple[str, str]:
    """What else was found where there are too few classes, and what to do."""
    lack, hint = "", ""
    if empty:
        lack += f", {counted(len(empty), 'folder')} without photos ({first(empty)})"
    if loose:
        lack += f", {counted(len(loose), 'photo')} outside the class folders"
        hint = "Move each photo into a folder with the name of its class."
    inner = sorted({steps[1] for e in entries if len(steps := e.name.split("/")) > 2})
    if len(inner) > 1 and not any(entry.split for entry in entries):
        top = tree.root / entries[0].name.partition("/")[0]
        hint += f" Did you mean {top}? It contains {first(inner)}."
    return lack, hint.strip()


def _nfc(name: str) -> str:
    # macOS may return decomposed names; NFC gives one class one name.
    return unicodedata.normalize("NFC", name)
