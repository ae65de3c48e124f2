"""Which regular expressions for parts may come from a bundle.

Python's regular expressions have no time limit, and ``(a+)+$`` takes years on a name of 40
characters. So a bundle has only patterns without a repeated group, which covers the usual ones.
"""

import re

_MAX_REPEATS = 4
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_SET = re.compile(r"\[\^?\]?[^\]]*\]")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_REPEAT = re.compile(r"[*+{]")
# A group that is matched again, and the flag that allows spaces between a group and its repeat.
_BACK = re.compile(r"\\[1-9]|\(\?P=|\(\?\(|\(\?[a-zA-Z]*x")


def is_quick(pattern: str) -> bool:
    """Whether ``pattern`` is valid and has no repeated group, back-reference or many repeats."""
    if _BACK.search(pattern):
        return False
    plain = _SET.sub("s", _ESCAPED.sub("c", pattern))
    if _REPEATED_GROUP.search(plain) or len(_REPEAT.findall(plain)) > _MAX_REPEATS:
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
