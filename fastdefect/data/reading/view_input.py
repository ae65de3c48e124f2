"""The view of a photo, such as its camera, as an input of a network: one-hot rows."""

from collections.abc import Sequence

import numpy as np

from fastdefect.aliases import Floats32


def one_hot(known: Sequence[str], views: Sequence[str | None]) -> Floats32:
    """Rows (n, len(known)) with a 1 at the view of each of n photos.

    A photo without a view, or with one that is not ``known``, has a row of zeros: the network then
    decides without it.
    """
    place = {name: column for column, name in enumerate(known)}
    rows = np.zeros((len(views), len(known)), np.float32)
    for row, view in enumerate(views):
        if view in place:
            rows[row, place[view]] = 1
    return rows


def without_view(known: Sequence[str], views: Sequence[str | None]) -> int:
    """How many of the ``views`` of photos a network with an input for ``known`` does not know.

    0 for a network without this input.
    """
    return sum(view not in known for view in views) if known else 0
