"""Find the photos that a table or an annotation file lists, however their paths are written."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fastdefect.data.reading.layouts.tree import is_photo

Way = Callable[[str], Path | None]


@dataclass(frozen=True)
class Found:
    """Where the photos are: ``paths`` by their written form, None where there is no such file.

    ``way`` says in words how all of them were found, and is empty for the first way. ``tried``
    has a line for each way where the last one was needed, for an error.
    """

    paths: Mapping[str, Path | None]
    way: str
    tried: tuple[str, ...]

    @property
    def count(self) -> int:
        """The number of photos that exist."""
        return sum(path is not None for path in self.paths.values())


def find_photos(texts: Sequence[str], folders: Mapping[str, Path], below: Iterable[Path]) -> Found:
    """Find the files of written paths, all in one way: the way that finds the most.

    The ways are, in this order: relative to each of ``folders`` (by their description; absolute
    paths are taken as they are), then, if none of these finds any, by the end of the path among
    the photos ``below``: a photo that has moved to another class is not found there by its name.
    A path has / between its steps. A missing suffix is added if one photo fits.
    """
    ways = [
        (words if n else "", _in_folder(folder))
        for n, (words, folder) in enumerate(folders.items())
    ]
    best = Found(dict.fromkeys(texts), "", ())
    for words, way in ways:
        found = Found({text: way(text) for text in texts}, words, ())
        best = max(best, found, key=lambda each: each.count)  # the first of equals
        if best.count == len(best.paths):
            return best
    if best.count:
        return best
    photos = list(below)
    by_tail = _by_tail(photos)
    example = texts[0] if texts else ""
    tried = [f"{folder / example} ({words})" for words, folder in folders.items()]
    tried.append(
        f"a photo named {PurePosixPath(example).name}, at any depth ({len(photos)} photos)"
    )
    paths = {text: by_tail(text) for text in texts}
    return Found(paths, "by name below its folder", tuple(tried))


def _in_folder(folder: Path) -> Way:
    listed: dict[Path, dict[str, list[Path]]] = {}

    def find(text: str) -> Path | None:
        path = Path(os.path.normpath(folder / text))
        try:
            if path.is_file() or is_photo(path.name):
                return path if path.is_file() else None
        except (OSError, ValueError):  # a NUL, or a name that is too long
            return None
        if path.parent not in listed:
            listed[path.parent] = _photos_by_stem(path.parent)
        same = listed[path.parent].get(path.name, [])
        return same[0] if len(same) == 1 else None

    return find


def _photos_by_stem(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    try:
        for path in folder.iterdir():
            if is_photo(path.name):
                found[path.stem].append(path)
    except (OSError, ValueError):
        pass
    return found


def _by_tail(photos: Iterable[Path]) -> Way:
    by_name: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    by_stem: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for path in photos:
        by_name[path.name.casefold()].append(path.parts)
        by_stem[path.stem.casefold()].append(path.parts)

    def find(text: str) -> Path | None:
        steps = text.split("/")
        name = steps[-1].casefold()
        candidates = by_name.get(name) or by_stem.get(name, [])
        alike = [_common_tail(steps[:-1], parts[:-1]) for parts in candidates]
        longest = [p for p, n in zip(candidates, alike, strict=True) if n == max(alike)]
        return Path(*longest[0]) if len(longest) == 1 else None

    return find


def _common_tail(steps: Sequence[str], others: Sequence[str]) -> int:
    count = 0
    for one, other in zip(reversed(steps), reversed(others), strict=False):
        if one.casefold() != other.casefold():
            break
        count += 1
    return count
