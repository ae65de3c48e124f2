"""Numbers and lists in sentences."""

from collections.abc import Sequence


def counted(n: int, noun: str) -> str:
    """``1 photo``, ``2 photos``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def first(names: Sequence[str], most: int = 3) -> str:
    """The first few names and how many more there are: ``a, b, c and 4 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def listed(names: Sequence[str]) -> str:
    """All of two or more names: ``a, b and c``."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def ordinal(n: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    ending = "th" if n // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
