"""Which regular expressions for parts may come from a bundle.

Python's regular expressions have no time limit, and ``(a+)+$`` takes years on a name of 40
characters. So a bundle has only patterns with few repeats and options and without a repeated group:
their time grows with a low power of the length of the name, whatever the name is. This covers the
usual patterns.
"""

import re

# In longer names the pattern of a bundle is not searched: a third power takes minutes in 2,000.
LONGEST = 255

_MAX_REPEATS = 3
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_SET = re.compile(r"\[\^?\]?[^\]]*\]")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
# The ``?`` of ``(?:`` and of ``a+?`` makes no more ways to match.
_REPEAT = re.compile(r"[*+{|]|(?<![(*+])\?")
# A group that is matched again, a comment, whose brackets are none, and the flag that allows spaces
# between a group and its repeat.
_REFUSED = re.compile(r"\\[1-9]|\(\?P=|\(\?\(|\(\?#|\(\?[a-zA-Z]*x")


def is_quick(pattern: str) -> bool:
    """Whether ``pattern`` is valid and can't take long.

    Refused are a repeated group, a back-reference, a comment, and more than three of ``*``, ``+``,
    ``?``, ``{`` and ``|``.
    """
    if _REFUSED.search(pattern):
        return False
    plain = _SET.sub("s", _ESCAPED.sub("c", pattern))
    if _REPEATED_GROUP.search(plain) or len(_REPEAT.findall(plain)) > _MAX_REPEATS:
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
