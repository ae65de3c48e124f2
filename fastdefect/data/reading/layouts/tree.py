"""One walk through a data folder: its photos, other files and folders, by name."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastdefect.data.reading.images import IMAGE_SUFFIXES
from fastdefect.errors import DataError

# System files of Windows, macOS and Synology. Hidden names start with a dot.
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})

# The files that mark a folder as written by this program: a run, or the result of an audit.
_OUTPUT_MARKS = ({"run.json", "config.toml"}, {"findings.json", "findings.csv"})

# Folders in each other. Links between folders could else multiply the ways to a photo without end.
_MOST_DEPTH = 100
_MOST_WAYS = 64  # through links to the same folder


@dataclass(frozen=True)
class Tree:
    """All files below ``root``, sorted. A name is the POSIX path relative to ``root``.

    Hidden files, system files and the folders that this program wrote (runs, audits) are left out.
    ``folders`` holds the names of all other folders, empty ones too.
    """

    root: Path
    photos: dict[str, Path] = field(default_factory=dict)
    others: dict[str, Path] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)

    def top_folders(self, below: str = "") -> list[str]:
        """The names of the folders directly in the folder ``below`` (without it: in the root)."""
        prefix = f"{below}/" if below else ""
        return [
            name
            for name in self.folders
            if name.startswith(prefix) and "/" not in name[len(prefix) :]
        ]

    def file(self, name: str) -> Path | None:
        """The path of a file that is not a photo, whatever the case of its name."""
        wanted = name.casefold()
        return next((path for n, path in self.others.items() if n.casefold() == wanted), None)


def walk(root: Path, *, lenient: bool = False) -> Tree:
    """Walk the folder. A link to a folder is followed unless it leads in a circle.

    Raises ``DataError`` for a folder that cannot be listed; ``lenient`` passes over it. Also for
    folders that are too deep in each other, or to which too many ways lead.
    """
    tree = Tree(root)
    _walk(tree, root, (), lenient, _Ways(lenient))
    return tree


class _Ways:
    """Counts the ways to each folder, and refuses too many; ``lenient`` passes over them."""

    def __init__(self, lenient: bool = False) -> None:
        self._lenient = lenient
        self._linked: Counter[Path] = Counter()

    def __call__(self, folder: Path, above: tuple[Path, ...]) -> Path | None:
        """The real folder; None if the way to it is not followed. Raises ``DataError``."""
        real = folder.resolve()
        if real in above:
            return None
        if above and real.parent != above[-1]:  # only links need memory
            self._linked[real] += 1
        deep, linked = len(above) > _MOST_DEPTH, self._linked.get(real, 0) > _MOST_WAYS
        if not self._lenient and deep:
            raise DataError(
                f"{folder} is more than {_MOST_DEPTH} folders deep.",
                "Move the photos into fewer folders.",
            )
        if not self._lenient and linked:
            raise DataError(
                f"More than {_MOST_WAYS} links lead to the folder {real}, such as {folder}.",
                "Remove links between folders, so that each photo is found once.",
            )
        return None if deep or linked else real


def stream_photos(root: Path) -> Iterator[tuple[str, Path, str]]:
    """(name, path, problem) of the photos that ``walk`` finds, in the same order.

    Only one folder at a time is in memory. A folder below the root that cannot be listed is among
    them with its ``problem``, so that its photos are not lost without a trace. Raises
    ``DataError`` if the root cannot be listed, and as ``walk`` for depth and links.
    """
    yield from _stream(root, root, (), _Ways())


def photos_among(names: Iterable[str]) -> list[str]:
    """The photos that ``walk`` finds in a folder with files of these ``names``, in its order.

    For places that only list all files at once, such as object stores.
    """
    found = [name for name in names if not any(map(is_system_file, name.split("/")))]
    inside: dict[str, set[str]] = defaultdict(set)
    for name in found:
        folder, _, file = name.rpartition("/")
        inside[folder].add(file)
    output = {each for each, files in inside.items() if each and _is_output(files.__contains__)}
    return sorted(
        (name for name in found if is_photo(name) and output.isdisjoint(_folders_above(name))),
        key=lambda name: name.split("/"),
    )


def _folders_above(name: str) -> Iterator[str]:
    """The names of all folders that a file is in."""
    steps = name.split("/")
    return ("/".join(steps[:n]) for n in range(1, len(steps)))


def is_output_folder(folder: Path) -> bool:
    """Whether this program wrote the folder: a run, or the result of an audit."""
    return _is_output(lambda name: (folder / name).exists())


def is_system_file(name: str) -> bool:
    """Whether a file or folder is hidden or belongs to the operating system."""
    return name.startswith(".") or name.casefold() in _SYSTEM_FILES


def is_photo(name: str) -> bool:
    """Whether the suffix of the name is that of a photo."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def name_of(root: Path, path: Path) -> str:
    """The name of a file below ``root``."""
    # A name on disk that is not UTF-8 (Linux) cannot be written to a CSV.
    name = path.relative_to(root).as_posix()
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def read_text(path: Path, most: int = 1 << 20) -> str | None:
    """The text of a small file, damaged characters replaced; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most).decode("utf-8-sig", "replace")
    except OSError:
        return None


def _walk(tree: Tree, folder: Path, above: tuple[Path, ...], lenient: bool, ways: _Ways) -> bool:
    """Add the files below the folder; False for a folder that only has output of this program."""
    real = ways(folder, above)
    children = [] if real is None else _children_if(folder, lenient)
    if above and _is_output(dict(children).__contains__):
        return False
    kept = not children
    for child, is_folder in children:
        path = folder / child
        name = name_of(tree.root, path)
        if is_folder:
            at = len(tree.folders)
            tree.folders.append(name)
            if real is not None and _walk(tree, path, (*above, real), lenient, ways):
                kept = True
            else:
                del tree.folders[at:]
        else:  # including a broken link or one to itself, which is then reported as unreadable
            kept = True
            (tree.photos if is_photo(child) else tree.others)[name] = path
    return kept


def _stream(
    root: Path, folder: Path, above: tuple[Path, ...], ways: _Ways
) -> Iterator[tuple[str, Path, str]]:
    real = ways(folder, above)
    if real is None:
        return
    try:
        children = _children(folder)
    except OSError as error:
        if not above:
            raise _not_listed(folder, error) from error
        problem = f"a folder that can't be listed ({error.strerror})"
        yield name_of(root, folder), folder, problem
        return
    if above and _is_output(dict(children).__contains__):
        return
    for child, is_folder in children:
        path = folder / child
        if is_folder:
            yield from _stream(root, path, (*above, real), ways)
        elif is_photo(child):
            yield name_of(root, path), path, ""


def _is_output(has: Callable[[str], bool]) -> bool:
    """Whether a folder that ``has`` files of some names is one that this program wrote."""
    return any(all(has(mark) for mark in marks) for marks in _OUTPUT_MARKS)


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_dir()
    except OSError:  # a link that leads to itself, or into a folder that may not be entered
        return False


def _children_if(folder: Path, lenient: bool) -> list[tuple[str, bool]]:
    try:
        return _children(folder)
    except OSError as error:
        if lenient:
            return []
        raise _not_listed(folder, error) from error


def _children(folder: Path) -> list[tuple[str, bool]]:
    """The names in the folder, sorted, and whether each is a folder."""
    with os.scandir(folder) as found:
        return sorted(
            (child.name, _is_folder(child)) for child in found if not is_system_file(child.name)
        )


def _not_listed(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"Cannot list the folder {folder}: {error.strerror}.", "Check its permissions."
    )
