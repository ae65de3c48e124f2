"""A change of the library for augmentation is seen in the golden pictures (helpers/golden.py)."""

import numpy as np
import pytest
from helpers.golden import FOLDER, PICTURES, read
from helpers.surfaces import Photo

# Another version of OpenCV, or another processor, rounds single values otherwise.
ROUNDED = 2  # grey levels
# Share of the values that may differ by more, as at an edge that moved by a pixel; and not more
# than a tenth of the values that the augmentation changes.
REST = 0.002
REST_OF_CHANGED = 0.1


def differing(picture: Photo, other: Photo) -> float:
    """The share of values that differ by more than rounding."""
    return float((np.abs(picture.astype(int) - other) > ROUNDED).mean())


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_as_it_was_accepted(name: str) -> None:
    picture, golden = PICTURES[name](), read(name)
    assert picture.shape == golden.shape
    photo = read("photo")
    changed = differing(golden, np.hstack([photo] * (golden.shape[1] // photo.shape[1])))
    assert changed > 0.001
    assert differing(picture, golden) <= min(REST, REST_OF_CHANGED * changed), (
        f"tests/golden/{name}.png: the augmentation changed. If this was meant, write the pictures "
        "anew: PYTHONPATH=tests python -m helpers.golden"
    )


def test_there_are_no_other_pictures() -> None:
    files = list(FOLDER.glob("*.png"))
    assert {path.stem for path in files} == {"photo", *PICTURES}
    assert sum(path.stat().st_size for path in files) < 300_000
