"""Folders of small photos, made in a moment."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from fastdefect.files import write_csv


def photo_folder(
    folder: Path, rows: Iterable[tuple[str, ...]], *columns: str, first: int = 0
) -> Path:
    """A PNG of noise for each row, its first cell the path, and a CSV of the rows.

    ``columns`` are those after path and label. Other photos have another number ``first``.
    """
    kept = list(rows)
    for number, (name, *_) in enumerate(kept, first):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (20, 20, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    names = ("path", "label", *columns)
    write_csv(folder / "photos.csv", [dict(zip(names, row, strict=True)) for row in kept], names)
    return folder


def castings_of(parts: int, photos_each: int) -> list[tuple[str, str, str]]:
    """Rows of path, label and part: every other part is defective."""
    return [
        (f"{label}/{part}-{number}.png", label, f"part {part}")
        for part in range(parts)
        for label in [("defect", "good")[part % 2]]
        for number in range(photos_each)
    ]
