"""The bodies of requests with photos, read into memory while they arrive, within limits.

The framework's own reader of forms writes large files to the folder for temporary files, where
photos of a line do not belong.
"""

from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from re import fullmatch, split
from threading import Lock
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from fastdefect.serving.photo_work import Sent
from fastdefect.serving.problems import (
    BAD_BODY,
    BAD_TYPE,
    INVALID,
    TOO_LARGE,
    Problem,
    busy,
)
from fastdefect.serving.settings import MIB, MOST_TEXT, UNPRINTED, Settings
from fastdefect.text import counted, without_controls

PART = rf"^[^{UNPRINTED}]*$"
_MOST_BOUNDARY = 200  # bytes
_MOST_HEADERS = 16  # of a field
_MOST_HEADER = 8192  # bytes of the headers of a field
_HEADINGS = 64 * 1024  # bytes of a form beside its photos
_RAW = ("image/", "application/octet-stream")
_RETRY = 2  # seconds
_FORM = "multipart/form-data"


@dataclass
class Upload:
    """The photos of a request, and the part that the form names.

    ``work`` holds the photos in memory until it is done, if it is set.
    """

    photos: tuple[Sent, ...]
    part: str | None
    work: "Future[Any] | None" = None


class Uploads:
    """Reads the bodies of requests; all of them together hold a limited number of bytes."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._held = settings, 0
        self._turn = Lock()  # work ends in other threads

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[Upload]:
        """Read the body. Raises ``Problem``.

        Its bytes count until the block ends, and until the work that the block set is done.
        """
        reader = _reader_of(request, self._settings)
        most = self._settings.max_bytes * self._settings.max_photos + _HEADINGS
        _check_length(request, most)
        held, work = 0, None
        try:
            async for chunk in request.stream():
                held += len(chunk)
                self._hold(len(chunk))
                if held > most:
                    raise _too_large(most)
                reader.write(chunk)
            upload = reader.finished()
            del reader  # its buffers are copies of the photos
            try:
                yield upload
            finally:
                work, upload.work = upload.work, None
                upload.photos = ()  # an error that leaves the block refers to its frames
        finally:
            if work is None:
                self._free(held)
            else:
                work.add_done_callback(lambda _: self._free(held))

    def _free(self, n: int) -> None:
        with self._turn:
            self._held -= n

    def _hold(self, n: int) -> None:
        with self._turn:
            self._held += n
            too_many = self._held > self._settings.memory
        if too_many:
            most = self._settings.memory / MIB
            raise busy(f"Expected requests in work of at most {most:.3g} MiB together.", _RETRY)


def clean(name: str, text: str | None) -> str | None:
    """The text of the field ``name`` as it is used; None if it is empty. Raises ``Problem``."""
    if text is None or not (stripped := text.strip()):
        return None
    if len(stripped) > MOST_TEXT or not fullmatch(PART, stripped):
        raise _bad_text(name)
    return stripped


def _bad_text(name: str) -> Problem:
    text = f"{name}: expected at most {MOST_TEXT} characters in one line."
    return Problem(INVALID, text, f"Send the {_TEXTS[name]}, or leave it out.")


class _Raw:
    """A body that is one photo."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._data = settings, bytearray()

    def write(self, chunk: bytes) -> None:
        self._data += chunk
        if len(self._data) > self._settings.max_bytes:
            raise _too_large(self._settings.max_bytes)

    def finished(self) -> Upload:
        return Upload((Sent("", bytes(self._data)),), None)


@dataclass
class _Field:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    file: str = ""
    data: bytearray = field(default_factory=bytearray)


class _Form:
    """A form with the field ``photo``, once or several times, and texts beside it.

    ``part`` at most once, ``product`` once for the part or once for each photo, and ``view`` once
    for each photo. Those for each photo are in the order of the photos: a client may send all
    texts before all files.
    """

    def __init__(self, boundary: bytes, settings: Settings) -> None:
        self._settings = settings
        self._fields: list[_Field] = []
        self._header, self._value = bytearray(), bytearray()
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: self._fields.append(_Field()),
                "on_header_field": self._on_header,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_end": self._on_end,
            },
        )

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _bad_form(str(error)) from None

    def finished(self) -> Upload:
        if not self._ended:
            raise _bad_form("it ends before its last boundary")
        photos = [each for each in self._fields if each.name == "photo"]
        if not photos:
            raise Problem(INVALID, "Expected a field photo, but found none.", _FIELDS)
        parts, n = self._texts("part"), len(photos)
        if len(parts) > 1:
            raise Problem(INVALID, "Expected one field part, but found several.", _FIELDS)
        products = self._texts("product")
        products = products * n if len(products) == 1 else products
        sent = zip(
            photos,
            _each(n, "view", self._texts("view")),
            _each(n, "product", products),
            strict=True,
        )
        return Upload(
            tuple(Sent(of.file, bytes(of.data), view, product) for of, view, product in sent),
            parts[0] if parts else None,
        )

    def _texts(self, name: str) -> list[str | None]:
        """The texts of the fields ``name``, in their order; None for an empty one."""
        try:
            found = [each.data.decode() for each in self._fields if each.name == name]
        except UnicodeDecodeError:
            raise Problem(INVALID, f"{name}: expected text in UTF-8.", _FIELDS) from None
        return [clean(name, text) for text in found]

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._check_header()

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._header) + len(self._value) > _MOST_HEADER:
            raise _bad_form(f"a field has more than {_MOST_HEADER} bytes of headers")

    def _on_header_end(self) -> None:
        self._fields[-1].headers[bytes(self._header).lower()] = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()
        if len(self._fields[-1].headers) > _MOST_HEADERS:
            raise _bad_form(f"a field has more than {_MOST_HEADERS} headers")

    def _on_headers(self) -> None:
        found = self._fields[-1]
        _, options = parse_options_header(found.headers.get(b"content-disposition"))
        found.name = options.get(b"name", b"").decode("utf-8", "replace")
        found.file = _base_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        if found.name != "photo" and found.name not in _TEXTS:
            shown = without_controls(found.name[:MOST_TEXT])
            text = f"Expected the fields photo, {', '.join(_TEXTS)}, but found {shown!r}."
            raise Problem(INVALID, text, _FIELDS)
        n = sum(each.name == found.name for each in self._fields)
        if n > (1 if found.name == "part" else self._settings.max_photos):
            text = f"Expected at most {self._settings.max_photos} photos and one part."
            raise Problem(INVALID, text, "Send fewer photos in a request.")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        found = self._fields[-1]
        found.data += data[start:end]
        if found.name == "photo":
            if len(found.data) > self._settings.max_bytes:
                raise _too_large(self._settings.max_bytes)
        elif len(found.data) > 4 * MOST_TEXT:  # in UTF-8
            raise _bad_text(found.name)

    def _on_end(self) -> None:
        self._ended = True


_FIELDS = "For example: curl -F photo=@a.jpg -F photo=@b.jpg -F part=17."
# The fields beside the photos, with what is in them.
_TEXTS = {
    "part": "number of the part",
    "product": "name of the product",
    "view": "name of the view",
}


def _each(n_photos: int, name: str, texts: list[str | None]) -> list[str | None]:
    """A text for each photo. Raises ``Problem`` if there are some, but not one for each."""
    if texts and len(texts) != n_photos:
        raise Problem(
            INVALID,
            f"Expected a field {name} for each of {counted(n_photos, 'photo')}, or none, but found "
            f"{len(texts)}.",
            f"Send {name} as often as photo, in the same order; empty where it is not known.",
        )
    return texts or [None] * n_photos


def _reader_of(request: Request, settings: Settings) -> "_Raw | _Form":
    given = request.headers.get("content-type", "")
    kind, options = parse_options_header(given)
    media_type = kind.decode("latin-1")
    if media_type.startswith(_RAW):
        return _Raw(settings)
    if media_type != _FORM:
        raise Problem(
            BAD_TYPE,
            f"Expected a body of type {_FORM}, image/... or application/octet-stream, but got "
            f"{without_controls(given[:MOST_TEXT]) or 'none'}.",
            "curl -F photo=@a.jpg sends a form; curl --data-binary @a.jpg -H 'Content-Type: "
            "image/jpeg' sends a photo alone.",
        )
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= _MOST_BOUNDARY:
        raise _bad_form(f"its Content-Type has no boundary of 1 to {_MOST_BOUNDARY} bytes")
    return _Form(boundary, settings)


def _check_length(request: Request, most: int) -> None:
    """Refuse a body whose length is declared as too large, before it arrives."""
    given = request.headers.get("content-length", "0")
    if given.isdecimal() and int(given[:20]) > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    text = (
        f"Expected at most {most / MIB:.3g} MiB."
        if most >= MIB
        else f"Expected at most {most} bytes."
    )
    return Problem(TOO_LARGE, text, "Send smaller or fewer photos.")


def _bad_form(reason: str) -> Problem:
    return Problem(BAD_BODY, f"The form can't be read: {reason}.", "Send the complete form again.")


def _base_name(given: str) -> str:
    """A file name without folders, of any system."""
    return without_controls(split(r"[/\\]", given)[-1])[:MOST_TEXT]
