"""Files in object stores and other places with a URL; the only module that imports fsspec.

A store that does not answer is not a damaged photo. So only what is wrong with one file becomes
``UnreadablePhoto``; everything else ends the command, which can then be continued.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.errors import DataError, ObjectStoreError, UsageError

T = TypeVar("T")
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://")  # two letters or more: C:// is a drive
# The extra that installs the library of a protocol.
_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "az"),
}
_TRIES, _PAUSE = 3, 1.0  # beside those of the store's own library; seconds


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """A file by its URL, such as ``s3://bucket/day/1.png``."""

    url: str

    def __str__(self) -> str:
        return self.url


Place = Path | ObjectFile


def is_url(text: str) -> bool:
    """Whether ``text`` names a place in an object store, or in another store with a protocol."""
    return _URL.match(text) is not None


def read_photo_object(place: ObjectFile) -> bytes:
    """All bytes of a photo.

    Raises ``UnreadablePhoto`` for what is wrong with this file alone: it is gone, or may not be
    read although its folder may be listed. Raises ``ObjectStoreError`` if the store does not
    answer after some tries, or refuses everything.
    """
    try:
        return _tried(place.url, lambda store, path: _bytes(store.cat_file(path)))
    except FileNotFoundError:
        raise UnreadablePhoto(place.url, "no such file") from None
    except IsADirectoryError:
        raise UnreadablePhoto(place.url, "a folder, not a file") from None
    except PermissionError as error:
        _check_listed(place.url.rpartition("/")[0], error)
        raise UnreadablePhoto(place.url, "no permission to read it") from None


def list_objects(url: str) -> list[str]:
    """The names of all files below the folder ``url``, relative to it; of a file only "".

    Raises ``DataError`` if there is nothing, and ``UsageError`` or ``ObjectStoreError`` if the
    store can't be used.
    """

    def found(store: Any, path: str) -> list[str]:
        store.invalidate_cache()
        root = path.rstrip("/")
        return [name.removeprefix(root).removeprefix("/") for name in store.find(path)]

    try:
        names = _tried(url, found)
    except FileNotFoundError:
        names = []
    except PermissionError as error:
        raise _refused(url, error) from error
    if not names:
        raise DataError(f"Expected photos at {url}, but there are none.", "Correct the URL.")
    return names


def read_object(url: str) -> bytes | None:
    """All bytes of a file; None if there is none. Raises as ``list_objects``."""
    try:
        return _tried(url, lambda store, path: _bytes(store.cat_file(path)))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise _refused(url, error) from error


def write_object(url: str, content: bytes) -> None:
    """Write a file as a whole: a reader finds the earlier file or this one, never a part.

    Object stores do this by themselves. Elsewhere the file gets its name when it is complete.
    Raises as ``list_objects``.
    """

    def write(store: Any, path: str) -> None:
        if _protocol(url) in _EXTRAS or _protocol(url) == "memory":
            store.pipe_file(path, content)
            return
        store.makedirs(path.rpartition("/")[0], exist_ok=True)
        store.pipe_file(temporary := f"{path}.tmp", content)
        store.mv(temporary, path)

    try:
        _tried(url, write)
    except (PermissionError, FileNotFoundError) as error:
        raise _refused(url, error) from error


def is_empty(url: str) -> bool:
    """Whether there is no file below the folder ``url``. Raises as ``list_objects``."""
    try:
        return not _tried(url, lambda store, path: store.find(path))
    except FileNotFoundError:
        return True
    except PermissionError as error:
        raise _refused(url, error) from error


def _protocol(url: str) -> str:
    found = _URL.match(url)
    return found[1] if found else ""


def _opened(url: str) -> tuple[Any, str]:
    """The store of ``url``, and the path in it. fsspec keeps one for each set of credentials."""
    protocol = _protocol(url)
    extra = _EXTRAS.get(protocol)
    hint = f'Install it: python -m pip install "fastdefect[{extra}]"' if extra else ""
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(url)
    except ImportError as error:
        needed = f"Install what reads {protocol}://: {error}."
        raise UsageError(
            f"{url}: {protocol}:// needs a library that is not installed.", hint or needed
        ) from error
    except ValueError as error:  # a protocol that fsspec does not know
        raise UsageError(
            f"{url}: {error}.", "Use s3://, gs:// or az://, or copy the files to a disk."
        ) from error


def _tried(url: str, action: Callable[[Any, str], T]) -> T:
    """``action`` on the store; what may pass, such as a lost connection, is tried again.

    Raises the errors that concern one file or this process as they are, and ``ObjectStoreError``
    for all others.
    """
    tried = 0
    while True:
        tried += 1
        try:
            return action(*_opened(url))
        except (FileNotFoundError, IsADirectoryError, PermissionError, UsageError, MemoryError):
            raise
        except Exception as error:  # the libraries of the stores have no common base
            if tried == _TRIES:
                raise ObjectStoreError(
                    f"{url} can't be reached: {_words(error)}.",
                    "Check the network, the endpoint and the credentials, then run it again.",
                ) from error
            time.sleep(_PAUSE)


def _check_listed(folder: str, error: PermissionError) -> None:
    """Raise ``ObjectStoreError`` if the folder of a refused file can't be listed either."""

    def listed(store: Any, path: str) -> None:
        store.invalidate_cache()
        store.ls(path, detail=False)

    try:
        _tried(folder, listed)
    except (PermissionError, FileNotFoundError):
        raise _refused(folder, error) from error


def _refused(url: str, error: Exception) -> ObjectStoreError:
    return ObjectStoreError(
        f"{url}: the store refuses access: {_words(error)}.",
        "Check the credentials in the environment and the permissions, then run it again.",
    )


def _words(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300].rstrip(".")


def _bytes(content: Any) -> bytes:
    return bytes(content)
