"""Escape rates by the columns of a CSV that describe the defects: type, size, lot."""

import math
import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fastdefect.evaluation.statistics.rates import Rate, rate_of

# A column with more different values than this identifies photos or holds measurements.
_MOST_VALUES = 12
Columns = Mapping[str, Sequence[str | None]]


def columns_of(photos: Sequence[Mapping[str, str]]) -> dict[str, list[str | None]]:
    """The columns of (n,) photos, by name; None for an empty cell."""
    names = dict.fromkeys(name for photo in photos for name in photo)
    return {name: [photo.get(name) for photo in photos] for name in names}


def escapes_by_type(
    passed: NDArray[np.bool_],
    defective: NDArray[np.bool_],
    parts: Sequence[str],
    columns: Columns,
    *,
    kinds: str | None = None,
) -> dict[str, dict[str, Rate]]:
    """For each column that groups the defects, the escape rate of each of its values.

    ``passed`` and ``defective`` (n,) are the decision and the truth, ``parts`` (n,) names the part
    of each photo. A column groups the defects if the defective photos have 2 to 12 different values
    in it, with at least two photos per value on average. Other columns (a box corner, a serial
    number) are excluded. Values are sorted, numbers by size.

    ``kinds`` names a column that lists the kinds of defect of each photo (``crack|burr``): such a
    photo counts in each kind, and the column is never excluded.
    """
    names = np.asarray(parts)
    found = {}
    for column, values in columns.items():
        cells = [_listed(value) if column == kinds else {value or ""} - {""} for value in values]
        given = [cell for cell, bad in zip(cells, defective, strict=True) if bad and cell]
        of_defects = set[str]().union(*given)
        groups = 2 <= len(of_defects) <= min(_MOST_VALUES, len(given) // 2)
        if groups or (column == kinds and of_defects):
            found[column] = {
                value: rate_of(passed[chosen], names[chosen])
                for value in _in_order(of_defects)
                for chosen in [defective & np.array([value in cell for cell in cells])]
            }
    return found


def _listed(value: str | None) -> set[str]:
    return {kind.strip() for kind in re.split(r"[|;]", value or "")} - {""}


def _in_order(values: Collection[str]) -> list[str]:
    """Sorted, with 2 before 10 if all are numbers."""
    try:
        size = {value: float(value) for value in values}
    except ValueError:
        return sorted(values)
    return sorted(values, key=lambda value: (math.isnan(size[value]), size[value], value))
