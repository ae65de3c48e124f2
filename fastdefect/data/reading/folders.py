"""Photos labelled by their folder: ``good/7.jpg`` or ``train/good/7.jpg``."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import SPLIT_WORDS, Entry, Layout
from fastdefect.data.reading.formats import IMAGE_SUFFIXES, holds_pictures, unread_findings
from fastdefect.errors import DataError
from fastdefect.text import first

EMPTY_CLASS = Check(
    "empty_class",
    "warning",
    rank=190,
    meaning="a class folder without photos, which is not a class",
    of_photos=False,
)
NO_LABEL = Check(
    "no_label", "warning", rank=200, meaning="photos outside the class folders, which are excluded"
)
LEFT_OUT = Check(
    "left_out",
    "info",
    rank=210,
    meaning="folders beside train, valid and test, which are excluded",
    of_photos=False,
)
NOT_A_PHOTO = Check(
    "not_a_photo",
    "info",
    rank=220,
    meaning="files without a photo suffix, which are excluded",
    of_photos=False,
)

# System files of Windows, macOS and Synology. Hidden names start with a dot.
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})


@dataclass
class Gathered:
    """The result of one walk through a data folder; names are relative to the folder."""

    layout: Layout = "classes"
    entries: list[Entry] = field(default_factory=list)
    photos_in: dict[str, int] = field(default_factory=dict)  # count by class, 0 for an empty folder
    loose: list[str] = field(default_factory=list)  # photos outside the class folders
    others: list[str] = field(default_factory=list)  # files without the suffix of a readable photo
    left_out: list[str] = field(default_factory=list)  # folders beside train, valid and test


def gather_folders(root: Path) -> Gathered:
    """Walk the class folders of ``root``, or of its train, valid and test folders.

    Every file is an entry or is reported by ``gathered_findings``; only hidden files and system
    files are skipped. Raises ``DataError`` for ambiguous split folders and for folders that
    cannot be listed.
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
    """Findings on empty class folders, loose photos, other folders and other files."""
    empty = sorted(label for label, photos in gathered.photos_in.items() if not photos)
    others = [name for name in gathered.others if not holds_pictures(name)]
    found = (
        (EMPTY_CLASS, "Class folders without photos, which are not classes", empty),
        (NO_LABEL, "Photos outside the class folders, excluded", gathered.loose),
        (LEFT_OUT, "Folders beside train, valid and test, excluded", gathered.left_out),
        (NOT_A_PHOTO, "Files without a photo suffix, excluded", others),
    )
    return unread_findings(gathered.others) + [
        check.finding(f"{text} ({len(names)}): {first(names)}.", len(names), names)
        for check, text, names in found
        if names
    ]


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders of given splits, by split; empty for another layout."""
    folders = _folders(root)
    splits: dict[str, Path] = {}
    for folder in folders:
        split = SPLIT_WORDS.get(folder.name.casefold())
        if split in splits:
            raise DataError(
                f"Expected one folder per split in {root}, but found {splits[split].name} and "
                f"{folder.name}.",
                "Move the class folders of one into the other and remove the empty folder.",
            )
        if split is not None:
            splits[split] = folder
    if "train" in splits and _folders(splits["train"]):
        return splits
    if splits and len(splits) == len(folders):
        raise DataError(
            f"Expected class folders in {root / 'train'}, but found "
            f"{'none' if 'train' in splits else 'no such folder'} beside "
            f"{', '.join(folder.name for folder in folders)}.",
            "Move the training photos into train/CLASS/.",
        )
    return {}  # a single folder "test" among others is a class


def _gather_classes(root: Path, folder: Path, split: str | None, gathered: Gathered) -> None:
    for child in _children(folder):
        path = Path(child.path)
        if child.is_dir():
            # macOS may return decomposed names; NFC gives one class one name.
            label = unicodedata.normalize("NFC", child.name)
            _gather_class(root, path, label, split, gathered)
        elif _is_photo(child.name):
            gathered.loose.append(_name(root, path))
        elif holds_pictures(child.name):
            gathered.others.append(_name(root, path))


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
    # A name on disk that is not UTF-8 (Linux) cannot be written to a CSV.
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
        else:  # including a broken link, which is then reported as unreadable
            yield Path(child.path)


def _children(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            kept = [e for e in found if e.name[0] != "." and e.name.casefold() not in _SYSTEM_FILES]
    except OSError as error:
        raise DataError(
            f"Cannot list the folder {folder}: {error.strerror}.",
            "Check its permissions.",
        ) from error
    return sorted(kept, key=lambda entry: entry.name)
