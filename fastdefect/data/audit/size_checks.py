"""What is lost when a photo becomes as small as the model sees it.

Where boxes or masks show the defects, those that become too small are counted. Where nothing shows
them, only a very strong reduction is worth a warning.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from fastdefect.config import DataConfig
from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import Photo
from fastdefect.data.reading.images import Reading, UnreadablePhoto, read_photo

LEAST = 3  # pixels of the shorter side of a defect, at the size of the model, that can be seen
STRONG = 24  # times shorter an axis becomes, without boxes or masks, before it is a warning
_KEPT = 0.95  # share of the defects that the proposed size keeps
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


@dataclass(frozen=True)
class _Defect:
    """A defect of ``photo``: width and height in its pixels."""

    photo: Photo
    width: float
    height: float

    def shown(self, config: DataConfig) -> tuple[float, float]:
        """Width and height at the size that the model sees."""
        across, down = reduction(self.photo, config)
        return self.width / across, self.height / down

    def needed(self, config: DataConfig) -> float:
        """The image size at which its shorter side has ``LEAST`` pixels."""
        return config.image_size * LEAST / max(min(self.shown(config)), 1e-9)


def reduction(photo: Photo, config: DataConfig) -> tuple[float, float]:
    """How many times shorter each axis becomes; below 1 it grows."""
    if config.resize == "pad":
        factor = max(photo.width, photo.height) / config.image_size
        return factor, factor
    return photo.width / config.image_size, photo.height / config.image_size


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


def check_size(photos: Sequence[Photo], config: DataConfig) -> list[Finding]:
    """The finding on defects that become too small, or on a reduction that may hide them."""
    defects = _known_defects(photos, config)
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
        f"{config.image_size}), or crop the photos to the part. Photos are not cut into tiles."
    )
    return [STRONG_REDUCTION.finding(text, times, [photo.name for photo in worst])]


def _small_defects(defects: Sequence[_Defect], config: DataConfig) -> list[Finding]:
    small = sorted(
        (one for one in defects if min(one.shown(config)) < LEAST),
        key=lambda one: min(one.shown(config)),
    )
    if not small:
        return []
    one = small[0]
    across, down = one.shown(config)
    needed = np.quantile([each.needed(config) for each in defects], _KEPT, method="higher")
    size = math.ceil(float(needed) / _STEP) * _STEP
    text = (
        f"{len(small)} of {len(defects)} known defects become smaller than {LEAST} pixels at "
        f"--image-size {config.image_size}: in {one.photo.name}, {one.width:.0f} x "
        f"{one.height:.0f} pixels become {across:.1f} x {down:.1f}. The model may not see them. "
        f"--image-size {size} keeps {_KEPT:.0%} of the defects at {LEAST} pixels or more, and "
        f"takes about {(size / config.image_size) ** 2:.0f} times the time and memory. Photos are "
        "not cut into tiles."
    )
    names = tuple(dict.fromkeys(each.photo.name for each in small))
    return [SMALL_DEFECT.finding(text, len(small), names)]


def _known_defects(photos: Sequence[Photo], config: DataConfig) -> list[_Defect]:
    """The defects in boxes and, of photos without boxes, those in masks."""
    found = [_Defect(photo, box.w, box.h) for photo in photos for box in photo.boxes]
    masked = [photo for photo in photos if photo.mask is not None and not photo.boxes]
    with ThreadPoolExecutor(4) as pool:
        for several in pool.map(lambda photo: _in_mask(photo, config), masked):
            found += several
    return found


def _in_mask(photo: Photo, config: DataConfig) -> list[_Defect]:
    """The pieces of the mask; those that touch at the size of the model are one defect."""
    try:
        how = Reading(max_megapixels=config.max_megapixels)
        mask = read_photo(photo.mask, how).max(axis=2) > 0 if photo.mask is not None else None
    except UnreadablePhoto:
        return []
    if mask is None or not mask.any():
        return []
    per_x, per_y = photo.width / mask.shape[1], photo.height / mask.shape[0]
    across, down = reduction(photo, config)
    reach = (1 + 2 * int(across / per_x / 2), 1 + 2 * int(down / per_y / 2))
    near = cv2.dilate(mask.astype(np.uint8), np.ones(reach[::-1], np.uint8))
    n, pieces = cv2.connectedComponents(near)
    pieces[~mask] = 0
    spans = (np.nonzero(pieces == piece) for piece in range(1, n))
    return [
        _Defect(photo, float(np.ptp(x) + 1) * per_x, float(np.ptp(y) + 1) * per_y)
        for y, x in spans
        if len(x)
    ]
