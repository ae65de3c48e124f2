"""The kinds of files that hold photos: which are read, by what, and which are not.

Each kind is declared once. Those with a plugin are read where the plugin is installed.
"""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath

from PIL import Image, features

from fastdefect.data.findings import Check, Finding
from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.data.reading.object_store import ObjectFile, Place, read_photo_object
from fastdefect.text import counted, first

# Sizes are checked by the reader, against --max-megapixels, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Format:
    """A kind of file, as in ``signatures.kind_of``, and the suffixes that imply it.

    ``pillow`` is Pillow's name, empty for a kind with a reader of its own. ``plugins`` are modules
    of which one is required, if any; ``install`` is how to get one.
    """

    kind: str
    suffixes: tuple[str, ...]
    pillow: str = ""
    plugins: tuple[str, ...] = ()
    install: str = ""

    @property
    def available(self) -> bool:
        """Whether files of this kind can be read here."""
        if self.kind == "AVIF":
            return bool(features.check("avif"))
        return not self.plugins or any(find_spec(name) is not None for name in self.plugins)


_EXTRA = 'python -m pip install "fastdefect[formats]"'
# No part of the extra: its licence is the GPL.
_JXL = "python -m pip install pillow-jxl-plugin"

# Only the required parsers. Pillow has some forty more (one of them, PostScript, starts another
# program), and each is an attack surface for damaged or hostile files.
FORMATS: dict[str, Format] = {
    each.kind: each
    for each in (
        Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
        Format("PNG", (".png",), "PNG"),
        Format("BMP", (".bmp",), "BMP"),
        Format("TIFF", (".tif", ".tiff"), "TIFF"),
        Format("WebP", (".webp",), "WEBP"),
        Format("GIF", (), "GIF"),  # under the name of another kind; .gif is mostly no photo
        Format("PNM", (".pgm", ".ppm", ".pnm")),
        Format("PFM", (".pfm",)),
        Format("HEIC", (".heic", ".heif", ".hif"), "HEIF", ("pi_heif", "pillow_heif"), _EXTRA),
        Format("AVIF", (".avif",), "AVIF", (), "python -m pip install --upgrade pillow"),
        Format("JXL", (".jxl",), "JXL", ("pillow_jxl",), _JXL),
    )
}

# The suffixes of photos that can be read here.
IMAGE_SUFFIXES: frozenset[str] = frozenset(
    suffix for each in FORMATS.values() if each.available for suffix in each.suffixes
)

_RAW_SUFFIXES = frozenset(
    ".raw .bayer .dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .3fr .fff "
    ".iiq .mrw .x3f .kdc .dcr .erf".split()
)
_PICTURE_SUFFIXES = frozenset(
    ".gif .jp2 .j2k .jpf .jpx .j2c .exr .hdr .dcm .dicom .svg .psd .tga .pcx .jxr .wdp .bpg .sgi "
    ".ico .fits .emf .wmf .eps".split()
)
_FILM_SUFFIXES = frozenset(".mp4 .mov .avi .mkv .wmv .m4v .mpg .mpeg .webm .pdf".split())
_UNREAD = (
    (_RAW_SUFFIXES, "Develop raw camera data to PNG or TIFF."),
    (_PICTURE_SUFFIXES, "Convert these pictures to PNG, TIFF or JPEG."),
    (_FILM_SUFFIXES, "Save the pictures of films and documents as PNG or JPEG files."),
)

UNREAD_FORMAT = Check(
    "unread_format",
    "warning",
    rank=75,
    meaning="files of pictures in a format that is not read here, which are excluded",
    of_photos=False,
)


def open_image(data: bytes, kind: str) -> Image.Image:
    """Open the header of a file of ``kind`` with Pillow; raises what Pillow raises."""
    found = FORMATS[kind]
    _register(found.plugins)
    return Image.open(io.BytesIO(data), formats=[found.pillow])


def open_header(path: Place) -> Image.Image:
    """Open the header of a file of any kind that is read here; raises what Pillow raises."""
    readable = [each for each in FORMATS.values() if each.available]
    for each in readable:
        _register(each.plugins)
    formats = [*(each.pillow for each in readable if each.pillow), "PPM"]
    if isinstance(path, ObjectFile):
        try:
            return Image.open(io.BytesIO(read_photo_object(path)), formats=formats)
        except UnreadablePhoto as error:
            raise OSError(error.reason) from error
    if not path.is_file():  # opening a named pipe would block
        raise FileNotFoundError(path)
    return Image.open(path, formats=formats)


@cache
def _register(plugins: tuple[str, ...]) -> None:
    """Import the first plugin that is installed; one of HEIC is registered by a call."""
    name = next((name for name in plugins if find_spec(name) is not None), None)
    if name is None:
        return
    register = getattr(import_module(name), "register_heif_opener", None)
    if register is not None:
        register()


def why_unread(suffix: str) -> str | None:
    """What to do about files with this suffix that hold pictures but are not read here."""
    suffix = suffix.lower()
    for each in FORMATS.values():
        if suffix in each.suffixes and not each.available:
            return f"To read them: {each.install}"
    return next((advice for suffixes, advice in _UNREAD if suffix in suffixes), None)


def holds_pictures(name: str) -> bool:
    """Whether the name is that of a picture in a format that is not read here."""
    return why_unread(PurePath(name).suffix) is not None


def describe_unread(names: Iterable[str]) -> str:
    """Their suffixes with counts, and what to do: ``12 .heic, 3 .dng. To read them: ...``."""
    counts = Counter(PurePath(name).suffix.lower() for name in names)
    advice = dict.fromkeys(why_unread(suffix) or "" for suffix, _ in counts.most_common())
    suffixes = ", ".join(f"{n} {suffix}" for suffix, n in counts.most_common())
    return f"{suffixes}. {' '.join(filter(None, advice))}"


def unread_findings(names: Iterable[str]) -> list[Finding]:
    """The finding on those of ``names`` that hold pictures but are not read here, if any."""
    unread = tuple(name for name in names if holds_pictures(name))
    if not unread:
        return []
    text = (
        f"{counted(len(unread), 'file')} in a format that is not read, excluded ({first(unread)}): "
        f"{describe_unread(unread)}"
    )
    return [UNREAD_FORMAT.finding(text, len(unread), unread)]
