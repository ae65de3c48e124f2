"""Photos and heat maps as data URLs, small enough for one file that can be sent by mail."""

import base64
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastdefect.aliases import Floats32
from fastdefect.data.reading.images import USUAL, Reading, UnreadablePhoto, read_photo

LIMIT = 15_000_000  # bytes of the whole file
_FOR_PHOTOS = 0.85  # of the limit, with their heat maps; the rest is for figures and scores
_FOR_MAPS = 0.3  # of the limit, at most: a photo says more than its heat map
_MAP_SIDES = (56, 40, 28, 20, 14, 10)
_BASE64 = 4 / 3
_SAMPLE = 24  # photos that are tried to choose a size
_THREADS = 2  # decoding is fast; more threads need more memory for large photos


@dataclass(frozen=True)
class Size:
    """The longer side of a thumbnail in pixels, and the quality of its JPEG."""

    side: int
    quality: int


# From the best to the smallest: at 96 px and quality 40 a photo needs about 1.5 kB.
SIZES = tuple(
    Size(*each)
    for each in (
        *((448, 85), (384, 82), (320, 80), (256, 78), (224, 75), (192, 72), (160, 70)),
        *((144, 65), (128, 60), (112, 50), (96, 40), (64, 30), (48, 25), (32, 20)),
    )
)


def thumbnails(
    paths: Sequence[Path], *, limit: int = LIMIT, used: int = 0, how: Reading = USUAL
) -> tuple[dict[Path, str], Size]:
    """A data URL for each readable photo, and the size that was used.

    All photos get the same size: the largest with which the URLs together need at most
    ``limit`` bytes, less the ``used`` ones and the share of the limit for the rest of the page. A
    photo that cannot be read has no entry.
    """
    most = (limit * _FOR_PHOTOS - used) / _BASE64
    sample = paths[:: max(1, len(paths) // _SAMPLE)]
    start = 0
    if sample:
        for start in range(len(SIZES)):
            tried = _encoded(sample, SIZES[start], how)
            if sum(map(len, tried.values())) / len(sample) * len(paths) <= most:
                break
    for size in SIZES[start:]:
        made = _encoded(paths, size, how)
        if sum(map(len, made.values())) <= most or size == SIZES[-1]:
            break
    return {path: _url("jpeg", content) for path, content in made.items()}, size


def overlays(maps: Sequence[Floats32], *, limit: int = LIMIT) -> list[str]:
    """The data URL of each heat map, as large as the share of the limit for all of them allows."""
    most = limit * _FOR_MAPS
    sample = maps[:: max(1, len(maps) // _SAMPLE)]
    fits = [side for side in _MAP_SIDES if _mean_length(sample, side) * len(maps) <= most]
    for side in fits or _MAP_SIDES[-1:]:
        made = [overlay(heat, side) for heat in maps]
        if sum(map(len, made)) <= most:
            break
    return made


def _mean_length(maps: Sequence[Floats32], side: int) -> float:
    return sum(len(overlay(heat, side)) for heat in maps) / max(1, len(maps))


def overlay(heat: Floats32, side: int = _MAP_SIDES[0]) -> str:
    """A data URL of a heat map (h, w) in [0, 1]: one colour, more opaque where it is higher.

    It is drawn over the photo, stretched to its size.
    """
    pixels = np.zeros((*heat.shape, 4), np.uint8)
    pixels[..., :3] = (213, 94, 0)
    pixels[..., 3] = np.rint(200 * np.clip(np.nan_to_num(heat), 0, 1))
    picture = Image.fromarray(pixels, "RGBA")
    picture.thumbnail((side, side), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return _url("png", buffer.getvalue())


def _encoded(paths: Sequence[Path], size: Size, how: Reading) -> Mapping[Path, bytes]:
    how = replace(how, side=2 * size.side)
    with ThreadPoolExecutor(_THREADS) as pool:
        made = pool.map(partial(_encode, size=size, how=how), paths)
        return {path: content for path, content in zip(paths, made, strict=True) if content}


def _encode(path: Path, size: Size, how: Reading) -> bytes:
    try:
        photo = Image.fromarray(read_photo(path, how))
    except UnreadablePhoto:
        return b""
    photo.thumbnail((size.side, size.side), Image.Resampling.LANCZOS)
    if _is_grey(np.asarray(photo)):
        photo = photo.convert("L")
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=size.quality, optimize=True)
    return buffer.getvalue()


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels[..., :1] == pixels[..., 1:]).all())


def _url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
