"""A result as a Parquet data set: a file for each shard, and a manifest that counts for all.

A shard is in the result when the manifest lists it. One process writes both, so that a shard that
two workers computed is still one file. A killed prediction leaves shards and a manifest that is
not ``complete``; what is missing is computed by ``--resume``.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fastdefect import __version__
from fastdefect.config import Unit
from fastdefect.errors import DataError
from fastdefect.inference.card import first_problem
from fastdefect.jobs.predicting.out_folder import OutFolder
from fastdefect.jobs.predicting.parquet import parquet_bytes, parquet_rows
from fastdefect.jobs.predicting.parts import PART_COLUMNS, Parts

MANIFEST = "manifest.json"
_SAVE_EVERY = 1.0  # seconds: a manifest lists all shards, and an object store takes a while


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Settings(_Model):
    """What the rows depend on beside the model and the photos; also how they are divided."""

    by: Unit
    shard_photos: int
    part_from: str | None
    view_from: str | None
    product_from: str | None


class ModelFacts(_Model):
    """The model: what the user named, and a hash of its weights and its rule."""

    name: str
    identity: str


class PhotoFacts(_Model):
    """How many photos were listed, and the sha256 of their list."""

    count: int
    sha256: str


class FileEntry(_Model):
    """A file of the data set: its rows, how many of them have an error, and its sha256."""

    file: str
    rows: int
    errors: int
    sha256: str


class Manifest(_Model):
    """``manifest.json``. ``shards`` are the finished ones, ``parts`` the file of parts, if any.

    ``columns`` has the types of the columns of photos. ``errors`` counts photos that can't be read.
    """

    schema_version: Literal[1] = 1
    version: str = __version__
    complete: bool = False
    model: ModelFacts
    photos: PhotoFacts
    settings: Settings
    columns: dict[str, str]
    errors: int = 0
    shards: tuple[FileEntry, ...] = ()
    parts: FileEntry | None = None


class DataSet:
    """The files of a result in a folder. ``done`` has the indices of the finished shards."""

    def __init__(self, folder: OutFolder, manifest: Manifest) -> None:
        self._folder, self._plan = folder, manifest
        self._entries = {_index_of(each.file): each for each in manifest.shards}
        self._saved = 0.0

    @property
    def done(self) -> frozenset[int]:
        """The indices of the shards that are finished."""
        return frozenset(self._entries)

    @property
    def settings(self) -> Settings:
        """The settings of this result."""
        return self._plan.settings

    def drop_damaged(self) -> list[str]:
        """Forget finished shards whose files are gone or changed; their names."""
        bad = [i for i, each in self._entries.items() if self._content(each) is None]
        return [self._entries.pop(index).file for index in sorted(bad)]

    def rows(self, index: int) -> Iterator[dict[str, Any]]:
        """The rows of a finished shard. Raises ``DataError`` if its file has been changed."""
        entry = self._entries[index]
        content = self._content(entry)
        if content is None:
            raise DataError(
                f"{self._folder}/{entry.file} is gone or was changed by another program.",
                "Run the command again with --resume: this shard is then done again.",
            )
        return parquet_rows(content)

    def add(self, index: int, content: bytes, rows: int, errors: int) -> None:
        """Write the file of a shard, then list it."""
        self._entries[index] = self._write(_file_of(index), content, rows, errors)
        if time.monotonic() - self._saved >= _SAVE_EVERY:
            self.save()

    def complete(self, parts: Parts | None) -> None:
        """Write the file of the parts, if any, and the manifest of a complete result."""
        entry = None
        if parts is not None:
            content = parquet_bytes(parts.rows(), PART_COLUMNS)
            entry = self._write("parts/part-00000.parquet", content, len(parts), 0)
        self.save(complete=True, parts=entry)

    def save(self, **changes: Any) -> None:
        """Write the manifest."""
        shards = tuple(each for _, each in sorted(self._entries.items()))
        found = {"shards": shards, "errors": sum(each.errors for each in shards)}
        manifest = self._plan.model_copy(update=found | changes)
        self._folder.write(MANIFEST, manifest.model_dump_json(indent=1).encode())
        self._saved = time.monotonic()

    def _write(self, name: str, content: bytes, rows: int, errors: int) -> FileEntry:
        self._folder.write(name, content)
        digest = hashlib.sha256(content).hexdigest()
        return FileEntry(file=name, rows=rows, errors=errors, sha256=digest)

    def _content(self, entry: FileEntry) -> bytes | None:
        """The bytes of a file; None if they are not those that were written."""
        content = self._folder.read(entry.file)
        found = None if content is None else hashlib.sha256(content).hexdigest()
        return content if found == entry.sha256 else None


def open_data_set(folder: OutFolder, plan: Manifest, earlier: Manifest | None) -> DataSet:
    """A new data set, whose manifest is written, or the one that is continued.

    ``earlier`` is what ``check_folder`` has found. Raises ``DataError`` if its model, photos or
    settings are not those of ``plan``.
    """
    if earlier is not None:
        _check_same(folder, earlier, plan)
        plan = plan.model_copy(update={"shards": earlier.shards})
    found = DataSet(folder, plan)
    found.save()
    return found


def check_folder(folder: OutFolder, *, resume: bool) -> Manifest | None:
    """The manifest that is continued; None in an empty folder.

    Raises ``DataError`` if the folder has another result or other files.
    """
    content = folder.read(MANIFEST)
    if content is None:
        if folder.is_empty():
            return None
        raise DataError(
            f"--out {folder}: expected an empty folder or none, but it has files without a "
            f"{MANIFEST}.",
            "Choose another folder.",
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        place, reason = first_problem(error, MANIFEST)
        raise DataError(
            f"{folder}/{MANIFEST} is damaged at {place}: {reason}.", "Choose another folder."
        ) from None
    if manifest.complete:
        state = "is finished, so there is nothing to continue" if resume else "has a result already"
        raise DataError(f"--out {folder}: this data set {state}.", "Choose another folder.")
    if not resume:
        raise DataError(
            f"--out {folder} has the shards of a prediction that was not finished.",
            "Continue it with --resume, or choose another folder.",
        )
    return manifest


def _check_same(folder: OutFolder, earlier: Manifest, plan: Manifest) -> None:
    """Raise ``DataError`` with all that differs."""
    differing = [
        f"{name} ({_short(before)}, now {_short(now)})"
        for name, before, now in _compared(earlier, plan)
        if before != now
    ]
    if differing:
        raise DataError(
            f"--out {folder} was begun with another {', '.join(differing)}.",
            "Continue with the same model, photos and options, or choose another folder.",
        )


def _compared(earlier: Manifest, plan: Manifest) -> Iterator[tuple[str, Any, Any]]:
    yield "model or operating point", earlier.model.identity, plan.model.identity
    yield "number of photos", earlier.photos.count, plan.photos.count
    if earlier.photos.count == plan.photos.count:
        yield "list of photos", earlier.photos.sha256, plan.photos.sha256
    before: Mapping[str, Any] = earlier.settings.model_dump()
    for name, now in plan.settings.model_dump().items():
        yield f"--{name.replace('_', '-')}", before[name], now


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:12]


def _file_of(index: int) -> str:
    return f"photos/part-{index:05}.parquet"


def _index_of(file: str) -> int:
    return int(file.rpartition("-")[2].removesuffix(".parquet"))
