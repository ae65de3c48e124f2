"""Which folders of a tree hold photos and tables, found in one pass over its files."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from fastdefect.data.reading.layouts.masks import Masks
from fastdefect.data.reading.layouts.tree import Tree
from fastdefect.data.reading.tables.rows import TABLE_SUFFIXES


@dataclass(frozen=True)
class Contents:
    """The folders by what they hold; the name of the root is empty.

    ``with_photos``, ``with_unmasked`` and ``with_tables`` are the folders with a photo, a photo
    that is no mask, or a table directly in them. ``folders`` are those that hold a photo that is no
    mask at any depth, by the folder around them, in the order of the tree.
    """

    with_photos: frozenset[str]
    with_unmasked: frozenset[str]
    with_tables: frozenset[str]
    folders: Mapping[str, tuple[str, ...]]

    def inner(self, folder: str) -> tuple[str, ...]:
        """The folders directly in ``folder`` that hold a photo, which is no mask, at any depth."""
        return self.folders.get(folder, ())


def contents_of(tree: Tree, masks: Masks) -> Contents:
    """What the folders of the tree hold."""
    # A dict as a set, because it keeps the order.
    unmasked = dict.fromkeys(_folder(name) for name in tree.photos if name not in masks.every)
    tables = (n for n in tree.others if PurePosixPath(n).suffix.lower() in TABLE_SUFFIXES)
    return Contents(
        frozenset(map(_folder, tree.photos)),
        frozenset(unmasked),
        frozenset(map(_folder, tables)),
        _by_folder_around(unmasked),
    )


def _by_folder_around(folders: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The folders and all folders around them, by the folder directly around each."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for folder in folders:
        inner = folder
        while inner and inner not in found[_folder(inner)]:
            found[_folder(inner)][inner] = None
            inner = _folder(inner)
    return {around: tuple(inner) for around, inner in found.items()}


def _folder(name: str) -> str:
    """The folder that a file or folder is directly in; empty for the root."""
    return name.rpartition("/")[0]
