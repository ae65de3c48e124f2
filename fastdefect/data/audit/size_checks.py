"""What is lost when a photo becomes as small as the model sees it.

Where boxes or masks show the defects, those that become too small are counted. Where nothing shows
them, only a very strong reduction is worth a warning.
"""

import math
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from scipy.ndimage import find_objects

from fastdefect.config import DataConfig
from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import Box, Photo
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.gate import PixelGate
from fastdefect.data.reading.good_class import recognise_good
from fastdefect.data.reading.marks import Marks, mask_pixels, read_marks

LEAST = 3  # pixels of the shorter side of a defect, at the size of the model, that can be seen
STRONG = 24  # times shorter an axis becomes, without boxes or masks, before it is a warning
KEPT = 0.95  # share of the defects that the proposed size keeps
_STEP = 32  # sizes that are proposed are multiples of it

SMALL_DEFECT = Check(
    "small_defect",
    "warning",
    rank=162,
    meaning=f"known defects of less than {LEAST} pixels at the size that the model sees",
)
STRONG_REDUCTION = Check(
    "strong_reduction",
    "warning",
    rank=164,
    meaning=f"photos become more than {STRONG} times smaller; no box or mask shows what is lost",
    form="{:.0f} times",
)


class Sized(Protocol):
    """A photo of known size, read or not: the fields of ``Photo`` that are used here."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as of ``Photo``
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def boxes(self) -> tuple[Box, ...]: ...  # noqa: D102
    @property
    def mask(self) -> Path | None: ...  # noqa: D102


@dataclass(frozen=True)
class Defect:
    """A defect of ``photo``: width and height in its pixels."""

    photo: Sized
    width: float
    height: float

    def shown(self, config: DataConfig) -> tuple[float, float]:
        """Width and height at the size that the model sees."""
        across, down = reduction(self.photo, config)
        return self.width / across, self.height / down

    def needed(self, config: DataConfig) -> float:
        """The image size at which its shorter side has ``LEAST`` pixels."""
        return config.image_size * LEAST / max(min(self.shown(config)), 1e-9)


def reduction(photo: Sized, config: DataConfig) -> tuple[float, float]:
    """How many times shorter each axis becomes, in its tiles if there are any."""
    return Frame.of(config).reduction(photo.width, photo.height)


def describe_reduction(photos: Sequence[Photo], config: DataConfig) -> str:
    """``16384 x 512 -> 224 x 224: 73 times``, or the same of the median and the largest photo."""
    ordered = sorted(photos, key=lambda photo: max(reduction(photo, config)))
    if len({(photo.width, photo.height) for photo in photos}) == 1:
        return f"Size of the photos: {_in_words(photos[0], config)}."
    middle = ordered[len(ordered) // 2]
    return (
        f"Size of the photos, median: {_in_words(middle, config)}; "
        f"largest: {_in_words(ordered[-1], config)}."
    )


def _in_words(photo: Photo, config: DataConfig) -> str:
    across, down = reduction(photo, config)
    seen = f"{max(1, round(photo.width / across))} x {max(1, round(photo.height / down))}"
    times = max(across, down)
    size = f"{photo.width} x {photo.height} -> {seen}"
    if times < 1:
        return f"{size}: {_times(1 / times)} larger"
    return f"{size}: {_times(times)}" if times > 1 else f"{size}: as they are"


def _times(factor: float) -> str:
    return f"{factor:.0f} times" if factor >= 9.95 else f"{factor:.1f} times"


def check_size(
    photos: Sequence[Photo], config: DataConfig, good: Collection[str] = ()
) -> list[Finding]:
    """The finding on defects that become too small, or on a reduction that may hide them.

    What is marked on photos of the classes ``good`` is no defect.
    """
    defects = known_defects([photo for photo in photos if photo.label not in good], config)
    if defects:
        return _small_defects(defects, config)
    strong = [photo for photo in photos if max(reduction(photo, config)) > STRONG]
    if not strong:
        return []
    worst = sorted(strong, key=lambda photo: -max(reduction(photo, config)))
    times = max(reduction(worst[0], config))
    text = (
        f"{len(strong)} of {len(photos)} photos become more than {STRONG} times smaller "
        f"({worst[0].name}: {_in_words(worst[0], config)}). A defect of less than "
        f"{math.ceil(LEAST * times)} pixels in that direction has then less than {LEAST}, and the "
        f"model may not see it. If there are such defects, raise --image-size (now "
        f"{config.image_size}), cut the photos into tiles (--tiles auto), or crop them to the part."
    )
    return [STRONG_REDUCTION.finding(text, times, [photo.name for photo in worst])]


def _small_defects(defects: Sequence[Defect], config: DataConfig) -> list[Finding]:
    small = sorted(
        (one for one in defects if min(one.shown(config)) < LEAST),
        key=lambda one: min(one.shown(config)),
    )
    if not small:
        return []
    one = small[0]
    across, down = one.shown(config)
    needed = np.quantile([each.needed(config) for each in defects], KEPT, method="higher")
    size = math.ceil(float(needed) / _STEP) * _STEP
    text = (
        f"{len(small)} of {len(defects)} known defects become smaller than {LEAST} pixels at "
        f"--image-size {config.image_size}: in {one.photo.name}, {one.width:.0f} x "
        f"{one.height:.0f} pixels become {across:.1f} x {down:.1f}. The model may not see them. "
        f"--image-size {size} keeps {KEPT:.0%} of the defects at {LEAST} pixels or more, and "
        f"takes about {(size / config.image_size) ** 2:.0f} times the time and memory; --tiles "
        "auto cuts the photos into tiles that keep them."
    )
    names = tuple(dict.fromkeys(each.photo.name for each in small))
    return [SMALL_DEFECT.finding(text, len(small), names)]


def known_defects(photos: Sequence[Sized], config: DataConfig) -> list[Defect]:
    """The defects in boxes and, of photos without such boxes, those in masks.

    A box of a kind that means good, as of a part that is in order, is no defect.
    """
    kinds = {box.kind for photo in photos for box in photo.boxes}
    good = {kind for kind in kinds if recognise_good([kind])}
    found = [
        Defect(photo, box.w, box.h)
        for photo in photos
        for box in photo.boxes
        if box.kind not in good
    ]
    boxed = {defect.photo.name for defect in found}
    masked = [p for p in photos if p.mask is not None and p.name not in boxed]
    gate = PixelGate()
    with ThreadPoolExecutor(4) as pool:
        for several in pool.map(lambda photo: _in_mask(photo, config, gate), masked):
            found += several
    return found


def _in_mask(photo: Sized, config: DataConfig, gate: PixelGate) -> list[Defect]:
    """The marked pieces of its mask; none if that cannot be read or is not a mask."""
    if photo.mask is None:
        return []
    with gate.hold(mask_pixels(photo.mask)):
        marked = read_marks(photo.mask, config.max_megapixels)
        return [] if marked is None else _pieces(photo, marked, config)


def _pieces(photo: Sized, marked: Marks, config: DataConfig) -> list[Defect]:
    """The marked pieces; those that touch at the size of the model are one defect."""
    per_x, per_y = photo.width / marked.shape[1], photo.height / marked.shape[0]
    across, down = reduction(photo, config)
    reach = (1 + 2 * int(across / per_x / 2), 1 + 2 * int(down / per_y / 2))
    near = cv2.dilate(marked.astype(np.uint8), np.ones(reach[::-1], np.uint8))
    pieces = cv2.connectedComponents(near)[1]
    pieces[~marked] = 0
    # One pass for the places of all pieces; each piece has a marked pixel.
    return [
        Defect(photo, (x.stop - x.start) * per_x, (y.stop - y.start) * per_y)
        for y, x in find_objects(pieces)
    ]
