"""Which photos show one part: told by a CSV, by file names, by bytes, or by a search."""

import re
from collections.abc import Sequence

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
    leader = list(range(len(names)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    seen: dict[tuple[str, str], int] = {}
    for i, (part, digest) in enumerate(zip(parts, sha256, strict=True)):
        keys = [("sha256", digest)] + ([("part", part)] if part is not None else [])
        keys += [("found", str(found[i]))] if found is not None else []
        for key in keys:
            leader[find(i)] = find(seen.setdefault(key, i))

    given: dict[int, str] = {}
    own: dict[int, str] = {}
    for i, (name, part) in enumerate(zip(names, parts, strict=True)):
        root = find(i)
        own[root] = min(name, own.get(root, name))
        if part is not None:
            given[root] = min(part, given.get(root, part))
    taken = set(given.values())
    for root in own:
        while root not in given and own[root] in taken:  # a part called like another photo
            own[root] = f"./{own[root]}"
    return tuple(given.get(find(i), own[find(i)]) for i in range(len(names)))
