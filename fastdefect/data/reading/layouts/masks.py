"""Masks that lie among the photos: recognised by their names, then by their grey values."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fastdefect.data.reading.images import IMAGE_SUFFIXES
from fastdefect.data.reading.layouts.sides import side_of
from fastdefect.data.reading.marks import marks_of
from fastdefect.data.reading.object_store import Place

# Folders of masks, and folders of the photos beside them. Case, blanks, - and _ are ignored.
_MASK_FOLDERS = frozenset(
    "mask masks gt groundtruth groundtruths annotation annotations segmentation segmentations "
    "seg segs label labels".split()
)
_PHOTO_FOLDERS = frozenset("image images img imgs photo photos picture pictures rgb".split())
_MASK_STEM = re.compile(
    r"^(?:(?:mask|gt|seg)[ _.-]+(?P<after>.+)"
    r"|(?P<before>.+?)[ _.-]+(?:mask|gt|label|seg|segmentation|groundtruth|ground_truth))$"
)


@dataclass(frozen=True)
class Masks:
    """Which photo has which mask, by name.

    ``drawn`` are the masks that mark anything. ``spare`` are masks without a photo.
    """

    of: dict[str, str] = field(default_factory=dict)
    drawn: frozenset[str] = frozenset()
    spare: tuple[str, ...] = ()
    every: frozenset[str] = frozenset()

    def marks(self, photo: str) -> bool:
        """Whether the photo has a mask that marks anything."""
        return self.of.get(photo) in self.drawn


def find_masks(photos: Mapping[str, Place]) -> Masks:
    """Separate masks from photos.

    A mask has the stem of its photo, with or without a suffix such as ``_mask`` or ``_gt``, and
    lies beside it or in a folder such as ``masks`` or ``ground_truth``. Only files whose names
    fit are opened. They must have two grey values (where the name says mask, also soft edges or
    one value for each kind of defect), so that a photo of the same stem stays a photo.
    """
    named = [name for name in photos if _says_mask(name)]
    found: dict[str, str | None] = {}
    drawn: set[str] = set()
    pairs = _named_pairs(photos, named) + _same_stem_pairs(photos, set(named))
    for mask, photo, lenient in pairs:
        marks = marks_of(photos[mask], lenient=lenient)
        if marks is None or mask in found:
            continue
        found[mask] = photo
        if marks:
            drawn.add(mask)
    folders = {_folder(mask) for mask in found if _in_mask_folder(mask)}
    for name in named:  # in a folder of masks, but of no photo
        inside = name not in found and _folder(name) in folders
        if inside and marks_of(photos[name], lenient=True) is not None:
            found[name] = None
    of = {
        photo: mask
        for mask, photo in reversed(found.items())  # the first mask of a photo is kept
        if photo is not None and photo not in found
    }
    spare = tuple(sorted(mask for mask, photo in found.items() if photo is None))
    return Masks(of, frozenset(drawn), spare, frozenset(found))


def may_have_masks(names: Iterable[str]) -> bool:
    """Whether ``find_masks`` could find any: a name says mask, or photos differ in their suffixes.

    It keeps none of the names.
    """
    suffixes: set[str] = set()
    for name in names:
        suffixes.add(name.rpartition(".")[2].casefold())
        if len(suffixes) > 1 or _says_mask(name):
            return True
    return False


def is_photo_folder(name: str) -> bool:
    """Whether a folder is named after the photos in it, such as ``images``: not a class."""
    return _plain(name) in _PHOTO_FOLDERS


def is_mask_folder(name: str) -> bool:
    """Whether a folder is named after masks."""
    return _plain(name) in _MASK_FOLDERS


def _named_pairs(
    photos: Mapping[str, Place], named: Iterable[str]
) -> list[tuple[str, str | None, bool]]:
    """(mask, photo, lenient) of the names that say mask and fit a photo."""
    masks = set(named)
    by_key: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in photos:
        if name not in masks and masks:
            folders, stem = _key(name)
            for start in range(len(folders) + 1):
                by_key[(*folders[start:], stem)].append(name)
    pairs: list[tuple[str, str | None, bool]] = []
    for mask in masks:
        folders, stem = _key(mask)
        keys = [(*folders, stem)]
        if folders:  # a folder for each photo, with its masks numbered: 007/000.png
            keys.append(folders)
        fits = next((fits for key in keys if (fits := by_key.get(key))), [])
        partner = _nearest(mask, fits)
        if fits:
            pairs.append((mask, partner, True))
    return sorted(pairs)


def _nearest(mask: str, photos: list[str]) -> str | None:
    """The only photo, or the one that shares the most folders with the mask, or that of a test."""
    if len(photos) <= 1:
        return photos[0] if photos else None
    own = _folder(mask).casefold().split("/")

    def shared(photo: str) -> tuple[int, int, bool]:
        folders = _folder(photo).casefold().split("/")
        alike = len([1 for folder in folders if folder in own])
        return alike, -len(folders), any(side_of(folder) == "test" for folder in folders)

    best = max(map(shared, photos))
    nearest = [photo for photo in photos if shared(photo) == best]
    return nearest[0] if len(nearest) == 1 else None


def _same_stem_pairs(
    photos: Mapping[str, Place], named: set[str]
) -> list[tuple[str, str | None, bool]]:
    """(mask, photo, lenient) of files that differ in their suffixes only."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in photos:
        if name not in named:
            by_stem[name.rpartition(".")[0].casefold()].append(name)
    pairs: list[tuple[str, str | None, bool]] = []
    for group in by_stem.values():
        if len(group) == 1:
            continue
        real = [name for name in group if marks_of(photos[name], lenient=False) is None]
        if real:
            pairs += [(name, real[0], False) for name in group if name not in real]
    return pairs


def _says_mask(name: str) -> bool:
    return _in_mask_folder(name) or bool(_MASK_STEM.match(_stem(name)))


def _in_mask_folder(name: str) -> bool:
    return any(is_mask_folder(folder) for folder in _folder(name).split("/"))


def _key(name: str) -> tuple[tuple[str, ...], str]:
    """The folders and the stem, without what names masks or photos."""
    folders = [folder.casefold() for folder in _folder(name).split("/") if folder]
    stem = _stem(name)
    if found := _MASK_STEM.match(stem):
        stem = found["after"] or found["before"]
    kept = [f for f in folders if not is_mask_folder(f) and not is_photo_folder(f)]
    return tuple(kept), stem


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _stem(name: str) -> str:
    stem = name.rpartition("/")[2].casefold()
    while (cut := stem.rpartition("."))[0] and f".{cut[2]}" in IMAGE_SUFFIXES:
        stem = cut[0]  # 7.jpg.png, too
    return stem


def _plain(name: str) -> str:
    return re.sub(r"[ _-]+", "", name.casefold())
