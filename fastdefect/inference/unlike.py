"""Photos unlike the training photos: another part, a black frame, a light that is out.

A classifier answers for any photo, also for one that shows nothing it has learned. The score of a
photo is the distance of its features to the nearest training photos, each feature vector scaled to
length 1 (Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors"). The score
becomes a conformal p-value over parts (Bates et al. 2023, "Testing for outliers with conformal
p-values"): the share of calibration parts that are at least as far away. Of new parts like these,
at most the share ``level`` gets such a p-value, whatever the features are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats

Features = NDArray[np.float32]

NEIGHBOURS = 3
ALPHA = 0.01


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model has learned: features of training photos, and scores of calibration parts.

    ``features`` (m, d) float32, rows of length 1. ``scores`` (p,) float64, ascending: the highest
    score of the photos of each part that the model was not trained on. ``alpha``: the share of new
    parts that may be sent to people for no other reason.
    """

    features: Features
    scores: Floats
    alpha: float

    @property
    def level(self) -> float:
        """A photo with a p-value up to this is unlike; with few parts it is more than ``alpha``."""
        return max(self.alpha, 1 / (len(self.scores) + 1))

    def distances(self, features: Features) -> Floats:
        """(n,) mean distances of (n, d) features to their nearest training photos, in [0, 2]."""
        return distances(features, self.features)

    def p_values(self, distances: Floats) -> Floats:
        """(n,) shares of parts, the new one included, that are at least as far away."""
        below = np.searchsorted(self.scores, distances, side="left")
        p = (1.0 + len(self.scores) - below) / (len(self.scores) + 1)
        # NaN features are unlike anything.
        return np.asarray(np.where(np.isfinite(distances), p, 0.0))


def distances(features: Features, reference: Features) -> Floats:
    """(n,) mean distances of (n, d) features to the nearest of (m, d) unit reference features."""
    unit = normalised(features)
    squared = np.clip(2 - 2 * (unit @ reference.T).astype(np.float64), 0, None)
    nearest = min(NEIGHBOURS, len(reference))
    return np.asarray(np.sqrt(np.partition(squared, nearest - 1, axis=1)[:, :nearest]).mean(axis=1))


def normalised(features: Features) -> Features:
    """Rows scaled to length 1; rows of zeros stay zero."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(length, np.float32(1e-12)), np.float32)


def part_scores(distances: Floats, parts: Sequence[str]) -> Floats:
    """The highest distance of each part, ascending."""
    highest: dict[str, float] = {}
    for part, distance in zip(parts, distances, strict=True):
        highest[part] = max(highest.get(part, 0.0), float(distance))
    return np.sort(np.array(list(highest.values())))
