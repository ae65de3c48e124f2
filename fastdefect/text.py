"""Formatting of numbers and lists for messages."""

import math
from collections.abc import Sequence

# The control characters but tab and newline, and those that reverse the direction of writing.
_CONTROLS = (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F))
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in (*_CONTROLS, *range(0x2066, 0x206A))}


def without_controls(text: str) -> str:
    r"""``text`` with each control character as an escape, such as ``\x1b``.

    In the name of a file they could command a terminal.
    """
    return text.translate(_ESCAPES)


def counted(n: int, noun: str) -> str:
    """``1 photo``, ``2 photos``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def first(names: Sequence[str], most: int = 3) -> str:
    """The first few names and the number of others: ``a, b, c and 4 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def listed(names: Sequence[str]) -> str:
    """A list of two or more names: ``a, b and c``."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share: float, digits: int = 1) -> str:
    """A share in percent with ``digits`` decimals: ``12.5%``."""
    return f"{share:.{digits}%}"


def exact_percent(share: float) -> str:
    """A share in percent with up to six digits: 0.995 is ``99.5%``, 0.00001 is ``0.001%``."""
    return f"{100 * share:.6g}%"


def careful_percent(share: float) -> str:
    """A share in percent with one decimal; 0 and 100 only if they are exact."""
    if share in (0.0, 1.0):
        return percent(share, 0)
    if share < 0.0005:
        return "< 0.1%"
    return "> 99.9%" if share > 0.9995 else percent(share)


def number_text(value: float | None, form: str) -> str:
    """``value`` in a ``str.format`` form such as ``{:.2f}``; ``-`` if there is no finite value."""
    return "-" if value is None or not math.isfinite(value) else form.format(value)


def value_text(value: object) -> str:
    """A value of a setting in words: yes or no, and numbers with at most four digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def ordinal(n: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    ending = "th" if n // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
