"""Escapes by what a CSV says of the defects: their type, size, lot."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fastdefect.evaluation.statistics.rates import Rate, rate_of

# A column with more different values than these names single photos, or measures.
_MOST_VALUES = 12
Columns = Mapping[str, Sequence[str | None]]


def columns_of(photos: Sequence[Mapping[str, str]]) -> dict[str, list[str | None]]:
    """The columns of (n,) photos, by name; None where a photo's cell is empty."""
    names = dict.fromkeys(name for photo in photos for name in photo)
    return {name: [photo.get(name) for photo in photos] for name in names}


def escapes_by_type(
    passed: NDArray[np.bool_], defective: NDArray[np.bool_], parts: Sequence[str], columns: Columns
) -> dict[str, dict[str, Rate]]:
    """For each column that sorts the defects, the escape rate of each of its values.

    ``passed`` and ``defective`` (n,) say what was decided and what is true, ``parts`` (n,)
    names the part of each photo. A column sorts the defects if the defective photos have two
    to 12 different values in it, each of them shown twice on average; others (a box's corner, a
    serial number) are left out. The values come in their order, numbers by size.
    """
    names = np.asarray(parts)
    found = {}
    for column, values in columns.items():
        given = [value for value, bad in zip(values, defective, strict=True) if bad and value]
        of_defects = set(given)
        if 2 <= len(of_defects) <= min(_MOST_VALUES, len(given) // 2):
            cells = np.array([value or "" for value in values])
            found[column] = {
                value: rate_of(passed[chosen], names[chosen])
                for value in _in_order(of_defects)
                for chosen in [defective & (cells == value)]
            }
    return found


def _in_order(values: Collection[str]) -> list[str]:
    """2 before 10, where all are numbers."""
    try:
        size = {value: float(value) for value in values}
    except ValueError:
        return sorted(values)
    return sorted(values, key=lambda value: (math.isnan(size[value]), size[value], value))
