"""Test-time augmentation: the views of a photo that predictions are averaged over.

Fixed views always give the same result. ``random:N`` is fastai's ``learn.tta``: it applies N of the
training's random augmentations and gives the plain prediction a weight of 1/4.
"""

from collections.abc import Sequence

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.errors import UsageError
from fastdefect.training.predict import View
from fastdefect.training.symmetries import DIHEDRAL, turned

_NONE: tuple[View, ...] = (turned(0, False),)
# Unchanged, mirrored left to right, top to bottom, and both.
_FLIPS: tuple[View, ...] = (turned(0, False), turned(0, True), turned(2, True), turned(2, False))
# By the symmetries of the part; views that never occur must not be averaged.
FIXED_VIEWS: dict[str, tuple[View, ...]] = {
    "none": _NONE,
    "mirror": _FLIPS[:2],
    "half-turn": (turned(0, False), turned(2, False)),
    "turns": DIHEDRAL[:4],
    "flips": _FLIPS,
    "dihedral": DIHEDRAL,
}


def resolve_views(text: str, augment: str) -> str:
    """``text``, or for "auto" the symmetries that training with ``augment`` included."""
    return AUGMENTATIONS[augment].symmetries if text == "auto" else text


def parse_views(text: str) -> tuple[Sequence[View], int]:
    """The fixed views of ``text``, or no views and the N of ``random:N``.

    Raises ``UsageError`` for any other text.
    """
    if text in FIXED_VIEWS:
        return FIXED_VIEWS[text], 0
    kind, _, count = text.partition(":")
    if kind == "random" and count.isdecimal() and 1 <= int(count) <= 256:
        return (), int(count)
    raise UsageError(
        f"--views {text}: expected auto, {', '.join(FIXED_VIEWS)} or random:N with N from 1 "
        "to 256.",
        "For example --views dihedral, or --views random:8.",
    )
