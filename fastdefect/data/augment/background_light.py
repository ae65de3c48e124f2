"""``--light``: training photos in each other's light, so that the bench tells no class.

Each time a photo is shown it gets the border light of another training photo, whose class is
drawn evenly, and then an exposure of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.augment.background import BorderLight, expose, measure_border, relight
from fastdefect.data.store import PhotoStore

DONORS = 500  # of a class: more of them would say nothing new, and travel to every worker

# Separates these draws from those that other steps make from the same seed.
_STREAM = 0x6C69676874
# Not always all the way: a photo then stands between its own bench and the other. Much weaker,
# and its own light would shine through and tell the class again.
_STRENGTHS = (0.8, 1.0)
# Logarithms of the exposure's gain and gamma: up to 15 % either way, 19 grey levels at mid-grey.
_GAIN = _GAMMA = 0.14


@dataclass(frozen=True)
class BorrowedLight:
    """Gives photos the border light of ``donors``, which are listed by class; none is empty."""

    donors: tuple[tuple[BorderLight, ...], ...]

    def __call__(self, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """``image``, uint8 RGB (height, width, 3), in the light that ``seed`` says; a new array.

        A pure function of photo, seed and donors.
        """
        rng = np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(_STREAM,)))
        of_class = self.donors[rng.integers(len(self.donors))]
        donor = of_class[rng.integers(len(of_class))]
        strength = rng.uniform(*_STRENGTHS)
        gain, gamma = np.exp(rng.uniform(-1, 1, 2) * (_GAIN, _GAMMA))
        lit = relight(image, measure_border(image), donor, strength)
        return expose(lit, float(gain), float(gamma))

    def __str__(self) -> str:
        """What is done to a photo, on one line."""
        return (
            "light: border brightness, contrast and vignette of a photo of a class drawn evenly, "
            "exposure within 15 %; 100% of photos"
        )


def borrow_light(
    photos: PhotoStore | Sequence[NDArray[np.uint8]], by_class: Iterable[Sequence[int]]
) -> BorrowedLight:
    """Measure the donors: of each class up to ``DONORS``, spread evenly over its photos.

    ``by_class`` holds the rows in ``photos`` of each class; a class without any is left out.
    Raises ValueError if there is no photo at all.
    """
    donors = []
    for rows in by_class:
        chosen = np.linspace(0, len(rows) - 1, min(DONORS, len(rows))).astype(int)
        donors.append(tuple(measure_border(photos[rows[index]]) for index in chosen))
    filled = tuple(of_class for of_class in donors if of_class)
    if not filled:
        raise ValueError("Expected photos to take the light from but got none")
    return BorrowedLight(filled)
