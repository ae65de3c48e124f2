"""``--light``: training photos with swapped border light, so that it does not reveal the class.

Each time a photo is used, it gets the border light of another training photo, of a class drawn
with equal probability, and then a random exposure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.augment.background import BorderLight, expose, measure_border, relight
from fastdefect.data.store import PhotoStore

DONORS = 500  # per class; more would add no information and are copied to every worker

# Separates these draws from those of other steps with the same seed.
_STREAM = 0x6C69676874
# Not always full strength, so that a photo is between its own background and the other one. At much
# lower strength its own light would remain visible and reveal the class.
_STRENGTHS = (0.8, 1.0)
# Maximum logarithms of gain and gamma of the exposure: up to 15 %, 19 grey levels at mid-grey.
_GAIN = _GAMMA = 0.14


@dataclass(frozen=True)
class BorrowedLight:
    """Gives photos the border light of ``donors``, listed by class; no class is empty."""

    donors: tuple[tuple[BorderLight, ...], ...]

    def __call__(self, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """Return a relit copy of ``image``, uint8 RGB (height, width, 3), as drawn with ``seed``.

        The result depends only on photo, seed and donors.
        """
        rng = np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(_STREAM,)))
        of_class = self.donors[rng.integers(len(self.donors))]
        donor = of_class[rng.integers(len(of_class))]
        strength = rng.uniform(*_STRENGTHS)
        gain, gamma = np.exp(rng.uniform(-1, 1, 2) * (_GAIN, _GAMMA))
        lit = relight(image, measure_border(image), donor, strength)
        return expose(lit, float(gain), float(gamma))

    def __str__(self) -> str:
        """A one-line description of the change."""
        return (
            "light: border brightness, contrast and vignette of a photo of a class drawn evenly, "
            "exposure within 15 %; 100% of photos"
        )


def borrow_light(
    photos: PhotoStore | Sequence[NDArray[np.uint8]], by_class: Iterable[Sequence[int]]
) -> BorrowedLight:
    """Measure the donors: up to ``DONORS`` of each class, evenly spaced over its photos.

    ``by_class`` contains the rows in ``photos`` of each class; an empty class is omitted. Raises
    ``ValueError`` if there is no photo.
    """
    donors = []
    for rows in by_class:
        chosen = np.linspace(0, len(rows) - 1, min(DONORS, len(rows))).astype(int)
        donors.append(tuple(measure_border(photos[rows[index]]) for index in chosen))
    filled = tuple(of_class for of_class in donors if of_class)
    if not filled:
        raise ValueError("Expected photos to take the light from but got none")
    return BorrowedLight(filled)
