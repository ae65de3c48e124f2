"""Which photos show one part: told by a CSV, by file names, by bytes, or by a search."""

import re
from collections.abc import Sequence

from fastdefect.data.parts.connected import connected
from fastdefect.errors import DataError, UsageError


def parts_from_names(names: Sequence[str], pattern: str) -> list[str | None]:
    """What ``pattern`` finds in each name: its group ``part``, else its first, else all of it.

    None for a name in which it finds nothing. Raises ``UsageError`` for a pattern that is no
    regular expression, and ``DataError`` for one that fits no name at all.
    """
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"--part-from {pattern!r} is no regular expression: {error}.",
            r"An example: --part-from 'part_(\d+)' for names such as good/part_12_view_3.jpg.",
        ) from error
    group: str | int = "part" if "part" in regex.groupindex else min(regex.groups, 1)
    parts = [found[group] or None if (found := regex.search(name)) else None for name in names]
    if names and not any(parts):
        raise DataError(
            f"--part-from {pattern!r} fits none of the {len(names)} names, such as {names[0]}.",
            "It is searched for in the path below the data folder, with / between folders.",
        )
    return parts


def join_parts(
    names: Sequence[str],
    parts: Sequence[str | None],
    sha256: Sequence[str],
    found: Sequence[int] | None = None,
) -> tuple[str, ...]:
    """One part's name for each photo: photos with the same name must stay together.

    Photos of one given part, photos of identical bytes, whatever part they were given, and
    photos with the same number in ``found`` (by a search) are joined (transitively). The
    joined part is called by the first of its given parts in the alphabet; a photo of no given
    part by its own first name.
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
        while group not in given and own[group] in taken:  # a part called like another photo
            own[group] = f"./{own[group]}"
    return tuple(given.get(group, own[group]) for group in groups)
