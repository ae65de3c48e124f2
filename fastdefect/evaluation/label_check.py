"""Labels that are probably wrong, found by confident learning.

Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels",
JAIR 70. The threshold of a class is the model's mean probability of this class over the photos with
its label. A photo with a higher probability than this threshold for another class probably belongs
to that class. Each class has its own threshold, because classes can be rare and the model can be
confident in one class and not in another.

The probabilities must be out-of-fold: from a model that was trained neither on the photo nor on
another photo of its part. On its own training photos a model repeats their labels.

The result is a ranking for a person to check; it proves nothing. The number of wrong labels is not
estimated, because a model that confuses two classes would count its own errors as label errors.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.metrics import check_predictions

Labels = NDArray[np.int64]

# The mean of equal numbers can be higher than them by rounding; all of them must pass it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Suspect:
    """A photo with a label that is probably wrong.

    ``index`` is its row; ``label`` and ``suggested`` are class indices. ``confidence`` is the
    probability of ``suggested``. ``margin`` is the probability of ``label`` minus the highest of
    the others, from -1 (strongest doubt) to 0. The ``part`` has ``part_photos`` photos with this
    label, and ``part_suspects`` of them are suspects. If all of them are, the part is probably
    mislabelled. If one of several is, the defect is probably hidden in that photo, or the photo
    shows something like a defect.
    """

    index: int
    label: int
    suggested: int
    margin: float
    confidence: float
    part: str
    part_photos: int
    part_suspects: int

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def label_suspects(
    y_true: Labels, y_prob: NDArray[np.floating[Any]], parts: Sequence[str]
) -> list[Suspect]:
    """The photos with a label that is probably wrong, strongest doubt first; ties in order of rows.

    ``y_true`` (n,) are the labels as class indices, ``y_prob`` (n, n_classes) out-of-fold
    probabilities, and ``parts`` (n,) names the part of each photo. Take the classes with a
    probability at or above their threshold: a photo is a suspect if the most probable of them is
    not its label and is more probable than its label. (The paper has only the first condition. If
    the model itself prefers the label, there is nothing to check.) A class without labelled photos
    is never suggested. Suspects are ranked by ``margin``, the paper's normalized margin.

    Raises ``DataError`` without photos or if a probability is not finite, and ``ValueError`` if the
    lengths differ.
    """
    quality = self_confidence(y_true, y_prob)
    if len(parts) != len(y_true):
        raise ValueError(f"Expected a part for each of {len(y_true)} photos but got {len(parts)}")
    probabilities = np.asarray(y_prob, np.float64)
    passing = np.where(probabilities >= _thresholds(y_true, probabilities), probabilities, -1.0)
    suggested, suspect = passing.argmax(axis=1), passing.max(axis=1) > quality
    others = probabilities.copy()
    others[np.arange(len(y_true)), y_true] = -1.0
    margin = quality - others.max(axis=1)
    labels = y_true.tolist()
    photos = Counter(zip(parts, labels, strict=True))
    rows = [int(row) for row in np.argsort(margin, kind="stable") if suspect[row]]
    suspects = Counter((parts[row], labels[row]) for row in rows)
    return [
        Suspect(
            index=row,
            label=labels[row],
            suggested=int(suggested[row]),
            margin=float(margin[row]),
            confidence=float(probabilities[row, suggested[row]]),
            part=str(parts[row]),
            part_photos=photos[parts[row], labels[row]],
            part_suspects=suspects[parts[row], labels[row]],
        )
        for row in rows
    ]


def self_confidence(y_true: Labels, y_prob: NDArray[np.floating[Any]]) -> Floats:
    """The probability of each photo's own label, (n,); low if the label is in doubt.

    Raises ``DataError`` without photos or if a probability is not finite.
    """
    check_predictions(y_true, y_prob, tuple(map(str, range(y_prob.shape[1]))))
    return np.asarray(y_prob, np.float64)[np.arange(len(y_true)), y_true]


def _thresholds(y_true: Labels, y_prob: Floats) -> Floats:
    """(n_classes,): the mean probability of each class over its photos; infinite without photos."""
    labelled = np.eye(y_prob.shape[1])[y_true]
    counts = labelled.sum(axis=0)
    sums = (labelled * y_prob).sum(axis=0)
    means = np.divide(sums, counts, out=np.full(len(counts), np.inf), where=counts > 0)
    return means - _ROUNDING
