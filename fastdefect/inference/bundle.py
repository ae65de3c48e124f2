"""A bundle: one file with a network, its card and its reference features.

A bundle is a zip whose members are stored, not compressed, so that it can't grow when it is read.
The reader extracts nothing to disk and runs no code from the file: it accepts a fixed list of
names, checks every size and sha256, and refuses anything else. A sum protects against damage, not
against an author: a bundle decides as its author wants, so use bundles of known origin.
"""

import hashlib
import os
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fastdefect.errors import BundleError
from fastdefect.files import atomic_path
from fastdefect.inference.card import MAX_CARD, Card, Member, read_card

SUFFIX = ".fdb"
CARD = "bundle.json"
ONNX = "network.onnx"
REFERENCE = "reference.safetensors"
BASELINE = "baseline.safetensors"
_PHOTO = re.compile(r"photos/[0-9]{1,4}\.[a-z0-9]{1,5}")
_FIXED = {CARD, ONNX, REFERENCE, BASELINE}

_MAX_MEMBERS = 1100
_MAX_BYTES = 2 << 30  # zip files have larger ones only with 64-bit sizes
_ENCRYPTED = 0x1 | 0x40
_HEADER = 30  # bytes before the name of a member
_ENTRY = 46  # bytes before its name in the directory
_MAX_NAME = 32  # characters
_END = struct.Struct("<4s4H2LH")  # the end of a zip's directory
_LOCATOR = 20  # bytes before it, in a zip with 64-bit sizes
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of zip: the same content gives the same bytes

_HINT = "Export the run again: fastdefect export RUN --out model.fdb"


@dataclass(frozen=True)
class Bundle:
    """The card of a bundle, the bytes of its other members by name, and its identity.

    ``identity`` is the sha256 of the card, which has the sha256 of every other member.
    """

    card: Card
    files: Mapping[str, bytes]
    identity: str


def write_bundle(path: Path, card: Card, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle atomically; the card gets size and sha256 of each of ``files``.

    Raises ``ValueError`` for a name that no reader accepts, ``BundleError`` for more bytes than a
    reader accepts, and ``OSError``.
    """
    if unknown := [name for name in files if not _is_allowed(name) or name == CARD]:
        raise ValueError(f"Expected the names of members of a bundle, got {unknown}")
    members = {
        name: Member(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    }
    card = card.model_copy(update={"members": members})
    content = card.as_bytes()
    _check_size(content, files)
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", allowZip64=False) as zipped,
    ):
        for name, each in ((CARD, content), *files.items()):
            zipped.writestr(zipfile.ZipInfo(name, _EARLIEST), each)
    return Bundle(card, dict(files), hashlib.sha256(content).hexdigest())


def _check_size(card: bytes, files: Mapping[str, bytes]) -> None:
    size = _END.size + sum(
        _HEADER + _ENTRY + 2 * len(name) + len(content)
        for name, content in {CARD: card, **files}.items()
    )
    for what, found, most in (
        ("bundle", size, _MAX_BYTES),
        ("card of the bundle", len(card), MAX_CARD),
    ):
        if found > most:
            raise BundleError(
                f"The {what} would have {found:,} bytes, more than {most:,}.",
                "Use fewer --examples.",
            )


def read_bundle(path: Path) -> Bundle:
    """Read and check a bundle; raises ``BundleError`` for any other or damaged file."""
    try:
        if not path.is_file():
            raise BundleError(
                f"Expected a bundle at {path}, but there is no such file.",
                "Correct the path, or write one: fastdefect export RUN --out model.fdb",
            )
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            _check_end(file.read(4), _tail(file, size), size, path)
            with zipfile.ZipFile(file) as zipped:
                return _read(zipped, path)
    except OSError as error:
        raise BundleError(f"{path} can't be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, UnicodeError) as error:
        # zipfile raises NotImplementedError for other compressions, RuntimeError for encryption.
        raise BundleError(f"{path} is a damaged bundle: {error}.", _HINT) from error
    except (ValueError, struct.error, OverflowError) as error:  # from a damaged directory
        raise BundleError(f"{path} is a damaged bundle: {error}.", _HINT) from error


def _tail(file: IO[bytes], size: int) -> bytes:
    file.seek(max(0, size - _LOCATOR - _END.size))
    return file.read()


def _check_end(start: bytes, tail: bytes, size: int, path: Path) -> None:
    """Check the end of the directory, before ``zipfile`` builds an object for each entry."""
    if not start.startswith(b"PK\x03\x04"):
        raise BundleError(f"{path} is not a bundle: it does not begin like a zip.", _HINT)
    if size > _MAX_BYTES:
        raise BundleError(f"{path} has {size:,} bytes, more than {_MAX_BYTES:,}.")
    if len(tail) < _END.size or tail[-_END.size :][:4] != b"PK\x05\x06":
        raise BundleError(f"{path} is truncated, or bytes follow its end.", _HINT)
    if tail.startswith(b"PK\x06\x07"):  # zipfile would take the directory's place from there
        raise BundleError(f"{path} is a zip with 64-bit sizes, which a bundle never has.", _HINT)
    _, disk, first_disk, here, entries, length, offset, comment = _END.unpack(tail[-_END.size :])
    if disk or first_disk or comment or here != entries or offset + length + _END.size != size:
        raise BundleError(f"{path} is a damaged bundle: its directory is not valid.", _HINT)
    if entries > _MAX_MEMBERS:
        raise BundleError(f"{path} has {entries} members, more than {_MAX_MEMBERS}.")
    # zipfile reads entries up to this length, however few are counted here.
    if length > entries * (_ENTRY + _MAX_NAME):
        raise BundleError(f"{path} is a damaged bundle: its directory is not valid.", _HINT)


def _read(zipped: zipfile.ZipFile, path: Path) -> Bundle:
    infos = {info.filename: info for info in zipped.infolist()}
    if len(infos) != len(zipped.infolist()):
        raise BundleError(f"{path} has two members of the same name.")
    for info in infos.values():
        _check_member(info, path)
    _check_places(list(infos.values()), zipped.start_dir, path)
    if CARD not in infos:
        raise BundleError(f"{path} is a zip without {CARD}, so it is not a bundle.", _HINT)
    content = zipped.read(CARD)
    card = read_card(content, str(path))
    _check_names(card, infos, path)
    files = {name: _verified(zipped, name, member, path) for name, member in card.members.items()}
    return Bundle(card, files, hashlib.sha256(content).hexdigest())


def _check_member(info: zipfile.ZipInfo, path: Path) -> None:
    name = info.filename
    if not _is_allowed(name) or info.orig_filename != name:
        raise BundleError(f"{path} has a member {name!r:.80}, which is no part of a bundle.")
    if info.flag_bits & _ENCRYPTED:
        raise BundleError(f"{path}: its member {name} is encrypted.")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise BundleError(f"{path}: its member {name} is compressed, but must be stored.")
    if info.flag_bits or info.extra or info.comment:
        raise BundleError(f"{path}: its member {name} has properties that no bundle has.")


def _check_places(infos: list[zipfile.ZipInfo], end: int, path: Path) -> None:
    """The members follow each other without gaps: none overlaps, and nothing is hidden."""
    at = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset != at:
            raise BundleError(f"{path}: its members overlap, or bytes lie between them.", _HINT)
        at += _HEADER + len(info.filename) + info.file_size
    if at != end:
        raise BundleError(f"{path}: its members overlap, or bytes lie after them.", _HINT)


def _is_allowed(name: str) -> bool:
    return name in _FIXED or _PHOTO.fullmatch(name) is not None


def _check_names(card: Card, infos: Mapping[str, zipfile.ZipInfo], path: Path) -> None:
    """The card lists all members, and those that it needs are there."""
    listed = {*card.members, CARD}
    if listed != set(infos):
        odd = sorted(listed ^ set(infos))[0]
        raise BundleError(f"{path}: {odd!r:.80} is in the card or in the zip, but not in both.")
    needed = {ONNX, *(each.file for each in card.examples)}
    needed |= {REFERENCE} if card.unlike else set()
    if missing := sorted(needed - listed):
        raise BundleError(f"{path}: its member {missing[0]} is missing.", _HINT)


def _verified(zipped: zipfile.ZipFile, name: str, member: Member, path: Path) -> bytes:
    content = zipped.read(name)
    if len(content) != member.bytes or hashlib.sha256(content).hexdigest() != member.sha256:
        raise BundleError(f"{path}: its member {name} is damaged (wrong sha256).", _HINT)
    return content
