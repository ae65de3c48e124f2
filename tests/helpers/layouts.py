"""Small photos, masks and annotation files, laid out as other programs leave them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Content = bytes | str | int | None
SIZE = (16, 12)  # width and height of every photo


def lay_out(root: Path, files: Mapping[str, Content]) -> Path:
    """Write files by their names.

    A number is a photo of noise that differs from others; None is an empty mask, and a mask with
    a mark for a name that ends with ``!`` (which is not part of the file's name).
    """
    for name, content in files.items():
        path = root / name.removesuffix("!")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif content is None:
            mask(marked=name.endswith("!")).save(path)
        else:
            photo(content).save(path)
    return root


def photo(seed: int) -> Image.Image:
    """Noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (SIZE[1], SIZE[0], 3))
    return Image.fromarray(pixels.astype(np.uint8))


def mask(*, marked: bool) -> Image.Image:
    """Black, with a white square if it is marked."""
    pixels = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    if marked:
        pixels[3:7, 4:9] = 255
    return Image.fromarray(pixels)


def coco(images: Sequence[str], boxes: Sequence[tuple[int, int, list[float]]], *kinds: str) -> str:
    """An annotation file: boxes as (number of the photo, number of the kind, x y w h)."""
    return json.dumps(
        {
            "images": [
                {"id": n, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
                for n, name in enumerate(images)
            ],
            "annotations": [
                {"id": n, "image_id": image, "category_id": kind, "bbox": box}
                for n, (image, kind, box) in enumerate(boxes)
            ],
            "categories": [{"id": n, "name": kind} for n, kind in enumerate(kinds)],
        }
    )
