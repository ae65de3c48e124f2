"""Names of classes that differ in spelling only, and the flag that joins them."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence

_SEPARATORS = r"[\s_.\-]+"


def spelling_key(name: str) -> str:
    """The name without case, accents and separators; equal for names that differ only in these."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold().strip()
    # "pin hole" is "pinhole", but "1-1" isn't "11".
    apart = re.sub(rf"(\d){_SEPARATORS}(?=\d)", r"\1|", plain)
    return re.sub(_SEPARATORS, "", apart) or plain


def alike(photos_of: Mapping[str, int]) -> list[tuple[str, ...]]:
    """The groups of names that differ in spelling only; in each the one with most photos first,
    and of equal ones a name without outer blanks.

    ``photos_of`` is the number of photos of each name.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(photos_of):
        groups[spelling_key(name)].append(name)
    return [
        tuple(sorted(group, key=lambda name: (-photos_of[name], name != name.strip())))
        for key, group in groups.items()
        if key and len(group) > 1
    ]


def rename_flag(groups: Sequence[Sequence[str]]) -> str:
    """The flag that joins each group into its first name, or into the first that it can name."""
    pairs = []
    for group in groups:
        new = next((name for name in group if not set("=,") & set(name)), group[0])
        pairs += [f"{old}={new}" for old in group if old != new]
    return f"--rename {quoted(','.join(pairs))}"


def quoted(value: str) -> str:
    """The value of a flag as a user types it, in double quotes where a shell would split it."""
    return value if re.fullmatch(r"[\w.=,+:/@%-]+", value) else f'"{value}"'
