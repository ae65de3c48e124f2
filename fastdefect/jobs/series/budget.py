"""What a series of trainings may take, and what the next one should."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic


class Budget:
    """Minutes that a series may take, from now on; None for as long as it needs."""

    def __init__(self, minutes: float | None) -> None:
        self._ends = math.inf if minutes is None else monotonic() + 60 * minutes

    def holds(self, seconds: float | None) -> bool:
        """Whether so many seconds more fit; where nobody knows how many, whether any are left."""
        return monotonic() + (seconds or 0.0) < self._ends

    @property
    def spent(self) -> bool:
        """Whether none are left."""
        return not self.holds(None)


@dataclass(frozen=True)
class Effort:
    """What a training has to do: pixels through the network ``arch``.

    Forward or backward, whereby a backward pass counts as two.
    """

    arch: str
    pixels: float

    @classmethod
    def of(cls, arch: str, *, train: int, valid: int, epochs: int, image_size: int) -> "Effort":
        """In each epoch all photos of train, of valid, and of the sample of train measured."""
        passes = 3 * train + valid + min(train, valid)
        return cls(arch, float(epochs * passes * image_size**2))


def expected_seconds(effort: Effort, finished: Sequence[tuple[Effort, float]]) -> float | None:
    """What a training should take by the seconds of ``finished`` ones; None if there are none.

    By the one of its architecture that had about as much to do. The pace of another
    architecture says little: then the slowest pace of all is taken.
    """
    if not finished:
        return None
    alike = [pair for pair in finished if pair[0].arch == effort.arch]
    if alike:
        near, seconds = min(alike, key=lambda pair: abs(math.log(pair[0].pixels / effort.pixels)))
        return seconds * effort.pixels / near.pixels
    return effort.pixels * max(seconds / other.pixels for other, seconds in finished)
