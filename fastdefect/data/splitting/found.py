"""The photos of a saved split where they are now: found by name, else by their bytes.

A photo is its bytes. Folders are moved, files renamed and labels corrected after a training; the
sha256 in the saved split identifies each photo in any of these cases. A file with the same name and
other bytes is another photo.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fastdefect.data.photos import Entry
from fastdefect.data.reading.images import IMAGE_SUFFIXES, UnreadablePhoto, read_bytes

Row = Mapping[str, str]  # of split.csv
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Place:
    """Where to search for photos.

    ``listed``: the photos of a data folder, with their current labels. ``folder``: if set, every
    file below it can be one of the photos. ``names``: the paths below ``folder``, by name in the
    split, where an earlier search found them; they are only a first guess.
    """

    listed: tuple[Entry, ...] = ()
    folder: Path | None = None
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundPhoto:
    """A photo of the split, its file, and its entry in the data folder if it is listed there."""

    row: Row
    path: Path
    listed: Entry | None

    @property
    def entry(self) -> Entry:
        """The photo under its name in the split, with its current label."""
        name, row = self.row["path"], self.row
        if self.listed is None:
            return Entry(name, self.path, row["label"], None, None)
        kept = self.listed
        return Entry(name, kept.path, *(getattr(kept, each) for each in _AFTER_PATH))

    @property
    def label(self) -> str:
        """The current label; that of the split if the photo is in no data folder."""
        return self.row["label"] if self.listed is None else self.listed.label


_AFTER_PATH = tuple(Entry.__dataclass_fields__)[2:]


@dataclass(frozen=True)
class Found:
    """The result of a search: photos in the order of the split, and rows that were not found.

    ``changed``: a file has the name of the photo, but other bytes. ``missing``: there is no such
    file. ``new``: names of listed photos that are not in the split.
    """

    photos: tuple[FoundPhoto, ...]
    missing: tuple[Row, ...]
    changed: tuple[Row, ...]
    new: tuple[str, ...]

    @property
    def relabelled(self) -> tuple[FoundPhoto, ...]:
        """The photos with another label than in the split."""
        return tuple(photo for photo in self.photos if photo.label != photo.row["label"])

    def most_common_folder(self) -> Path | None:
        """The folder in which most of the photos have their names; None if there is none.

        An absolute name, of a photo outside the data folder, is in no folder.
        """
        named = [(photo.path, Path(photo.row["path"])) for photo in self.photos]
        folders = Counter(
            Path(*path.parts[: -len(name.parts)])
            for path, name in named
            if not name.is_absolute() and path.parts[-len(name.parts) :] == name.parts
        )
        return folders.most_common(1)[0][0] if folders else None


def find_photos(rows: Sequence[Row], place: Place, on_progress: OnProgress | None = None) -> Found:
    """Find the photos of ``rows`` in ``place``; files are read, but not decoded.

    A photo is at its own name if the bytes agree. Otherwise the listed photos, then files of the
    same name, then all other files are searched for its bytes. Each file stands for one row while
    there are enough; rows with identical bytes share a file if copies were deleted.
    """
    search = _Search(place, on_progress)
    search.by_name(rows)
    for candidates in search.stages():
        left = [row for row in rows if row["path"] not in search.at]
        if not left:
            break
        search.by_bytes(left, candidates(left))
    search.share([row for row in rows if row["path"] not in search.at])
    return search.result(rows)


class _Search:
    """The files found so far, by name in the split (``at``), and the hashes computed so far."""

    def __init__(self, place: Place, on_progress: OnProgress | None) -> None:
        self._place, self._on_progress = place, on_progress
        self._named = {entry.name: entry.path for entry in place.listed}
        self._entry = {_key(entry.path): entry for entry in place.listed}
        self._digest: dict[str, str | None] = {}
        self._other_bytes: set[str] = set()
        self._taken: set[str] = set()
        self.at: dict[str, Path] = {}

    def by_name(self, rows: Sequence[Row]) -> None:
        """Take the file with the name of each photo if the bytes agree."""
        guesses = {row["path"]: path for row in rows if (path := self._guess(row)) is not None}
        self._hash(guesses.values())
        for row in rows:
            path = guesses.get(row["path"])
            digest = self._digest[_key(path)] if path is not None else None
            if path is not None and digest == row["sha256"]:
                self._take(row, path)
            elif digest is not None:
                self._other_bytes.add(row["path"])

    def stages(self) -> Iterator[Callable[[Sequence[Row]], list[Path]]]:
        """Where to search next, from the most probable files to all."""
        yield lambda left: [entry.path for entry in self._place.listed]
        if self._place.folder is None:
            return
        files = list(_photo_files(self._place.folder))

        def of_the_same_name(left: Sequence[Row]) -> list[Path]:
            wanted = {Path(row["path"]).name.casefold() for row in left}
            return [path for path in files if path.name.casefold() in wanted]

        yield of_the_same_name
        yield lambda left: files

    def by_bytes(self, left: Sequence[Row], candidates: Sequence[Path]) -> None:
        """Take for each photo the most similar candidate with its bytes that is still free."""
        self._hash(candidates)
        free: dict[str | None, list[Path]] = {}
        for path in candidates:
            if _key(path) not in self._taken:
                free.setdefault(self._digest[_key(path)], []).append(path)
        for row in left:
            if paths := free.get(row["sha256"]):
                best = min(paths, key=lambda path: self._distance(row, path))
                paths.remove(best)
                self._take(row, best)

    def share(self, left: Sequence[Row]) -> None:
        """Give photos whose own copy is gone the file of another photo with the same bytes."""
        taken = {self._digest[_key(path)]: path for path in self.at.values()}
        for row in left:
            if row["sha256"] in taken:
                self._take(row, taken[row["sha256"]])

    def result(self, rows: Sequence[Row]) -> Found:
        lost = [row for row in rows if row["path"] not in self.at]
        changed = [row for row in lost if row["path"] in self._other_bytes]
        known = {row["path"] for row in changed}
        return Found(
            tuple(
                FoundPhoto(row, path, self._entry.get(_key(path)))
                for row in rows
                if (path := self.at.get(row["path"])) is not None
            ),
            tuple(row for row in lost if row["path"] not in self._other_bytes),
            tuple(changed),
            tuple(
                entry.name
                for entry in self._place.listed
                if _key(entry.path) not in self._taken and entry.name not in known
            ),
        )

    def _guess(self, row: Row) -> Path | None:
        """The file with the photo's name, without its bytes."""
        name, folder = row["path"], self._place.folder
        if name in self._place.names and folder is not None:
            return folder / self._place.names[name]
        if name in self._named or folder is None or Path(name).is_absolute():
            return self._named.get(name)
        return folder / name

    def _distance(self, row: Row, path: Path) -> tuple[bool, bool, str]:
        """Sorts files with the same bytes: the same label first, then the same file name."""
        entry = self._entry.get(_key(path))
        other_label = entry is not None and entry.label != row["label"]
        return other_label, path.name != Path(row["path"]).name, str(path)

    def _take(self, row: Row, path: Path) -> None:
        self.at[row["path"]] = path
        self._taken.add(_key(path))

    def _hash(self, paths: Iterable[Path]) -> None:
        """Add the sha256 of files to ``_digest``; None for files that can't be read."""
        todo = {_key(path): path for path in paths if _key(path) not in self._digest}
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            tasks = pool.map(sha256_of, todo.values())
            try:
                for done, (key, digest) in enumerate(zip(todo, tasks, strict=True), start=1):
                    self._digest[key] = digest
                    if self._on_progress is not None:
                        self._on_progress(done, len(todo))
            except BaseException:  # on Ctrl-C, without reading all other files first
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def sha256_of(path: Path) -> str | None:
    """The hash of a file in hex; None if the file can't be read.

    A command searches for the same photos several times: an unchanged file is read once.
    """
    try:
        facts = path.stat()
        return _sha256(path, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    except (OSError, ValueError, UnreadablePhoto):  # a NUL in a path from a CSV
        return None


@cache
def _sha256(path: Path, *_state: int) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()


def _key(path: Path) -> str:
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - links are not resolved


def _photo_files(folder: Path) -> Iterator[Path]:
    """The photo files below a folder, in a fixed order, without hidden ones."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
                yield Path(place) / name
