"""The part of each photo, from a CSV, file names, identical bytes or a search."""

from collections.abc import Sequence

from fastdefect.data.parts.connected import connected


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
