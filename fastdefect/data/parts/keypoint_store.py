"""The keypoints of many photos, on the disk: later commands use them again.

A file of the cache holds those of some hundred photos, as a safetensors file. A photo is known
by the sha256 of its small grey copy, on which its keypoints depend alone, whatever its format and
its scale of grey. What is on the disk is read when it is needed, so that the memory does not grow
with the number of photos. The content can be computed again: the folder may be deleted, and a
damaged file is ignored.
"""

import hashlib
import io
import json
import os
import threading
import uuid
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save

from fastdefect.data.parts.code import code_digest
from fastdefect.data.parts.keypoints import MIRROR, Keypoints, detect, small_copy
from fastdefect.errors import DataError
from fastdefect.files import delete_oldest, write_bytes

FORMAT = "fastdefect-keypoints-2"
FOLDER_MB = 2048  # above this limit, the least recently used files go
_FILE_BYTES = 32 * 2**20  # of new keypoints, which are in memory until then
_SMALL_BYTES, _SMALL_FILES = _FILE_BYTES // 8, 8  # this many small files become one
_EACH = 16 + len(MIRROR)  # bytes of a keypoint: 4 floats of 4 bytes and the descriptor


@dataclass(frozen=True)
class _Place:
    """Where a photo's keypoints are: a file, the first byte, their number and their CRC-32."""

    file: "_File"
    start: int
    count: int
    check: int

    def read(self) -> bytes:
        return self.file.read(self.start, self.count * _EACH)

    def is_sound(self) -> bool:
        try:
            return zlib.crc32(self.read()) == self.check
        except OSError:
            return False


class KeypointStore:
    """The keypoints of photos, by the sha256 of their small copies. All methods are thread-safe."""

    def __init__(self, folder: Path | None) -> None:
        """Look up what ``folder`` holds. Without a folder, all keypoints stay in memory."""
        self._folder = folder
        self._lock = threading.Lock()
        self._new: dict[bytes, bytes] = {}
        self._new_bytes = 0
        self._places: dict[bytes, _Place] = {}
        self._files: list[_File] = []
        self._used: set[Path] = set()
        self.computed = 0
        for path in sorted(folder.glob("[!.]*.safetensors")) if folder is not None else ():
            self._open(path)

    def add(self, image: NDArray[np.uint8]) -> bytes:
        """Find the keypoints of a photo (height, width, 3) uint8, unless they are known.

        Returns the sha256 by which they are known.
        """
        small = small_copy(image)
        digest = _digest(small)
        with self._lock:
            place, is_new = self._places.get(digest), digest in self._new
        if is_new:
            return digest
        if place is not None and place.is_sound():
            self._used.add(place.file.path)
            return digest
        record = _to_bytes(detect(small))
        with self._lock:
            self.computed += 1
            self._places.pop(digest, None)
            self._new[digest] = record
            self._new_bytes += len(record)
            if self._new_bytes >= _FILE_BYTES:
                self._write()
        return digest

    def get(self, digest: bytes) -> Keypoints:
        """The keypoints of a photo.

        Raises ``KeyError`` for a photo that was not added, and ``DataError`` if its file cannot be
        read any more.
        """
        with self._lock:
            record = self._new.get(digest)
            place = None if record is not None else self._places[digest]
        if place is None:
            return _from_bytes(record or b"")
        try:
            return _from_bytes(place.read())
        except OSError as error:
            raise DataError(
                f"{place.file.path}: expected the keypoints that were found before, but got: "
                f"{error.strerror or error}.",
                "Check the disk of the cache, or set FASTDEFECT_CACHE to a folder on another one, "
                "and run the command again.",
            ) from error

    def save(self) -> None:
        """Write what is new; join small files; delete old files above the limit.

        If that fails, for example on a full disk, what is new stays in memory.
        """
        with self._lock:
            joined = self._small_files()
            self._write()
            if self._folder is None:
                return
            for file in joined:
                self._files.remove(file)
                with suppress(OSError):
                    file.path.unlink()
            if self._used:
                self._tidy(self._folder)

    def _small_files(self) -> list["_File"]:
        """The files to join, whose keypoints become new ones; none if there are few."""
        small = [file for file in self._files if file.size < _SMALL_BYTES]
        if len(small) < _SMALL_FILES:
            return []
        for digest, place in self._places.items():
            if place.file in small and place.is_sound():
                self._new.setdefault(digest, place.read())
        return small

    def _write(self) -> None:
        """Move what is new to a file; if that fails, keep it in memory from now on."""
        if self._folder is None or not self._new:
            return
        path = self._folder / f"{uuid.uuid4().hex}.safetensors"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_bytes(path, _content(self._new))
        except (OSError, SafetensorError):
            self._folder = None
            return
        if not self._open(path):
            self._folder = None
            return
        self._files[-1].read(0, 0)  # open from now on
        self._used.add(path)
        self._new, self._new_bytes = {}, 0

    def _open(self, path: Path) -> bool:
        """Add a file's keypoints to those known; False for a file that is not one of ours."""
        try:
            with closing(_File(path)) as file:
                places = list(file.places())
        except (OSError, ValueError, KeyError, TypeError):
            return False
        self._files.append(file)
        self._places.update(places)
        return True

    def _tidy(self, folder: Path) -> None:
        for path in self._used:
            with suppress(OSError):  # another command may have deleted it
                os.utime(path)
        delete_oldest(folder, FOLDER_MB)


class StoredKeypoints(Sequence[Keypoints]):
    """The keypoints of some photos of a store, as a sequence that reads each when it is asked."""

    def __init__(self, store: KeypointStore, digests: Sequence[bytes]) -> None:
        self._store, self._digests = store, digests

    def __len__(self) -> int:
        return len(self._digests)

    @overload
    def __getitem__(self, index: int) -> Keypoints: ...
    @overload
    def __getitem__(self, index: slice) -> "StoredKeypoints": ...
    def __getitem__(self, index: int | slice) -> "Keypoints | StoredKeypoints":
        """The keypoints of one photo, or a part of the sequence."""
        if isinstance(index, slice):
            return StoredKeypoints(self._store, self._digests[index])
        return self._store.get(self._digests[index])


class _File:
    """A file of the cache. Once read, it stays open: it may be deleted by another process.

    Raises ``OSError``, or ``ValueError``, ``KeyError`` or ``TypeError`` for another content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: io.FileIO | None = None
        self.size = path.stat().st_size
        length = int.from_bytes(self.read(0, 8), "little")
        if length > 10_000:
            raise ValueError(f"{path}: expected the header of a file of keypoints")
        self._header = json.loads(self.read(8, length))
        self._data = 8 + length
        if self._header["__metadata__"]["format"] != FORMAT:
            raise ValueError(f"{path}: expected the format {FORMAT}")

    def places(self) -> Iterator[tuple[bytes, _Place]]:
        """The sha256 of each photo, and where its keypoints are."""
        digests = self._array("digests", np.uint8).reshape(-1, 32)
        counts, checks = self._array("counts", np.int64), self._array("checks", np.uint32)
        begin, end = self._header["records"]["data_offsets"]
        starts = self._data + begin + _EACH * (np.cumsum(counts) - counts)
        if _EACH * counts.sum() != end - begin or self._data + end > self.size:
            raise ValueError(f"{self.path}: expected as many bytes as its keypoints have")
        for digest, start, count, check in zip(digests, starts, counts, checks, strict=True):
            yield digest.tobytes(), _Place(self, int(start), int(count), int(check))

    def close(self) -> None:
        """Close the file until it is read again: a cache may have more files than can be open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, start: int, length: int) -> bytes:
        with self._lock:
            if self._file is None:
                self._file = self.path.open("rb", buffering=0)
                weakref.finalize(self, self._file.close)
            self._file.seek(start)
            found = self._file.read(length)
        if len(found) != length:
            raise OSError(f"it ends before byte {start + length}")
        return found

    def _array(self, name: str, kind: type) -> NDArray[Any]:
        begin, end = self._header[name]["data_offsets"]
        return np.frombuffer(self.read(self._data + begin, end - begin), kind)


def _content(records: dict[bytes, bytes]) -> bytes:
    """A safetensors file of the records; it takes the memory of another copy of them."""
    values = list(records.values())
    content: dict[str, NDArray[Any]] = {
        "digests": np.frombuffer(b"".join(records), np.uint8),
        "counts": np.array([len(value) // _EACH for value in values], np.int64),
        "checks": np.array([zlib.crc32(value) for value in values], np.uint32),
        "records": np.frombuffer(b"".join(values), np.uint8),
    }
    return save(content, metadata={"format": FORMAT})


def _digest(small: NDArray[np.uint8]) -> bytes:
    """The sha256 of a small copy, and of what else decides about its keypoints."""
    code = f"{code_digest('keypoints')} {cv2.__version__} {np.__version__}"
    facts = f"{FORMAT} {code} {small.shape}"
    return hashlib.sha256(facts.encode() + small.tobytes()).digest()


def _to_bytes(found: Keypoints) -> bytes:
    arrays = (found.places, found.sizes, found.angles, found.packed)
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def _from_bytes(record: bytes) -> Keypoints:
    n = len(record) // _EACH
    floats = np.frombuffer(record, np.float32, 4 * n)
    packed = np.frombuffer(record, np.int8, offset=16 * n).reshape(n, len(MIRROR))
    return Keypoints(floats[: 2 * n].reshape(n, 2), floats[2 * n : 3 * n], floats[3 * n :], packed)
