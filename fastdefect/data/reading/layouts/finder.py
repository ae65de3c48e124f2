"""Find the photos that a table or an annotation file lists, however their paths are written."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from fastdefect.data.reading.layouts.tree import is_photo
from fastdefect.text import counted

Way = Callable[[str], Path | None]
Steps = tuple[str, ...]


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


def find_photos(
    texts: Sequence[str], folders: Mapping[str, Path], below: Mapping[str, Path]
) -> Found:
    """Find the files of written paths, all in one way: the way that finds the most.

    The ways are, in this order: relative to each of ``folders`` (by their description; absolute
    paths are taken as they are), then, if none of these finds any, by the end of the path among
    the photos ``below``, by name. There, a photo fits if its folders are the end of those in the
    path (``C:/photos/img/0.jpg`` is ``img/0.jpg``, or ``0.jpg`` itself), or if the folders in the
    path are the end of its own. The photo ``good/0.jpg`` is never found as ``crack/0.jpg``.
    If several photos fit, none is taken.
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
    by_end = _by_end(below)
    example = texts[0] if texts else ""
    tried = [f"{folder / example} ({words})" for words, folder in folders.items()]
    tried.append(
        f"a photo named {PurePosixPath(example).name}, at any depth, in folders that do not "
        f"contradict the path ({counted(len(below), 'photo')})"
    )
    paths = {text: by_end(text) for text in texts}
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


def _by_end(photos: Mapping[str, Path]) -> Way:
    split = [(tuple(name.casefold().split("/")), path) for name, path in photos.items()]
    stems = [((*steps[:-1], PurePosixPath(steps[-1]).stem), path) for steps, path in split]
    indexes = [_index(split), _index(stems)]

    def find(text: str) -> Path | None:
        steps = _steps(text)
        for whole, ends in indexes:
            # First the photos that share all folders of the path. Without any, the photos all of
            # whose folders are shared, and of these the ones with the most folders.
            inner = (whole[end] for end in _ends(steps) if end in whole)
            if fits := ends.get(steps) or next(inner, []):
                return fits[0] if len(fits) == 1 else None
        return None

    return find


def _index(
    photos: Sequence[tuple[Steps, Path]],
) -> tuple[Mapping[Steps, list[Path]], Mapping[Steps, list[Path]]]:
    """The photos by all their steps, and by each end of their steps.

    With it, a search takes as many look-ups as the path has steps, not as there are photos.
    """
    whole: dict[Steps, list[Path]] = defaultdict(list)
    ends: dict[Steps, list[Path]] = defaultdict(list)
    for steps, path in photos:
        whole[steps].append(path)
        for end in _ends(steps):
            ends[end].append(path)
    return dict(whole), dict(ends)


def _ends(steps: Steps) -> Iterator[Steps]:
    """The steps, and all shorter ends of them, the longest first."""
    return (steps[start:] for start in range(len(steps)))


def _steps(text: str) -> Steps:
    """The folders and the name in a written path, without its drive or share."""
    path = PureWindowsPath(text.casefold())  # it has / between its steps, too
    return tuple(step for step in path.parts[bool(path.anchor) :] if step != "..")
