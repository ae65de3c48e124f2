"""The classes of good parts: none, one, or several kinds that are all good (front and back views).

Several good classes are one side of every decision: a photo of one that is classified as another
is neither an escape nor overkill. ``Good`` is the only form in which computations take them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats

Good = tuple[int, ...]  # indices into the classes, ascending; empty if every class is a defect


def good_indices(classes: Sequence[str], good: tuple[str, ...]) -> Good:
    """The indices of the classes named in ``good``; raises ``ValueError`` for an unknown name."""
    return tuple(sorted(list(classes).index(name) for name in good))


def is_good(labels: NDArray[np.int64], good: Good) -> NDArray[np.bool_]:
    """Whether each of the (n,) class indices is one of ``good``."""
    return np.isin(labels, good)


def p_defect(y_prob: Floats, good: Good) -> Floats:
    """1 - the probability of all good classes together: (n, n_classes) to (n,)."""
    return 1 - y_prob[:, list(good)].sum(axis=1)


def only_defect(n_classes: int, good: Good) -> int | None:
    """The index of the defect if one class is a defect and the others are good; else None."""
    defects = [index for index in range(n_classes) if index not in good]
    return defects[0] if good and len(defects) == 1 else None


def good_to_json(good: tuple[str, ...]) -> str | list[str] | None:
    """The form in ``model.json``: null for none, a text for one (as in older runs), else a list."""
    return list(good) if len(good) > 1 else good[0] if good else None


def good_from_json(content: str | list[str] | None) -> tuple[str, ...]:
    """Read each form of ``good_to_json``."""
    return () if content is None else (content,) if isinstance(content, str) else tuple(content)
