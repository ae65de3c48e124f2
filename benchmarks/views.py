"""Rules for parts on parts with four cameras, of which only some see the defect.

    python benchmarks/views.py OUT [--parts 300] [--size 160] [--labels photo|part] [--added b c d]

Writes ``OUT/photos.csv`` and its photos, for ``fit``. A part is four rendered surfaces, one for
each camera. Half of the parts have a defect, on one of the surfaces, or on two in three of ten
parts. The cameras differ: ``a`` is sharp, ``b`` is dark, ``c`` is out of focus, and ``d`` has noise
and a reflection at a random place. A photo without a visible defect is labelled good (``--labels
photo``), or as its part. Of ten parts three are for training, three for validation, four for test.
The training has no photos of the cameras ``--added``, as of cameras that are added later.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.files import write_csv
from fastdefect.sample.defects import DEFECTS
from fastdefect.sample.render import Defect, photograph, render_part

SIDES = ("train", "valid", "test", "train", "valid", "test", "train", "valid", "test", "test")
SEED = 1
Pixels = NDArray[np.uint8]
Camera = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]


def _reflecting(photo: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    side = photo.shape[0]
    spot = np.zeros((side, side), np.float32)
    x, y = rng.integers(side // 4, 3 * side // 4, 2).tolist()
    axes = (int(rng.integers(2, side // 12)), int(rng.integers(2, side // 12)))
    cv2.ellipse(spot, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1, cv2.LINE_AA)
    return photo + 90 * cv2.GaussianBlur(spot, (0, 0), 1)[..., None] + rng.normal(0, 8, photo.shape)


CAMERAS: dict[str, Camera] = {
    "a": lambda photo, rng: photo,
    "b": lambda photo, rng: photo * 0.55,
    "c": lambda photo, rng: cv2.GaussianBlur(photo, (0, 0), 1.4),
    "d": _reflecting,
}


def _taken(key: tuple[int, ...], size: int, defect: Defect | None, camera: Camera) -> Pixels:
    """The photo of a surface, which depends on ``key`` alone."""
    part = render_part(np.random.SeedSequence(key), size=size, defect=defect)
    photo = photograph(part, np.random.SeedSequence((*key, 1))).pixels.astype(np.float32)
    changed = camera(photo, np.random.default_rng((*key, 2)))
    return np.clip(changed, 0, 255).astype(np.uint8)


def render(out: Path, parts: int, size: int, labels: str, *, added: list[str]) -> None:
    """Write the photos and their table."""
    rows = []
    for number in range(parts):
        rng = np.random.default_rng((SEED, number))
        bad = number % 2 == 1
        side = SIDES[number // 2 % len(SIDES)]
        n_seen = (2 if rng.random() < 0.3 else 1) if bad else 0
        seen = set(rng.permutation(len(CAMERAS))[:n_seen].tolist())
        kind = str(rng.choice(DEFECTS))
        for place, (view, camera) in enumerate(CAMERAS.items()):
            if side == "train" and view in added:
                continue
            defect = Defect(kind, 1) if place in seen else None
            pixels = _taken((SEED, number, place), size, defect, camera)
            path = out / f"{number:04d}_{view}.jpg"
            cv2.imwrite(str(path), pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            is_bad = bad if labels == "part" else defect is not None
            label = "defect" if is_bad else "good"
            rows.append([path.name, label, f"{number:04d}", view, side])
    columns = ("path", "label", "part", "view", "split")
    write_csv(out / "photos.csv", [dict(zip(columns, row, strict=True)) for row in rows], columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--parts", type=int, default=300)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--labels", choices=("photo", "part"), default="photo")
    parser.add_argument("--added", nargs="*", choices=list(CAMERAS), default=[])
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    render(given.out, given.parts, given.size, given.labels, added=given.added)


if __name__ == "__main__":
    main()
