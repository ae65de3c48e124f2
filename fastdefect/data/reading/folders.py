"""Photos that say by their folder what they show: ``good/7.jpg`` or ``train/good/7.jpg``."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import SPLIT_WORDS, Entry, Layout
from fastdefect.data.reading.images import IMAGE_SUFFIXES
from fastdefect.errors import DataError
from fastdefect.text import first

EMPTY_CLASS = Check(
    "empty_class",
    "warning",
    rank=190,
    meaning="a class folder without photos, so no class",
    of_photos=False,
)
NO_LABEL = Check(
    "no_label", "warning", rank=200, meaning="photos in no class folder, which are left out"
)
LEFT_OUT = Check(
    "left_out",
    "info",
    rank=210,
    meaning="folders beside train, valid and test, which are left out",
    of_photos=False,
)
NOT_A_PHOTO = Check(
    "not_a_photo",
    "info",
    rank=220,
    meaning="files that are no photos by name, which are left out",
    of_photos=False,
)

# Left behind by Windows, macOS and Synology; hidden names begin with a dot.
_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})


@dataclass
class Gathered:
    """What one walk through a data folder brought; names are relative to the folder."""

    layout: Layout = "classes"
    entries: list[Entry] = field(default_factory=list)
    photos_in: dict[str, int] = field(default_factory=dict)  # by class, 0 for an empty folder
    loose: list[str] = field(default_factory=list)  # photos in no class folder
    others: list[str] = field(default_factory=list)  # files that are no photos by their names
    left_out: list[str] = field(default_factory=list)  # folders beside train, valid and test


def gather_folders(root: Path) -> Gathered:
    """Walk the class folders of ``root``, or of its train, valid and test folders.

    Every file is either an entry or told of in ``gathered_findings``; only hidden files and
    operating systems' litter are passed over. Raises ``DataError`` for split folders that
    can't be understood and for folders that can't be listed.
    """
    gathered = Gathered()
    splits = _split_folders(root)
    if not splits:
        _gather_classes(root, root, None, gathered)
        return gathered
    gathered.layout = "splits"
    gathered.left_out = [f.name for f in _folders(root) if f not in splits.values()]
    for split, folder in splits.items():
        _gather_classes(root, folder, split, gathered)
    return gathered


def gathered_findings(gathered: Gathered) -> list[Finding]:
    """Empty class folders, loose photos, other folders and other files: each said once."""
    empty = sorted(label for label, photos in gathered.photos_in.items() if not photos)
    found = (
        (EMPTY_CLASS, "Class folders without photos, so no classes", empty),
        (NO_LABEL, "Photos in no class folder, left out", gathered.loose),
        (LEFT_OUT, "Folders beside train, valid and test, left out", gathered.left_out),
        (NOT_A_PHOTO, "Files that are no photos by name, left out", gathered.others),
    )
    return [
        check.finding(f"{text} ({len(names)}): {first(names)}.", len(names), names)
        for check, text, names in found
        if names
    ]


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders of given splits, by split; empty where this is another layout."""
    folders = _folders(root)
    splits: dict[str, Path] = {}
    for folder in folders:
        split = SPLIT_WORDS.get(folder.name.casefold())
        if split in splits:
            raise DataError(
                f"Two folders for one split in {root}: {splits[split].name} and {folder.name}.",
                "Keep one of them, or move its class folders into the other.",
            )
        if split is not None:
            splits[split] = folder
    if "train" in splits and _folders(splits["train"]):
        return splits
    if splits and len(splits) == len(folders):
        raise DataError(
            f"Expected class folders in {root / 'train'}, found "
            f"{'none there' if 'train' in splits else 'no such folder'}, "
            f"beside {', '.join(folder.name for folder in folders)}.",
            "Put the photos to train on into train/CLASS/.",
        )
    return {}  # one folder called "test" among others is a class like any other


def _gather_classes(root: Path, folder: Path, split: str | None, gathered: Gathered) -> None:
    for child in _children(folder):
        path = Path(child.path)
        if child.is_dir():
            # macOS may hand names out decomposed: NFC makes the same class the same name.
            label = unicodedata.normalize("NFC", child.name)
            _gather_class(root, path, label, split, gathered)
        elif _is_photo(child.name):
            gathered.loose.append(_name(root, path))


def _gather_class(
    root: Path, folder: Path, label: str, split: str | None, gathered: Gathered
) -> None:
    gathered.photos_in.setdefault(label, 0)
    for path in _files(folder, ()):
        if _is_photo(path.name):
            gathered.photos_in[label] += 1
            gathered.entries.append(Entry(_name(root, path), path, label, None, split))
        else:
            gathered.others.append(_name(root, path))


def _name(root: Path, path: Path) -> str:
    # A name that is no UTF-8 on disk (Linux) could not be written into any CSV.
    name = path.relative_to(root).as_posix()
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_photo(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def _folders(folder: Path) -> list[Path]:
    return [Path(child.path) for child in _children(folder) if child.is_dir()]


def _files(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """All files at any depth. A link to a folder is followed unless it leads in a circle."""
    real = folder.resolve()
    if real in above:
        return
    for child in _children(folder):
        if child.is_dir():
            yield from _files(Path(child.path), (*above, real))
        else:  # a broken link too: it becomes a photo that can't be read, not a silent loss
            yield Path(child.path)


def _children(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            kept = [e for e in found if e.name[0] != "." and e.name.casefold() not in _LITTER]
    except OSError as error:
        raise DataError(
            f"Can't list the folder {folder}: {error.strerror}.",
            "Check that you may read it.",
        ) from error
    return sorted(kept, key=lambda entry: entry.name)
