"""Which labels to look at again: confident learning.

Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset
labels", JAIR 70. A class's threshold is how sure the model is, on average, of the photos that
carry its label; a photo whose probability of another class passes that class's threshold
probably belongs there. A threshold for each class takes care of rare classes and of a model
that is sure of one class and not of another.

The probabilities must be out of fold: from a model that saw neither the photo nor another of
its part. A model asked about its own training photos repeats their labels.

It ranks what a person should look at; it proves nothing. How many labels are wrong is not
estimated: a model that confuses two classes would have its own mistakes counted as labels'.
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

# A mean of equal numbers may come out above them; all of them pass it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Suspect:
    """A photo whose label is probably wrong.

    ``index`` is its row; ``label`` and ``suggested`` are class indices. ``confidence`` is the
    probability of ``suggested``; ``margin`` that of ``label`` less the highest of the others,
    from -1, the surest, to 0. Of the ``part_photos`` photos of its ``part`` that carry the same
    label, ``part_suspects`` are suspects: if all are, the part was probably mislabelled, if one
    of several is, the photo rather hides the defect, or shows what looks like one.
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
    """The photos whose labels are probably wrong, the surest first; ties in order of rows.

    ``y_true`` (n,) are the labels as class indices, ``y_prob`` (n, n_classes) probabilities
    out of fold, ``parts`` (n,) names each photo's part. A photo is a suspect if, of the classes
    whose thresholds its probabilities pass, the most probable is another than its label and
    more probable than it (the paper asks only the first; but where the model itself would keep
    the label, there is nothing to look at). A class that no photo is labelled with is never
    suggested. Suspects are ranked by ``margin``, the paper's normalized margin.

    Raises ``DataError`` without photos or with a probability that is not finite, and
    ``ValueError`` if the lengths differ.
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
    """The probability of each photo's own label: (n,), low where the label is in doubt.

    Raises ``DataError`` without photos or with a probability that is not finite.
    """
    check_predictions(y_true, y_prob, tuple(map(str, range(y_prob.shape[1]))))
    return np.asarray(y_prob, np.float64)[np.arange(len(y_true)), y_true]


def _thresholds(y_true: Labels, y_prob: Floats) -> Floats:
    """(n_classes,): each class's mean probability among the photos labelled so; else infinite."""
    labelled = np.eye(y_prob.shape[1])[y_true]
    counts = labelled.sum(axis=0)
    sums = (labelled * y_prob).sum(axis=0)
    means = np.divide(sums, counts, out=np.full(len(counts), np.inf), where=counts > 0)
    return means - _ROUNDING
