"""What reads the photos of ``hostile.py``, as the commands do."""

from collections.abc import Callable
from pathlib import Path

from helpers.hostile_photos import hostile_photo

from fastdefect.data.reading.depth import may_be_deep
from fastdefect.data.reading.file_facts import read_facts
from fastdefect.data.reading.headers import read_header
from fastdefect.data.reading.images import Reading, decode, pixel_count, read_bytes

Case = tuple[str, bytes, Callable[[], None]]


def photo_case(seed: int, index: int, folder: Path) -> Case:
    """A photo, read as by audit, fit and predict: header, depth, pixels, facts."""
    kind, name, data = hostile_photo(seed, index)
    path = folder / name

    def read() -> None:
        path.write_bytes(data)
        try:
            may_be_deep(path)
            read_header(path)
            found = read_bytes(path)
            pixel_count(found)
            read_facts(found, path)
            pixels = decode(found, name, Reading(white=255.0, side=256)).pixels
            if pixels.dtype != "uint8" or pixels.ndim != 3 or pixels.shape[2] != 3:
                raise TypeError(f"{pixels.dtype} {pixels.shape}")
        finally:
            path.unlink()

    return kind, data, read
