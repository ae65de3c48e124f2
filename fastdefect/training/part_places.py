"""Which places of a photo show the part: learned from photos whose outline is clear.

An inspection can't look for the outline of each part: it takes longer than the network. A linear
classifier on the features of places needs no time, and is right where the background has a
texture or colour of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from fastdefect.aliases import Floats, Floats32, Mask
from fastdefect.data.outline import part_of
from fastdefect.data.sampling import draw_evenly
from fastdefect.data.training_data import TrainingData
from fastdefect.events import Note, OnEvent
from fastdefect.training.bag_probe import Tiles

_PHOTOS = 24  # that are searched for an outline; each takes about 0.2 s
_TILES = 400  # of clear photos that are read; limits the memory
_CLEAR, _RIGHT = 2 / 3, 0.9  # of the photos, and of the places of photos that were held out
_PART = 0.7  # of a place that shows the part
_BORDER = 0.5  # of the way to the mean of the background, up to which a place counts as border
_STRENGTH = 0.01  # scikit-learn's C, for standardised features

Labels = NDArray[np.int64]
# From indices into the manifest's photos to their tiles, and to the features (m, d, side, side).
Features = tuple[Callable[[Sequence[int]], Tiles], Callable[[Tiles], Floats32]]


@dataclass(frozen=True)
class PartPlaces:
    """A place shows the part if ``features @ weight + bias`` is above 0.

    ``right`` is the share of places, of held-out photos, that are as in their outline.
    """

    weight: Floats
    bias: float
    right: float

    def of(self, features: Floats32) -> Mask:
        """Whether each of the features (n, d, side, side) shows the part: (n, side, side)."""
        return np.asarray(np.einsum("ndhw,d->nhw", features, self.weight) + self.bias > 0)


def find_part_places(
    data: TrainingData,
    good: Sequence[int],
    features: Features,
    seed: int,
    on_event: OnEvent,
) -> PartPlaces | None:
    """Learn which places show the part from the photos ``good``; None if that is not clear.

    A note tells the result.
    """
    frame = data.store.frame
    if frame.background is not None:
        on_event(Note("The background counts in the tiles that are not left out."))
        return None
    # One photo of each part, while there are parts.
    tried = [good[i] for i in draw_evenly([data.split.parts[i] for i in good], _PHOTOS, seed)]
    outlines = {index: _outline(data, index) for index in tried}
    clear = [index for index, outline in outlines.items() if outline is not None]
    found = None
    if len(clear) >= max(_CLEAR * len(tried), 4):
        used = clear[: max(_TILES // frame.tiles, 4)]
        tiles = features[0](used)
        maps = features[1](tiles)
        where = zip(tiles.photo, tiles.place, strict=True)
        masks = [mask for index in used if (mask := outlines[index]) is not None]
        side = maps.shape[-1]
        shown = np.stack([_on_places(masks[photo][place], side) for photo, place in where])
        found = _learned(maps, shown, tiles.photo)
    if found is None or found.right < _RIGHT:
        why = f"the outline of the part is clear in {len(clear)} of {len(tried)} photos"
        if found is not None:
            why = f"only {found.right:.0%} of its places are recognised in other photos"
        on_event(Note(f"The background counts like the part: {why}."))
        return None
    on_event(
        Note(
            f"The background does not count: the outline of the part is clear in {len(clear)} of "
            f"{len(tried)} photos, and {found.right:.0%} of the places are recognised in others."
        )
    )
    return found


def _outline(data: TrainingData, index: int) -> Mask | None:
    """Where the part is in each tile of a photo, (tiles, size, size); None if that is unclear.

    It is searched in the whole photo, in a size of the store.
    """
    photo, frame = data.manifest.photos[index], data.store.frame
    stack = data.store[photo.row]
    if frame.tiles == 1:
        outline = part_of(stack)
        return None if outline is None else outline[None]
    longest = max(photo.width, photo.height)
    down, across = (max(1, round(frame.size * n / longest)) for n in (photo.height, photo.width))
    channels = [
        frame.on_photo(stack[..., i].astype(np.float32), photo.width, photo.height, (down, across))
        for i in range(3)
    ]
    outline = part_of(np.stack(channels, axis=-1).astype(np.uint8))
    if outline is None:
        return None
    return np.asarray(frame.cells(frame.mark(outline, photo.width, photo.height)[None]))


def _on_places(outline: Mask, side: int) -> Labels:
    """Which of ``side`` x ``side`` places show the part (1), the background (0) or both (-1)."""
    reach = 2 * (outline.shape[0] // side) + 1  # a place to each side
    wide = cv2.dilate(outline.astype(np.uint8), np.ones((reach, reach), np.uint8))
    share, of_wide = (
        cv2.resize(each.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        for each in (outline, wide)
    )
    return np.where(share > _PART, 1, np.where(of_wide < 1 - _PART, 0, -1))


def _learned(maps: Floats32, shown: Labels, photo: Labels) -> PartPlaces | None:
    """Fit to all photos; every third is first held out, to see whether it works on others.

    ``photo`` (m,) is that of each of the tiles.

    Places at the border teach nothing, and count as part: burrs are there.
    """
    rows = maps.transpose(0, 2, 3, 1)
    out = photo % 3 == 0
    if not all(((shown == kind) & ~out[:, None, None]).any() for kind in (0, 1)):
        return None  # the part leaves no place for the background, or the other way round
    weight, bias = _fit(rows[~out], shown[~out])
    sure = shown[out] >= 0
    right = float(((rows[out] @ weight + bias > 0) == shown[out])[sure].mean())
    weight, bias = _fit(rows, shown)
    of_background = float((rows @ weight + bias)[shown == 0].mean())
    return PartPlaces(weight, bias - _BORDER * min(of_background, 0.0), right)


def _fit(rows: Floats32, shown: Labels) -> tuple[Floats, float]:
    flat, labels = rows.reshape(-1, rows.shape[-1]).astype(np.float64), shown.reshape(-1)
    flat, labels = flat[labels >= 0], labels[labels >= 0]
    mean, deviation = flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-6)
    with threadpool_limits(1, user_api="blas"):  # more threads change the order of sums
        model = LogisticRegression(C=_STRENGTH, max_iter=500)
        model.fit((flat - mean) / deviation, labels)
    weight = model.coef_[0] / deviation
    return weight, float(model.intercept_[0] - weight @ mean)
