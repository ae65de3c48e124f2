"""The part of each photo, from a CSV, file names, identical bytes or a search."""

import re
from collections.abc import Sequence

from fastdefect.data.parts.connected import connected
from fastdefect.errors import DataError, UsageError


def parts_from_names(names: Sequence[str], pattern: str) -> list[str | None]:
    """The match of ``pattern`` in each name: its group ``part``, else its first group, else all.

    The errors are those of ``match_names``.
    """
    example = r"--part-from 'part_(\d+)' for names such as good/part_12_view_3.jpg"
    return match_names(names, pattern, "part", example)


def views_from_names(names: Sequence[str], pattern: str) -> list[str | None]:
    """The match of ``pattern`` in each name: its group ``view``, else its first group, else all.

    The errors are those of ``match_names``.
    """
    example = r"--view-from 'cam(\d+)' for names such as part_12_cam3.jpg"
    return match_names(names, pattern, "view", example)


def labels_from_names(names: Sequence[str], pattern: str) -> list[str | None]:
    """The match of ``pattern`` in each name: its group ``label``, else its first group, else all.

    The errors are those of ``match_names``.
    """
    example = r"--label-from '([A-Za-z]+)_\d+' for names such as OK_12.jpg"
    return match_names(names, pattern, "label", example)


def match_names(names: Sequence[str], pattern: str, group: str, example: str) -> list[str | None]:
    """The match of ``pattern`` in each name: ``group``, else the first group, else all of it.

    The result is None for a name without a match. The option is called ``--GROUP-from``. Raises
    ``UsageError`` if ``pattern`` is not a valid regular expression, and ``DataError`` if it
    matches no name.
    """
    option = f"--{group}-from"
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


def join_parts(
    names: Sequence[str],
    parts: Sequence[str | None],
    sha256: Sequence[str],
    found: Sequence[int] | None = None,
) -> tuple[str, ...]:
    """The name of the part of each photo; photos of one part must stay together.

    Photos of one given part, photos with identical bytes (even with different given parts), and
    photos with the same number in ``found`` (from a search) are joined transitively. The name of
    a joined part is the alphabetically first of its given parts, or the first name of its photos
    if none is given.
    """
    seen: dict[tuple[str, str], int] = {}
    pairs = []
    for i, (part, digest) in enumerate(zip(parts, sha256, strict=True)):
        keys = [("sha256", digest)] + ([("part", part)] if part is not None else [])
        keys += [("found", str(found[i]))] if found is not None else []
        pairs += [(seen.setdefault(key, i), i) for key in keys]
    groups = connected(len(names), pairs)

    given: dict[int, str] = {}
    own: dict[int, str] = {}
    for group, name, part in zip(groups, names, parts, strict=True):
        own[group] = min(name, own.get(group, name))
        if part is not None:
            given[group] = min(part, given.get(group, part))
    taken = set(given.values())
    for group in own:
        while group not in given and own[group] in taken:  # a given part has the name of a photo
            own[group] = f"./{own[group]}"
    return tuple(given.get(group, own[group]) for group in groups)
