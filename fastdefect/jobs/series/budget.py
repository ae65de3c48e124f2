"""The time budget of a series of trainings, and the expected duration of the next one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic


class Budget:
    """The minutes that a series may take from now on; None for no limit."""

    def __init__(self, minutes: float | None) -> None:
        self._ends = math.inf if minutes is None else monotonic() + 60 * minutes

    def holds(self, seconds: float | None) -> bool:
        """Whether ``seconds`` more fit; None, for an unknown duration, fits if any time is left."""
        return monotonic() + (seconds or 0.0) < self._ends

    @property
    def spent(self) -> bool:
        """Whether no time is left."""
        return not self.holds(None)


@dataclass(frozen=True)
class Effort:
    """The work of a training: pixels through the network ``arch``.

    A backward pass counts as two forward passes.
    """

    arch: str
    pixels: float

    @classmethod
    def of(
        cls, arch: str, *, train: int, valid: int, epochs: int, image_size: int, tiles: int = 1
    ) -> "Effort":
        """The effort if each epoch processes train, valid, and the measured sample of train.

        A step on photos in ``tiles`` trains on a few of them, and only predicts the others.
        """
        forward = train + valid + min(train, valid)
        backward = 2 * train / tiles
        return cls(arch, float(epochs * (forward + backward) * tiles * image_size**2))


def expected_seconds(effort: Effort, finished: Sequence[tuple[Effort, float]]) -> float | None:
    """The expected seconds of a training, estimated from ``finished`` ones; None without any.

    The estimate uses the finished training of the same architecture with the most similar effort.
    Without one it uses the slowest pace of all: another architecture is a poor guide.
    """
    if not finished:
        return None
    same_arch = [pair for pair in finished if pair[0].arch == effort.arch]
    if same_arch:
        nearest, seconds = min(
            same_arch, key=lambda pair: abs(math.log(pair[0].pixels / effort.pixels))
        )
        return seconds * effort.pixels / nearest.pixels
    return effort.pixels * max(seconds / other.pixels for other, seconds in finished)
