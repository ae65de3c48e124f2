"""The reader of photos: any common file to 8-bit RGB, and the only resize function.

Training, prediction and serving use this reader, so that a model always gets the same array for
one photo. An unreadable file raises ``UnreadablePhoto`` with a plain reason. No file, however
damaged, raises any other exception.
"""

import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fastdefect.aliases import Pixels
from fastdefect.data.reading import netpbm, tiff
from fastdefect.data.reading.damage import DAMAGE, RefusedError, UnreadablePhoto
from fastdefect.data.reading.formats import FORMATS, IMAGE_SUFFIXES, open_image, why_unread
from fastdefect.data.reading.grey_scale import ValueRange, range_of, to_8bit
from fastdefect.data.reading.object_store import ObjectFile, Place, read_photo_object
from fastdefect.data.reading.signatures import has_sound_chunks, is_cut, kind_of
from fastdefect.data.reading.stored import (
    USUAL,
    Reading,
    Stored,
    factor_of,
    is_large,
    over_white,
    read_stored,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "USUAL",
    "Decoded",
    "Pixels",
    "Reading",
    "Resize",
    "UnreadablePhoto",
    "decode",
    "decode_photo",
    "fit_to",
    "from_array",
    "pixel_count",
    "read_bytes",
    "read_photo",
    "shown_in",
    "to_8bit",
    "upright",
    "value_range",
]

Resize = Literal["squish", "pad"]
PADDING = 128  # grey level of the bars that ``pad`` adds to a photo

# Both libraries print messages on damaged metadata to stderr and would disturb a live display. The
# filter applies only to warnings from Pillow. It is set once per process, because
# warnings.catch_warnings() is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True)
class Decoded:
    """A photo: ``pixels`` (height, width, 3) uint8 RGB, upright, and what they came from.

    ``width`` and ``height`` are those of the upright photo before any reduction. ``range`` is that
    of the values of a deep photo; None for 8 bits.
    """

    pixels: Pixels
    width: int
    height: int
    range: ValueRange | None


def read_photo(path: Path, how: Reading = USUAL) -> Pixels:
    """Read the photo ``path``: (height, width, 3) uint8, RGB, upright by its EXIF.

    An animation or a document with several pages gives its first picture. Raises
    ``UnreadablePhoto``.
    """
    return decode_photo(read_bytes(path), str(path), how)


def read_bytes(path: Place) -> bytes:
    """Read all bytes of the file ``path``; raise ``UnreadablePhoto`` if it is not a file.

    Every photo is read here. Raises ``ObjectStoreError`` if an object store does not answer.
    """
    if isinstance(path, ObjectFile):
        return read_photo_object(path)
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


def decode_photo(data: bytes, name: str, how: Reading = USUAL) -> Pixels:
    """The pixels of the photo in the bytes of a file; see ``decode``."""
    return decode(data, name, how).pixels


def decode(data: bytes, name: str, how: Reading = USUAL) -> Decoded:
    """Decode the photo in the bytes of a file: (height, width, 3) uint8, RGB, upright.

    ``name`` is used for the error and its suffix. Transparency is composed over white. Channels of
    more than 8 bits are scaled (see ``to_8bit``). Raises ``UnreadablePhoto``.
    """
    kind = _checked_kind(data, name)
    with _damage_in_words(data, kind, name):
        stored = read_stored(data, kind, how)
        height, width = stored.size[::-1]
        if stored.orientation in _SIDEWAYS:
            height, width = width, height
        pixels = np.ascontiguousarray(_finished(stored, how))
        return Decoded(pixels, width, height, _range(stored))


def from_array(values: NDArray[Any], how: Reading = USUAL) -> Pixels:
    """The photo in an array, as if it came from a file: (height, width, 3) uint8, RGB.

    ``values`` is (height, width) or (height, width, 1), 3 (RGB) or 4 (RGB and alpha, uint8), of
    integers or floats. Raises ``ValueError`` for any other array, and for one larger than
    ``how`` allows.
    """
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or channels not in (1, 3, 4) or not values.size:
        raise ValueError(
            "Expected an array of shape (height, width) or (height, width, 1, 3 or 4), got "
            f"{values.shape}"
        )
    if values.dtype.kind not in "uif" or (channels == 4 and values.dtype != np.uint8):
        raise ValueError(f"Expected numbers, with alpha as uint8, got {values.dtype}")
    height, width = values.shape[:2]
    if height * width > how.max_megapixels * 1e6:
        raise ValueError(f"{width} x {height} is more than --max-megapixels {how.max_megapixels:g}")
    if channels == 4:
        values = over_white(Image.fromarray(np.ascontiguousarray(values)))
    elif values.ndim == 3 and channels == 1:
        values = values[:, :, 0]
    return np.ascontiguousarray(_finished(Stored(values, (width, height)), how))


def value_range(data: bytes, name: str, how: Reading = USUAL) -> ValueRange | None:
    """The range of the values of a deep photo, as in ``decode``; None for 8 bits."""
    kind = _checked_kind(data, name)
    with _damage_in_words(data, kind, name):
        return _range(read_stored(data, kind, how))


def _range(stored: Stored) -> ValueRange | None:
    return None if stored.values.dtype == np.uint8 else range_of(stored.values)


@contextmanager
def _damage_in_words(data: bytes, kind: str, name: str) -> Iterator[None]:
    """Whatever a decoder raises becomes ``UnreadablePhoto``."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadablePhoto(Path(name), "too many pixels (decompression bomb)") from error
    except RefusedError as error:
        raise UnreadablePhoto(Path(name), str(error)) from error
    except DAMAGE as error:
        if isinstance(error, MemoryError) or "insufficient memory" in str(error).lower():
            raise UnreadablePhoto(Path(name), "not enough memory for its pixels") from error
        cut = "truncated" in str(error).lower() or is_cut(data, kind)
        reason = f"{'truncated' if cut else 'damaged or unknown'} {kind}"
        raise UnreadablePhoto(Path(name), reason) from error


def pixel_count(data: bytes) -> int:
    """The number of pixels that the header claims; 0 if it is unknown."""
    kind = kind_of(data)
    try:
        if kind in ("PNM", "PFM"):
            header = netpbm.read_header(data)
            return header.width * header.height
        # The plugin of JXL decodes a file when it opens it.
        if kind is None or kind == "JXL" or not FORMATS[kind].available:
            return 0
        try:
            with open_image(data, kind) as photo:
                width, height = photo.size
        except UnidentifiedImageError:
            if kind != "TIFF":
                raise
            width, height = tiff.size_of(tiff.read_tags(data))  # one that OpenCV reads
        return max(0, width * height)
    except (*DAMAGE, Image.DecompressionBombError):
        return 0


def _checked_kind(data: bytes, name: str) -> str:
    """The kind of file; raises ``UnreadablePhoto`` for what needs no decoding to be refused."""
    if not data:
        raise UnreadablePhoto(Path(name), "empty file")
    kind = kind_of(data)
    suffix = Path(name).suffix.lower()
    # The raw data of most cameras are in TIFFs, whose first picture is a small preview.
    if (kind in (None, "TIFF")) and (advice := why_unread(suffix)) is not None:
        reason = f"{suffix}, which is not read here. {advice.removesuffix('.')}"
        raise UnreadablePhoto(Path(name), reason)
    if kind is None:
        raise UnreadablePhoto(Path(name), "not an image")
    if not FORMATS[kind].available:
        advice = f"To read it: {FORMATS[kind].install}"
        raise UnreadablePhoto(Path(name), f"{kind}, which is not read here. {advice}")
    # Pillow accepts a JPEG or PNG that lacks only its end, and a JPEG with a tail of zeros. Their
    # pixels would be grey or garbage where a defect may be.
    if kind in ("JPEG", "PNG", "HEIC", "AVIF") and is_cut(data, kind):
        raise UnreadablePhoto(Path(name), f"truncated {kind}")
    if kind == "PNG" and not has_sound_chunks(data):
        raise UnreadablePhoto(Path(name), "damaged PNG")
    return kind


def fit_to(image: Pixels, size: int, resize: Resize) -> Pixels:
    """The whole photo as (size, size, 3) uint8, without any crop. Always a new array.

    ``squish`` stretches both axes to ``size``. ``pad`` keeps the aspect ratio and centres the
    photo between mid-grey bars. Repeated edge pixels would turn a defect at the rim into a long
    false scratch. Mid-grey is near the ImageNet mean and so near zero after normalisation.
    """
    if resize == "squish":
        return _scaled(image, size, size)
    height, width = image.shape[:2]
    rows, columns = shown_in(size, width, height, resize)
    padded = np.full((size, size, 3), PADDING, np.uint8)
    padded[rows, columns] = _scaled(image, columns.stop - columns.start, rows.stop - rows.start)
    return padded


def shown_in(size: int, width: int, height: int, resize: Resize) -> tuple[slice, slice]:
    """The rows and columns of ``fit_to`` that show a photo of ``width`` by ``height``, not bars."""
    if resize == "squish":
        return slice(0, size), slice(0, size)
    scale = size / max(height, width)
    rows, columns = (max(1, round(side * scale)) for side in (height, width))
    top, left = (size - rows) // 2, (size - columns) // 2
    return slice(top, top + rows), slice(left, left + columns)


def _finished(stored: Stored, how: Reading) -> Pixels:
    """8 bits, RGB, upright."""
    pixels = to_8bit(stored.values, how.white)
    if stored.inverted:
        pixels = 255 - pixels
    size = (pixels.shape[1], pixels.shape[0])
    if is_large(size) and how.side and stored.alpha is None:
        factor = factor_of(size, how.side)
        pixels = _scaled(pixels, size[0] // factor, size[1] // factor)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if stored.alpha is not None:
        pixels = over_white(Image.fromarray(np.dstack([pixels, stored.alpha])))
    return upright(pixels, stored.orientation)


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The pixels of a photo with this camera orientation (1 to 8), turned upright."""
    turn = _TURNS.get(orientation)
    return pixels if turn is None else turn(pixels)


# The inverse of each camera orientation (EXIF tag 0x0112, values 1 to 8).
_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


_SIDEWAYS = frozenset({5, 6, 7, 8})  # the orientations in which width is stored as height


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
