"""Scores of parts with several cameras that differ, drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from fastdefect.evaluation.by_part import Shown
from fastdefect.evaluation.predictions import Predictions

CLASSES = ("defect", "good")
# Of the log-odds of good parts, by camera.
MEANS, DEVIATIONS = (-2.0, -1.5, -3.0, -0.5), (0.4, 0.6, 0.5, 1.5)


@dataclass(frozen=True)
class CameraParts:
    """``odds`` (n, k) of a defect by part and camera, and whether each of n parts has a defect."""

    odds: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    defective: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @property
    def scores(self) -> dict[str, float]:
        """P(defect) by the path of the photo: label, part, camera."""
        return {
            f"{CLASSES[0 if bad else 1]}/{number:04d}-{view}.png": float(expit(odds))
            for number, (bad, row) in enumerate(zip(self.defective, self.odds, strict=True))
            for view, odds in enumerate(row)
        }

    def predictions(self) -> tuple[Predictions, Shown]:
        """What a model says of the photos, and what these show."""
        n, k = self.odds.shape
        score = expit(self.odds.ravel())
        names = tuple(self.scores)
        said = Predictions(
            names,
            CLASSES,
            ("good",),
            np.where(self.defective.repeat(k), 0, 1),
            np.stack([score, 1 - score], axis=1),
        )
        parts = tuple(str(number) for number in range(n) for _ in range(k))
        return said, Shown(parts, (True,) * len(parts), view_names(n, k))


def view_names(n: int, k: int) -> tuple[str | None, ...]:
    return tuple(f"cam{view}" for _ in range(n) for view in range(k))


def camera_parts(
    rng: np.random.Generator,
    n: int,
    *,
    means: Sequence[float] = MEANS,
    deviations: Sequence[float] = DEVIATIONS,
    signal: float = 3.0,
) -> CameraParts:
    """Every other part is defective; one camera sees the defect, which adds ``signal``."""
    k = len(means)
    defective = np.arange(n) % 2 == 0
    odds = np.array(means) + np.array(deviations) * rng.standard_normal((n, k))
    odds[np.arange(n), rng.integers(0, k, n)] += signal * defective
    return CameraParts(odds, defective)
