"""--light: drawn from the seed, evenly from the classes, and no class is revealed."""

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fastdefect.data.augment import background_light as module
from fastdefect.data.augment.background import BorderLight, measure_border
from fastdefect.data.augment.background_light import BorrowedLight, borrow_light
from fastdefect.data.augment.pipelines import item_seed

SIDE = 64
Photo = NDArray[np.uint8]


def photo(level: int, seed: int = 0, metal: int = 170) -> Photo:
    """A square of metal on a background of about ``level``."""
    rng = np.random.default_rng(seed)
    image = np.full((SIDE, SIDE, 1), level + rng.integers(-8, 9))
    image[14:-14, 14:-14] = metal
    return np.repeat(np.clip(image + rng.integers(-2, 3, image.shape), 0, 255), 3, axis=2).astype(
        np.uint8
    )


def flat(level: float) -> BorderLight:
    return BorderLight((level,) * 3, 0.0, 1.0)


def levels(light: BorrowedLight, image: Photo, n: int) -> NDArray[np.float64]:
    return np.array([measure_border(light(image, seed)).level[0] for seed in range(n)])


@pytest.mark.slow
def test_the_border_no_longer_reveals_the_class() -> None:
    # The castings' trap: one class on white paper, the other on a grey background.
    images = [photo(225, seed) for seed in range(60)] + [photo(150, seed) for seed in range(90)]
    labels = np.repeat([1, 0], [60, 90])
    light = borrow_light(images, [range(60), range(60, 150)])

    before = [measure_border(image).level[0] for image in images]
    assert roc_auc_score(labels, before) == 1.0
    after = [
        measure_border(light(image, item_seed(1, epoch, i))).level[0]
        for epoch in range(4)
        for i, image in enumerate(images)
    ]
    assert 0.45 < roc_auc_score(np.tile(labels, 4), after) < 0.6
    spread = np.std(after)
    assert spread > 25  # both backgrounds are still there


@pytest.mark.slow
def test_donors_come_from_every_class_alike_often() -> None:
    light = BorrowedLight(((flat(200.0),), (flat(60.0),) * 99))
    share = (levels(light, photo(120), 300) > 125).mean()
    assert 0.4 < share < 0.6  # one donor of a hundred, but one class of two
    three = BorrowedLight(((flat(220.0),), (flat(130.0),), (flat(40.0),)))
    found = np.histogram(levels(three, photo(130), 300), bins=[0, 90, 170, 256])[0]
    assert found.min() > 70


def test_the_light_is_the_donors_but_for_strength_and_exposure() -> None:
    found = levels(BorrowedLight(((flat(200.0),),)), photo(100), 200)
    assert 145 < found.min() < 170
    assert 205 < found.max() < 230
    assert np.ptp(found) > 30  # no two draws alike


def test_the_parts_exposure_is_mild_and_goes_both_ways() -> None:
    light = BorrowedLight(((flat(200.0),),))
    changes = [float(light(photo(100), seed)[24:40, 24:40].mean()) - 170 for seed in range(100)]
    assert min(changes) < -8
    assert max(changes) > 8
    assert np.abs(changes).max() < 30


def test_the_answer_follows_from_photo_and_seed_alone() -> None:
    light = BorrowedLight(((flat(200.0), flat(180.0)), (flat(90.0),)))
    image = photo(140)
    expected = [light(image, seed) for seed in range(8)]
    for seed in reversed(range(8)):
        np.random.seed(seed)
        light(photo(30), seed + 100)
        np.testing.assert_array_equal(light(image, seed), expected[seed])
        np.testing.assert_array_equal(light(image, np.uint64(seed)), expected[seed])  # type: ignore[arg-type]
    assert len({one.tobytes() for one in expected}) == 8
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(light))(image, 2**64 - 1), light(image, 2**64 - 1)
    )


def test_the_photo_is_left_as_it_was() -> None:
    image = photo(140)
    kept = image.copy()
    image.flags.writeable = False
    for seed in range(5):
        changed = BorrowedLight(((flat(200.0),),))(image, seed)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        changed[:] = 0
    np.testing.assert_array_equal(image, kept)


def test_donors_are_measured_by_class_and_spread_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [np.full((SIDE, SIDE, 3), 20 + i, np.uint8) for i in range(100)]
    monkeypatch.setattr(module, "DONORS", 3)
    light = borrow_light(images, [range(10, 51), [], [7, 99]])
    found = [[donor.level[0] for donor in of_class] for of_class in light.donors]
    np.testing.assert_allclose(found[0], [30, 50, 70])
    np.testing.assert_allclose(found[1], [27, 119])
    assert len(found) == 2


def test_no_donor_photo_is_an_error() -> None:
    with pytest.raises(ValueError, match="got none"):
        borrow_light([], [[], []])
