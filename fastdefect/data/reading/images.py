"""The reader of photos: any common file to 8-bit RGB, and the only resize function.

Training, prediction and serving use this reader, so that a model always gets the same array for
one photo. An unreadable file raises ``UnreadablePhoto`` with a plain reason. No file, however
damaged, raises any other exception.

Pillow decodes (on 512 px JPEGs: 75 % of OpenCV's speed in one thread; unlike OpenCV it rejects
truncated files instead of filling the rest with grey). OpenCV only reads files that Pillow
reduces to 8 bits or does not support: deep colour and rare TIFFs.
"""

import io
import stat
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from fastdefect.data.reading.signatures import has_sound_chunks, is_cut, kind_of
from fastdefect.errors import DataError

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"}
)

Pixels = NDArray[np.uint8]
Resize = Literal["squish", "pad"]
PADDING = 128  # grey level of the bars that ``pad`` adds to a photo
_Tags = TiffImagePlugin.ImageFileDirectory_v2

# Only the required parsers. Pillow has some forty more (one of them, PostScript, starts another
# program), and each is an attack surface for damaged or hostile files.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")

# Errors that Pillow and OpenCV raise on truncated and corrupted files, found by fuzzing (a test in
# test_images.py) and in their sources.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
    cv2.error,
)

# Both libraries print messages on damaged metadata to stderr and would disturb a live display. The
# filter applies only to warnings from Pillow. It is set once per process, because
# warnings.catch_warnings() is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class UnreadablePhoto(DataError):  # noqa: N818 - the name describes the photo
    """A file that is not a readable photo; ``reason`` is a plain explanation."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"Cannot read {path}: {reason}.")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type["UnreadablePhoto"], tuple[Path, str]]:
        # Pickle both arguments, so that the exception can leave a worker process.
        return type(self), (self.path, self.reason)


class _UnknownKindError(Exception):
    """A valid photo of an unsupported kind; the message is the reason."""


def read_photo(path: Path) -> Pixels:
    """Read the photo ``path``: (height, width, 3) uint8, RGB, upright by its EXIF.

    An animation or a document with several pages gives its first picture. Raises
    ``UnreadablePhoto``.
    """
    return decode_photo(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Read all bytes of the file ``path``; raise ``UnreadablePhoto`` if it is not a file."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnreadablePhoto(path, "a folder, not a file")
        if not stat.S_ISREG(mode):  # opening a named pipe would block
            raise UnreadablePhoto(path, "not a regular file")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadablePhoto(path, "no such file") from None
    except PermissionError:
        raise UnreadablePhoto(path, "no permission to read it") from None
    except (OSError, ValueError) as error:  # a NUL in a path from a CSV
        raise UnreadablePhoto(path, getattr(error, "strerror", None) or "bad path") from error


def decode_photo(data: bytes, name: str) -> Pixels:
    """Decode the photo in the bytes of a file: (height, width, 3) uint8, RGB, upright.

    ``name`` is used only for the error. Transparency is composed over white. Channels of more
    than 8 bits are scaled (see ``to_8bit``), never clipped. Raises ``UnreadablePhoto``.
    """
    if not data:
        raise UnreadablePhoto(Path(name), "empty file")
    kind = kind_of(data)
    if kind is None:
        raise UnreadablePhoto(Path(name), "not an image")
    # Pillow accepts a JPEG or PNG that lacks only its end, and a JPEG with a tail of zeros. Their
    # pixels would be grey or garbage where a defect may be.
    if kind in ("JPEG", "PNG") and is_cut(data, kind):
        raise UnreadablePhoto(Path(name), f"truncated {kind}")
    if kind == "PNG" and not has_sound_chunks(data):
        raise UnreadablePhoto(Path(name), "damaged PNG")
    try:
        return np.ascontiguousarray(_decode(data, kind))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadablePhoto(Path(name), "too many pixels (decompression bomb)") from error
    except _UnknownKindError as error:
        raise UnreadablePhoto(Path(name), str(error)) from error
    except _DAMAGE as error:
        cut = "truncated" in str(error).lower() or is_cut(data, kind)
        reason = f"{'truncated' if cut else 'damaged or unknown'} {kind}"
        raise UnreadablePhoto(Path(name), reason) from error


def fit_to(image: Pixels, size: int, resize: Resize) -> Pixels:
    """The whole photo as (size, size, 3) uint8, without any crop. Always a new array.

    ``squish`` stretches both axes to ``size``. ``pad`` keeps the aspect ratio and centres the
    photo between mid-grey bars. Repeated edge pixels would turn a defect at the rim into a long
    false scratch. Mid-grey is near the ImageNet mean and so near zero after normalisation.
    """
    if resize == "squish":
        return _scaled(image, size, size)
    height, width = image.shape[:2]
    scale = size / max(height, width)
    inner = _scaled(image, max(1, round(width * scale)), max(1, round(height * scale)))
    padded = np.full((size, size, 3), PADDING, np.uint8)
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    padded[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return padded


def to_8bit(values: NDArray[Any]) -> Pixels:
    """Scale brightness of any numeric dtype and any shape to 0..255 and round.

    The scale is the same for all photos of one kind, so that brightness stays comparable. 16-bit
    data are divided by 65535, except if no value exceeds 4095. Such data come from a 12-bit
    camera in a 16-bit file and would be nearly black; they are divided by 4095. (A 16-bit photo
    that is as dark uses at most a 16th of its range.) For 32-bit data the scale is the smallest
    usual range that contains them: 0..1 (floats), 0..255, then as for 16 bits. Data beyond 65535
    or below zero have no usual range and are stretched from minimum to maximum. NaN and infinity
    count as 0.
    """
    if values.dtype == np.uint8:
        return values
    # The relative error of 2^-24 is far smaller than the distance of any 16-bit value from a tie.
    exact: NDArray[Any] = values.astype(np.float32 if values.dtype.itemsize == 2 else np.float64)
    if values.dtype.kind == "f":
        exact[~np.isfinite(exact)] = 0
    low, high = _black_and_white(values.dtype, float(exact.min()), float(exact.max()))
    exact -= low  # in place: a line-scan photo of 100 megapixels is 800 MB here
    exact *= 255 / (high - low)
    np.rint(exact, out=exact)
    np.clip(exact, 0, 255, out=exact)
    return exact.astype(np.uint8)


def _black_and_white(dtype: np.dtype[Any], least: float, greatest: float) -> tuple[float, float]:
    """The values that map to 0 and 255 (see ``to_8bit``)."""
    whites = [4095.0, 65535.0]
    if dtype.itemsize > 2:
        whites.insert(0, 255.0)
    # A tolerance of 1 %: filters such as sharpening slightly overshoot 0..1.
    if dtype.kind == "f" and least >= -0.01 and greatest <= 1.01:
        return 0.0, 1.0
    if least >= 0:
        for white in whites:
            if greatest <= white:
                return 0.0, white
    return least, max(greatest, least + 1.0)


def _decode(data: bytes, kind: str) -> Pixels:
    try:
        photo = Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        if kind != "TIFF":
            raise
        return _rare_tiff(data)
    with photo:
        deep = _is_deep_colour(photo, data)
        if isinstance(photo, TiffImagePlugin.TiffImageFile):
            _check_tiff(photo.tag_v2, len(data))
        photo.load()  # also if OpenCV decodes: only Pillow detects a truncated file
        pixels = _opencv(data) if deep else None
        if pixels is None:
            pixels = _pillow(photo)
        # Both libraries apply the orientation of a TIFF on load, but of no other kind.
        return pixels if kind == "TIFF" else _upright(pixels, photo)


def _pillow(photo: Image.Image) -> Pixels:
    """Convert a loaded Pillow image of any mode to RGB."""
    if photo.mode == "LAB":
        raise _UnknownKindError("LAB colour, which is not supported")
    if photo.mode == "I" or photo.mode == "F" or photo.mode.startswith("I;16"):
        values = np.asarray(photo)
        if isinstance(photo, TiffImagePlugin.TiffImageFile):
            return _grey_tiff(values, photo.tag_v2)
        return _grey_to_rgb(to_8bit(values))
    if photo.has_transparency_data:
        return _over_white(photo.convert("RGBA"))
    # convert() copies even without a conversion, which doubles the cost of reading.
    return np.array(photo if photo.mode == "RGB" else photo.convert("RGB"))


def _opencv(data: bytes) -> Pixels | None:
    """A deep colour photo as 8-bit RGB; None if OpenCV does not support its kind."""
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        return None
    if values.ndim == 2:
        return _grey_to_rgb(to_8bit(values))
    rgb = to_8bit(values[..., 2::-1])
    if values.shape[2] < 4 or values.dtype.kind == "f":
        return rgb
    # Alpha is scaled by its dtype, whatever the range of the colours.
    alpha = values[..., 3:] * (255 / np.iinfo(str(values.dtype)).max)
    rgba = np.concatenate([rgb, np.rint(alpha).astype(np.uint8)], axis=2)
    return _over_white(Image.fromarray(rgba))


def _rare_tiff(data: bytes) -> Pixels:
    """Read a TIFF that Pillow does not support, such as 64-bit float or float RGB."""
    big = data[2:3] == b"+"
    tags = _Tags(data[: 16 if big else 8])
    stream = io.BytesIO(data)
    stream.seek(tags.next)
    tags.load(stream)
    _check_tiff(tags, len(data))
    starts = _numbers(tags, TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.TILEOFFSETS)
    lengths = _numbers(tags, TiffImagePlugin.STRIPBYTECOUNTS, TiffImagePlugin.TILEBYTECOUNTS)
    if max(start + length for start, length in zip(starts, lengths, strict=True)) > len(data):
        raise ValueError("truncated")  # OpenCV would fill the rest
    pixels = _opencv(data)
    if pixels is None:
        raise ValueError("neither Pillow nor OpenCV supports this TIFF")
    single = tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1) == 1
    return 255 - pixels if single and _white_is_zero(tags) else pixels


def _numbers(tags: _Tags, of_strips: int, of_tiles: int) -> tuple[int, ...]:
    """The offsets or lengths of the strips of the pixels, or of the tiles without strips."""
    values: int | tuple[int, ...] = tags[of_strips] if of_strips in tags else tags[of_tiles]
    return values if isinstance(values, tuple) else (values,)


def _grey_tiff(values: NDArray[Any], tags: _Tags) -> Pixels:
    """One channel of more than 8 bits, for which Pillow ignores two tags."""
    unsigned = tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,)) == (1,)
    if tags.get(TiffImagePlugin.BITSPERSAMPLE) == (32,) and unsigned:
        values = values.view(np.uint32)  # Pillow has no unsigned mode and wraps
    grey = to_8bit(values)
    return _grey_to_rgb(255 - grey if _white_is_zero(tags) else grey)


def _check_tiff(tags: _Tags, size: int) -> None:
    """Reject sizes that a file of ``size`` bytes cannot hold, which both libraries accept.

    Pillow leaves rows without data black; OpenCV first allocates up to 2^30 pixels. Both read
    deep channels in planar order as interleaved ones, which gives garbage.
    """
    pixels = tags[TiffImagePlugin.IMAGEWIDTH] * tags[TiffImagePlugin.IMAGELENGTH]
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > 2 * limit:
        raise Image.DecompressionBombError("more pixels than Pillow allows")
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    planar = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == 2
    if planar and len(bits) > 1 and max(bits) > 8:
        raise _UnknownKindError("planar colour of more than 8 bits, which is not supported")
    if tags.get(TiffImagePlugin.COMPRESSION, 1) == 1 and pixels * sum(bits) > 8 * size:
        raise ValueError("truncated: fewer bytes than pixels")


def _white_is_zero(tags: _Tags) -> bool:
    return tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0


def _is_deep_colour(photo: Image.Image, data: bytes) -> bool:
    """Whether several channels have more than 8 bits each, which Pillow would drop."""
    if isinstance(photo, TiffImagePlugin.TiffImageFile):
        bits = photo.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        return len(bits) > 1 and max(bits) > 8
    # Byte 24 of a PNG is its bit depth, byte 25 its colour type (0: grey without alpha).
    return photo.format == "PNG" and data[24] == 16 and data[25] != 0


def _grey_to_rgb(grey: Pixels) -> Pixels:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _over_white(rgba: Image.Image) -> Pixels:
    """Compose an RGBA image over white. Alpha 0 everywhere is an unused fourth channel."""
    alpha = rgba.getchannel("A")
    colour = rgba.convert("RGB")
    if alpha.getextrema() == (0, 0):
        return np.array(colour)
    white = Image.new("RGB", rgba.size, "white")
    white.paste(colour, mask=alpha)
    return np.array(white)


# The inverse of each camera orientation (EXIF tag 0x0112, values 1 to 8).
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


def _upright(pixels: Pixels, photo: Image.Image) -> Pixels:
    try:
        turn = _TURNS.get(photo.getexif().get(0x0112, 1))
    except _DAMAGE:  # damaged EXIF, valid pixels: keep the orientation
        return pixels
    return pixels if turn is None else turn(pixels)


def _scaled(image: Pixels, width: int, height: int) -> Pixels:
    """Resize by area averages along an axis that shrinks and linearly along one that grows.

    There are two steps, because INTER_AREA samples instead of averaging if one axis shrinks and
    the other grows. Linear instead of cubic, which rings beside bright edges.
    """
    smaller = (min(width, image.shape[1]), min(height, image.shape[0]))
    if smaller != (image.shape[1], image.shape[0]):
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    if smaller == (width, height):
        return image.copy()
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
