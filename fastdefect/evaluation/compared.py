"""Two named models on the same photos: their answers, and what differs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.evaluation.compare import Answers, Comparison, SharedPhotos
from fastdefect.good import is_good


@dataclass(frozen=True)
class Pair:
    """The comparison of the first run, ``before``, with another one, ``after``, by name.

    ``opening``: the number of openings of the sealed test so far, the larger one of the two runs.
    ``photos`` are those that both judged, and ``answers`` those of the two models.
    """

    before: str
    after: str
    opening: int | None
    comparison: Comparison
    photos: SharedPhotos
    answers: tuple[Answers, Answers]

    @property
    def defective(self) -> NDArray[np.bool_]:
        """(n,) the truth; all are defective without a good class."""
        return ~is_good(self.photos.y_true, self.photos.good_indices)
