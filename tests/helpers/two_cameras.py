"""Rendered photos of two cameras in which a good part looks different.

Each photo has a bright or a dark spot. Seen from the top, a bright spot is a hole that belongs to
the part, and a dark one a defect; seen from the side, the bright spot is the defect. A photo does
not show its camera, so that without the view its class is a matter of chance.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fastdefect.aliases import Pixels

CAMERAS = ("side", "top")
_SIZE, _RADIUS = 64, 7


def spot(bright: bool, rng: np.random.Generator) -> Pixels:
    """A grey photo (64, 64, 3) with a spot at a random place."""
    photo = rng.normal(128, 6, (_SIZE, _SIZE)).clip(0, 255)
    x, y = rng.integers(_RADIUS + 2, _SIZE - _RADIUS - 2, 2).tolist()
    cv2.circle(photo, (x, y), _RADIUS, 235 if bright else 25, -1)
    return np.repeat(photo.astype(np.uint8)[:, :, None], 3, axis=2)


def render_cameras(
    folder: Path, parts: int, *, seed: int = 0, without: Sequence[int] = (), tied: bool = False
) -> Path:
    """Write two photos of each of ``parts`` parts and the table ``photos.csv``; return its path.

    Every second part is defective, in both photos. The parts ``without`` have no view in the table.
    ``tied``: each part has photos of one camera only, defective ones of the side.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for part in range(parts):
        bad = part % 2 == 1
        for number, view in enumerate(CAMERAS):
            shown = ("side" if bad else "top") if tied else view
            name = f"p{part:03d}_{number}_{shown}.png"
            bright = bad == (view == "side")
            cv2.imwrite(str(folder / name), spot(bright, rng))
            known = "" if part in without else shown
            rows.append((name, "defect" if bad else "ok", f"p{part:03d}", known))
    table = folder / "photos.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "part", "view"))
        writer.writerows(rows)
    return table
