"""Facts about the file of a photo, apart from its pixels, for the shortcut probes."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from fastdefect.aliases import Floats
from fastdefect.data.photos import FileFacts
from fastdefect.data.reading import netpbm, tiff
from fastdefect.data.reading.damage import DAMAGE
from fastdefect.data.reading.formats import FORMATS, open_image
from fastdefect.data.reading.signatures import kind_of

# Pillow raises these, too, on damaged headers and tags (found by fuzzing).
HEADER_DAMAGE = (
    *DAMAGE,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

# The kind of file that each suffix implies. Other suffixes imply none.
_IMPLIED_KINDS = {
    ".apng": "PNG",
    ".dib": "BMP",
    ".gif": "GIF",
    **{suffix: each.kind for each in FORMATS.values() for suffix in each.suffixes},
}

# The luma quantisation table that encoders scale (ITU T.81, table K.1), row by row.
# fmt: off
_LUMA = np.array([
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
])
# fmt: on


def _scaled_tables() -> Floats:
    """(100, 64) logarithms of the luma tables of quality 1 to 100.

    The scaling is that of the Independent JPEG Group's library (jpeg_quality_scaling and
    jpeg_add_quant_table in its jcparam.c), used by nearly all encoders.
    """
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = np.clip((_LUMA * percent[:, None] + 50) // 100, 1, 255)
    return np.log(tables)


_LOG_TABLES = _scaled_tables()


def read_facts(data: bytes, path: Path) -> FileFacts:
    """The facts from the bytes of a photo; only the suffix of ``path`` is used.

    Only headers are read, no pixel is decoded, and nothing is raised. Damaged or unknown facts
    are omitted (``kind`` and ``mode`` are then empty, ``frames`` is 1). EXIF is read only before
    the pixels, where nearly all PNGs store it; the tags of a TIFF count as EXIF. Most files have
    no time zone, so the time of the photo is taken as UTC.
    """
    kind = kind_of(data) or ""
    fits = _IMPLIED_KINDS.get(path.suffix.lower(), kind) == kind
    facts = FileFacts(len(data), kind, fits, "", 1, None, 0, None, None)
    try:
        if kind in ("PNM", "PFM"):
            return replace(facts, mode=_netpbm_mode(netpbm.read_header(data)))
        with open_image(data, kind) as photo:
            exif, camera, taken = _exif(photo)
            return replace(
                facts,
                mode=_mode(photo),
                frames=_frames(photo),
                quality=_quality(photo),
                exif=exif,
                camera=camera,
                taken=taken,
            )
    except HEADER_DAMAGE:
        return replace(facts, mode=_unsupported_tiff_mode(data)) if kind == "TIFF" else facts


def _unsupported_tiff_mode(data: bytes) -> str:
    """``;16`` if a TIFF that Pillow does not support has more than 8 bits a channel; else empty."""
    try:
        return ";16" if tiff.is_deep(tiff.read_tags(data)) else ""
    except HEADER_DAMAGE:
        return ""


def _netpbm_mode(header: netpbm.Netpbm) -> str:
    """The mode that Pillow has for such values."""
    if header.channels == 1:
        return "F" if header.dtype.kind == "f" else "I;16" if header.is_deep else "L"
    return "RGB;16" if header.is_deep else "RGB"


def _mode(photo: Image.Image) -> str:
    """Pillow's mode, with ``;16`` for 16-bit colour, which Pillow silently reduces to 8 bits."""
    stored = str(photo.tile[0].args) if isinstance(photo, ImageFile) and photo.tile else ""
    return f"{photo.mode};16" if ";16" in stored and "16" not in photo.mode else photo.mode


def _frames(photo: Image.Image) -> int:
    if isinstance(photo, JpegImageFile):
        return 1  # a second picture in a JPEG is a preview or a gain map
    try:
        return int(getattr(photo, "n_frames", 1))
    except HEADER_DAMAGE:
        return 1


def _quality(photo: Image.Image) -> float | None:
    """The quality of the scaled standard table that is nearest by ratios of the entries.

    It is exact for a file with the standard table. For other tables it is the quality at which
    the standard table is equally coarse.
    """
    if not isinstance(photo, JpegImageFile) or len(photo.quantization.get(0, ())) != 64:
        return None
    table = np.log(np.clip(photo.quantization[0], 1, 255))
    return 1.0 + int(np.argmin(np.abs(_LOG_TABLES - table).sum(axis=1)))


def _exif(photo: Image.Image) -> tuple[int, str | None, float | None]:
    """The number of tags, the camera, and the time of the photo."""
    try:
        # Not photo.getexif(), which decodes the pixels of a PNG to read beyond them.
        tags = Image.Image.getexif(photo)
        shot = tags.get_ifd(ExifTags.IFD.Exif)
        count = len(tags) + len(shot) + len(tags.get_ifd(ExifTags.IFD.GPSInfo))
        words = [_text(tags.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model)]
        moment = _text(shot.get(ExifTags.Base.DateTimeOriginal))
    except HEADER_DAMAGE:
        return 0, None, None
    return count, " ".join(filter(None, words)) or None, _seconds(moment)


def _text(value: object) -> str:
    return value.strip(" \0") if isinstance(value, str) else ""


def _seconds(moment: str) -> float | None:
    """Seconds since 1970 of EXIF's ``YYYY:MM:DD HH:MM:SS``, taken as UTC."""
    try:
        # Not strptime(), which depends on the locale.
        return datetime.fromisoformat(moment.replace(":", "-", 2)).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
