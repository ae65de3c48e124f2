"""What a network gives for photos, and for each tile of photos in tiles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32, Pixels
from fastdefect.data.reading.frame import Frame
from fastdefect.good import Good
from fastdefect.inference.halves import surer_half

# Photos (n, h, w, 3) uint8 in the frame to logits and features, and to those of each tile. A
# network that takes the view of a photo gets it, too, (n, views).
Run = Callable[..., Sequence[Floats32]]


class GivenTiles(NamedTuple):
    """Logits (n, views, tiles, classes) and features (n, tiles, d) of tiles.

    ``counts`` (n, tiles): the tiles that are not empty; the others have zeros.
    """

    logits: Floats32
    features: Floats32
    counts: NDArray[np.bool_]


class Given(NamedTuple):
    """What a network gives: logits (n, views, classes) and features (n, d) of n photos.

    ``tiles`` is None without tiles, and for bundles of earlier versions.
    """

    logits: Floats32
    features: Floats32
    tiles: GivenTiles | None = None


@dataclass(frozen=True, eq=False)
class TileFeatures:
    """Features (n, tiles, d) of tiles; ``counts`` is as in ``GivenTiles``."""

    features: NDArray[np.floating[Any]]
    counts: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TileOutputs(TileFeatures):
    """Also the probabilities (n, tiles, n_classes), averaged over the views."""

    y_prob: Floats

    def __getitem__(self, rows: slice) -> "TileOutputs":
        """Those of some photos."""
        return TileOutputs(self.features[rows], self.counts[rows], self.y_prob[rows])


class Outputs(NamedTuple):
    """Of n photos: probabilities (n, n_classes), averaged over the views, and features (n, d).

    ``features`` is None if there is no check for unlike photos, ``tiles`` as in ``Given``.
    ``halves`` (n, 2, n_classes) are the probabilities by each half of a joint model, or None.
    """

    y_prob: Floats
    features: Floats32 | None = None
    halves: Floats | None = None
    tiles: TileOutputs | None = None


def give(run: Run, frame: Frame, pixels: Pixels, seen: Sequence[Floats32] = ()) -> Given:
    """What a network gives for photos in the ``frame``.

    ``seen`` has the one-hot rows (n, views) of the views of photos, if the network takes them; it
    has no tiles then. Photos in tiles are passed to ``run`` one by one, without their empty tiles:
    a photo is a batch, and an empty tile takes no time.
    """
    if frame.tiles == 1:
        logits, features = run(pixels, *seen)
        return Given(logits, features)
    counts = np.stack([frame.counted(photo) for photo in pixels])
    found = [
        run(frame.cells(photo[None])[own].reshape(1, -1, *photo.shape[1:]))
        for photo, own in zip(pixels, counts, strict=True)
    ]
    logits, features = (np.concatenate([each[i] for each in found]) for i in (0, 1))
    if len(found[0]) == 2:
        return Given(logits, features)
    n, tiles = counts.shape  # of the photos, which may be single tiles
    _, views, _, n_classes = found[0][2].shape
    tile_logits = np.zeros((n, views, tiles, n_classes), np.float32)
    tile_features = np.zeros((n, tiles, features.shape[1]), np.float32)
    for row, (each, own) in enumerate(zip(found, counts, strict=True)):
        tile_logits[row][:, own] = each[2][0]
        tile_features[row, own] = each[3][0]
    return Given(logits, features, GivenTiles(tile_logits, tile_features, counts))


def outputs_of(given: Given, good: Good, *, joint: bool) -> Outputs:
    """The probabilities of what a network gives.

    The logits of a ``joint`` one are (n, 2 * views, n_classes): those of the classifier in each
    view, then those of the memory. In each view the surer half decides, also in each tile.
    """
    tiles, logits = None, given.logits
    if given.tiles is not None:
        each_tile = probabilities_of(given.tiles.logits)
        tiles = TileOutputs(given.tiles.features, given.tiles.counts, each_tile)
    if joint:
        n, rows, classes = logits.shape
        each = probabilities_of(logits.reshape(n * rows, 1, classes)).reshape(n, 2, -1, classes)
        by_view = each.swapaxes(1, 2).reshape(-1, 2, classes)
        deciding = surer_half(by_view, good).reshape(n, -1, classes)
        return Outputs(deciding.mean(axis=1), given.features, each.mean(axis=2), tiles)
    return Outputs(probabilities_of(logits), given.features, tiles=tiles)


def joined(outputs: Sequence[Outputs]) -> Outputs:
    """The outputs of several calls of a network as those of one call."""
    features = [each.features for each in outputs if each.features is not None]
    halves = [each.halves for each in outputs if each.halves is not None]
    tiles = [each.tiles for each in outputs if each.tiles is not None]
    return Outputs(
        np.concatenate([each.y_prob for each in outputs]),
        np.concatenate(features) if features else None,
        np.concatenate(halves) if halves else None,
        TileOutputs(
            np.concatenate([each.features for each in tiles]),
            np.concatenate([each.counts for each in tiles]),
            np.concatenate([each.y_prob for each in tiles]),
        )
        if tiles
        else None,
    )


def probabilities_of(logits: Floats32) -> Floats:
    """The probabilities (n, ..., n_classes) of logits (n, views, ..., n_classes).

    They are the mean over the views; NaN where logits are not finite.
    """
    exact = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinity becomes NaN
        raised = np.exp(exact - exact.max(axis=-1, keepdims=True))
    return np.asarray((raised / raised.sum(axis=-1, keepdims=True)).mean(axis=1))
