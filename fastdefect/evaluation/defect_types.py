"""The types of defects, and escape rates by the columns of a CSV: type, size, lot."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.photos import DEFECT_COLUMN
from fastdefect.errors import DataError
from fastdefect.evaluation.statistics.rates import Rate, rate_of

# A column with more different values than this identifies photos or holds measurements.
_MOST_VALUES = 12
Columns = Mapping[str, Sequence[str | None]]
BY_CLASS = "class"


@dataclass(frozen=True)
class TypesOf:
    """The types of defect that a photo shows: its class, or the values of the column ``column``.

    ``column`` is ``BY_CLASS`` for the class. ``good`` names the good classes, which show no defect.
    """

    column: str
    good: tuple[str, ...]

    def __call__(self, label: str, columns: Mapping[str, str]) -> frozenset[str]:
        """The types of a photo with this label and these columns; several for ``crack|burr``."""
        if label in self.good:
            return frozenset()
        return frozenset({label} if self.column == BY_CLASS else _listed(columns.get(self.column)))


def find_types(
    labels: Sequence[str], columns: Sequence[Mapping[str, str]], good: tuple[str, ...]
) -> TypesOf:
    """What tells the types of defect apart in photos with these (n,) labels and columns.

    It is the class if there are several defects, else the column ``defect``, else the only column
    that groups the defective photos by a text (see ``escapes_by_type``).

    Raises ``DataError`` if there is no such column, or more than one.
    """
    bad = [i for i, label in enumerate(labels) if label not in good]
    if len({labels[i] for i in bad}) > 1:
        return TypesOf(BY_CLASS, good)
    found = {
        name
        for name, values in columns_of([columns[i] for i in bad]).items()
        if _names_types(values)
    }
    if DEFECT_COLUMN in found or len(found) == 1:
        return TypesOf(DEFECT_COLUMN if DEFECT_COLUMN in found else found.pop(), good)
    expected = "Expected photos with several types of defect: several defect classes, or a column"
    if found:
        raise DataError(
            f"{expected} {DEFECT_COLUMN}, but found several columns that could be the type: "
            f"{', '.join(sorted(found))}.",
            f"Call the column with the type {DEFECT_COLUMN} in the CSV of the photos.",
        )
    raise DataError(
        f"{expected} of the CSV that groups the defective photos, but found neither.",
        f"Give the type of each defective photo in a column {DEFECT_COLUMN} of a CSV.",
    )


def _names_types(values: Sequence[str | None]) -> bool:
    """Whether the values of a column for the defective photos name 2 to 12 types in words."""
    given = [value for value in values if value]
    kinds = set[str]().union(*(_listed(value) for value in given))
    return 2 <= len(kinds) <= min(_MOST_VALUES, len(given) // 2) and not any(
        _is_number(kind) for kind in kinds
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
