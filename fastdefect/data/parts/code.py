"""What the results of the search depend on besides the photos: its code."""

import hashlib
from functools import cache
from pathlib import Path


@cache
def code_digest(*modules: str) -> str:
    """The sha256 of modules of this package, or of their compiled form.

    A key of a cache contains it, so that a changed constant never meets earlier results.
    """
    here = Path(__file__)
    texts = [here.with_stem(name).read_bytes() for name in modules]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()
