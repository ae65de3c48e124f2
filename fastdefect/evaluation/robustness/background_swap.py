"""The background swap: decisions that change with the border light of another class.

The part in the photo does not change; the light of its border becomes that of a photo of another
class. A model that uses the part makes the same decision; a model that uses the background changes
it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from fastdefect.aliases import Floats, Interval
from fastdefect.data.augment.background import measure_border, relight
from fastdefect.data.reading.images import Pixels
from fastdefect.data.store import PhotoStore
from fastdefect.good import Good, is_good

Predict = Callable[[NDArray[np.uint8], Sequence[int]], Floats]
_BATCH = 64  # photos


@dataclass(frozen=True)
class Flips:
    """``flips`` of ``n`` decisions changed. ``interval`` is 95 %, after Wilson (1927).

    Each photo counts as one trial. Without photos the interval is None and the share is NaN.
    """

    n: int
    flips: int

    @property
    def share(self) -> float:
        """The share of decisions that changed."""
        return self.flips / self.n if self.n else float("nan")

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the share of changed decisions."""
        if not self.n:
            return None
        found = binomtest(self.flips, self.n).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)

    def as_json(self) -> dict[str, Any]:
        """Counts, share and interval."""
        return {"n": self.n, "flips": self.flips, "share": self.share, "interval": self.interval}


@dataclass(frozen=True)
class BackgroundSwap:
    """The decisions (most probable classes) that the swap changed.

    ``good`` and ``defective`` divide ``all`` by the truth; both are None without a good class.
    ``to_escape`` counts defective photos that were classified as defective before and as good
    after. ``to_overkill`` counts good photos that were classified as good before and as defective
    after.
    """

    all: Flips
    good: Flips | None
    defective: Flips | None
    to_escape: int
    to_overkill: int

    def as_json(self) -> dict[str, Any]:
        """The form in the run's files: all photos, then the good and the defective ones."""
        return {
            **self.all.as_json(),
            "good": self.good.as_json() if self.good else None,
            "defective": self.defective.as_json() if self.defective else None,
            "to_escape": self.to_escape,
            "to_overkill": self.to_overkill,
        }


@dataclass(frozen=True, eq=False)
class LabelledPhotos:
    """Photos of a store, with their true classes.

    Photo i of the n is in row ``rows[i]`` of ``store``. ``y_true`` (n,) are class indices, and
    ``good`` are the indices of the good classes.
    """

    store: PhotoStore | NDArray[np.uint8]
    rows: Sequence[int]
    y_true: NDArray[np.int64]
    good: Good

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Pixels:
        return self.store[self.rows[position]]

    def each_tile(self, photo: Pixels, change: Callable[[Pixels], Pixels]) -> Pixels:
        """``photo`` with ``change`` applied, to each tile if the photos are in tiles."""
        if isinstance(self.store, PhotoStore):
            return self.store.frame.each_tile(photo, change)
        return change(photo)


def swap_background(
    predict: Predict,
    photos: LabelledPhotos,
    y_prob: Floats,
    *,
    seed: int,
    on_batch: Callable[[int], None] | None = None,
) -> BackgroundSwap | None:
    """Replace the border light of each photo by that of another class, and predict again.

    ``predict`` maps photos (n, size, size, 3) uint8 and their positions in ``photos`` to
    probabilities (n, n_classes). ``y_prob`` (n, n_classes) are its probabilities for the
    unchanged photos. ``seed`` determines the donor of each photo. ``on_batch`` receives the
    number of photos that are done.

    None if all photos are of one class, because there is no other background to use, and if the
    photos are in tiles, most of which do not show a background.
    """
    in_tiles = isinstance(photos.store, PhotoStore) and photos.store.frame.tiles > 1
    if in_tiles or len(np.unique(photos.y_true)) < 2:
        return None
    donors = choose_donors(photos.y_true, seed)
    lights = [measure_border(photos[i]) for i in range(len(photos))]
    after = np.empty(len(photos), np.int64)
    for start in range(0, len(photos), _BATCH):
        batch = range(start, min(start + _BATCH, len(photos)))
        swapped = np.stack([relight(photos[i], lights[i], lights[donors[i]]) for i in batch])
        after[batch.start : batch.stop] = predict(swapped, batch).argmax(axis=1)
        if on_batch:
            on_batch(batch.stop)
    return compare(photos.y_true, y_prob.argmax(axis=1), after, photos.good)


def choose_donors(y_true: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """For each photo, the position of a photo of another class that donates its light: (n,).

    Each photo takes the other classes in turn, and each class takes its photos in turn, in an order
    drawn with ``seed``. So all other classes, and all photos of a class, are used equally often.
    Needs at least two classes.
    """
    rng = np.random.default_rng(seed)
    present = [int(index) for index in np.unique(y_true)]
    donors = {c: cycle(rng.permutation(np.flatnonzero(y_true == c)).tolist()) for c in present}
    others = {c: cycle([other for other in present if other != c]) for c in present}
    return np.array([next(donors[next(others[int(c)])]) for c in y_true], np.int64)


def compare(
    y_true: NDArray[np.int64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    good: Good,
) -> BackgroundSwap:
    """Count the changes between two sets of decisions on the same photos, (n,) class indices."""
    flipped = before != after
    every = Flips(len(y_true), int(flipped.sum()))
    if not good:
        return BackgroundSwap(every, None, None, 0, 0)
    truly_good, good_before, good_after = (is_good(of, good) for of in (y_true, before, after))
    return BackgroundSwap(
        all=every,
        good=Flips(int(truly_good.sum()), int(flipped[truly_good].sum())),
        defective=Flips(int((~truly_good).sum()), int(flipped[~truly_good].sum())),
        to_escape=int((~truly_good & ~good_before & good_after).sum()),
        to_overkill=int((truly_good & good_before & ~good_after).sum()),
    )
