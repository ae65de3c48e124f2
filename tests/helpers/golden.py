"""Golden pictures: what each augmentation makes of one rendered photo, as it was when accepted.

    PYTHONPATH=tests python -m helpers.golden

writes them anew, after a change that was meant. Look at them before they are committed.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.data.augment.background_light import borrow_light
from fastdefect.data.augment.pipelines import Augmenter
from fastdefect.data.augment.steps import STEPS
from helpers.surfaces import Photo, force, surface

FOLDER = Path(__file__).parents[1] / "golden"
SEEDS = (1, 2)  # of a step
LEVEL_SEEDS = range(1, 9)  # a level changes each photo by a few of its steps


def photo() -> Photo:
    """The photo that is changed, (48, 48, 3) RGB: a casting with a scratch."""
    return read("photo")


def read(name: str) -> Photo:
    """A golden picture, (48, n * 48, 3) RGB."""
    with Image.open(FOLDER / f"{name}.png") as image:
        return np.asarray(image.convert("RGB"))


def _of_step(name: str) -> Photo:
    # The strengths for a photo of 224 pixels: those for 48 pixels would be too weak to be seen.
    step = STEPS[name](1.0, 1.0)
    return np.hstack([force(step, photo(), seed) for seed in SEEDS])


def _of_level(name: str) -> Photo:
    augmenter = Augmenter(name, photo().shape[0])
    return np.hstack([augmenter(photo(), seed) for seed in LEVEL_SEEDS])


def _of_light() -> Photo:
    light = borrow_light([surface(60, 48), surface(200, 48)], [[0], [1]])
    return np.hstack([light(photo(), seed) for seed in SEEDS])


PICTURES: dict[str, Callable[[], Photo]] = {
    **{f"step-{name}": lambda name=name: _of_step(name) for name in STEPS},
    **{
        f"level-{each.name}": lambda name=each.name: _of_level(name)
        for each in AUGMENTATIONS.values()
        if each.steps
    },
    "light": _of_light,
}


def main() -> None:
    for name, make in PICTURES.items():
        Image.fromarray(make()).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
