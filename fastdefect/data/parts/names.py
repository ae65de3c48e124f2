"""What a regular expression finds in the names of photos: the part, the view or the label."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Literal

from fastdefect.errors import DataError, UsageError

Group = Literal["part", "view", "product", "label"]

# An example of each, for messages.
_EXAMPLES: dict[Group, str] = {
    "part": r"--part-from 'part_(\d+)' for names such as good/part_12_view_3.jpg",
    "view": r"--view-from 'cam(\d+)' for names such as part_12_cam3.jpg",
    "product": r"--product-from '(housing|cover)' for names such as ok/housing_12.jpg",
    "label": r"--label-from '([A-Za-z]+)_\d+' for names such as OK_12.jpg",
}


def match_names(names: Sequence[str], pattern: str, group: Group) -> list[str | None]:
    """The match of ``pattern`` in each name: ``group``, else the first group, else all of it.

    The result is None for a name without a match. The option is called ``--GROUP-from``. Raises
    ``UsageError`` if ``pattern`` is not a valid regular expression, and ``DataError`` if it
    matches no name.
    """
    option, example = f"--{group}-from", _EXAMPLES[group]
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"Expected a regular expression in {option}, but {pattern!r} is not valid: {error}.",
            f"Example: {example}.",
        ) from error
    wanted: str | int = group if group in regex.groupindex else min(regex.groups, 1)
    matches = [found[wanted] or None if (found := regex.search(name)) else None for name in names]
    if names and not any(matches):
        raise DataError(
            f"Expected {option} {pattern!r} to match file names, but it matches none of "
            f"{len(names)}, such as {names[0]}.",
            "Correct the pattern. It applies to the path below the data folder, with / between "
            "folders.",
        )
    return matches


parts_from_names = partial(match_names, group="part")
views_from_names = partial(match_names, group="view")
products_from_names = partial(match_names, group="product")
labels_from_names = partial(match_names, group="label")


def view_in(name: str, pattern: str | None, longest: int) -> str | None:
    """The view that the ``pattern`` of a model finds in a name; None if it finds none.

    It may come from anywhere and could take long, so it is not searched in a name of more than
    ``longest`` characters.
    """
    if pattern is None or len(name) > longest:
        return None
    try:
        return views_from_names([name], pattern)[0]
    except DataError:  # this name does not match
        return None
