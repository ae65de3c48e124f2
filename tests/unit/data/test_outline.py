"""The outline of a part, and the share of the evidence on it."""

import numpy as np
import pytest

from fastdefect.data.outline import part_of, share_on
from fastdefect.explain.attention import attention_on_part
from fastdefect.sample.render import photograph, render_part

SIZE = 96
AXIS = np.arange(SIZE) - SIZE / 2
DISC = np.hypot(AXIS[:, None], AXIS[None]) < SIZE / 4


def _photo(seed: int = 0) -> np.ndarray:
    """A bright disc with a dark hole on a dark ground, with noise."""
    rng = np.random.default_rng(seed)
    grey = np.where(DISC, 180, 60) + rng.integers(-8, 8, (SIZE, SIZE))
    grey[SIZE // 2 - 4 : SIZE // 2 + 4, SIZE // 2 - 4 : SIZE // 2 + 4] = 30
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_the_part_is_found_with_its_hole_and_twice_alike() -> None:
    found = part_of(_photo())
    assert found is not None
    assert _overlap(found, DISC) > 0.9
    assert found[SIZE // 2, SIZE // 2]
    np.testing.assert_array_equal(found, part_of(_photo()))


def test_a_rendered_part_is_found() -> None:
    photo = photograph(render_part(3, size=SIZE), 4).pixels
    found = part_of(photo)
    assert found is not None
    assert found[SIZE // 2, SIZE // 2]
    assert not found[:4].any()
    assert 0.35 < found.mean() < 0.65  # a disc of 0.375 to 0.41 of the side, and its shadow


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_photo_of_one_colour_has_no_part(level: int) -> None:
    assert part_of(np.full((SIZE, SIZE, 3), level, np.uint8)) is None


def test_the_share_of_evidence() -> None:
    raw = np.zeros((4, 4), np.float32)
    part = np.zeros((4, 4), bool)
    assert share_on(raw, part) is None
    raw[0, :], part[:, :1] = 1, True
    assert share_on(raw, part) == pytest.approx(0.25)


def test_attention_has_an_interval_over_parts() -> None:
    inside, outside = DISC.astype(np.float32), (~DISC).astype(np.float32)
    maps = [inside, inside, outside, inside + outside, np.zeros_like(inside)]
    found = attention_on_part([_photo(i) for i in range(5)], maps, ["a", "a", "b", "c", "d"])
    assert (found.n, found.parts, found.unclear) == (4, 3, 1)
    expected = np.mean([1, 1, 0, DISC.mean()])
    assert found.share == pytest.approx(expected, abs=0.05)
    assert found.interval is not None
    assert found.interval[0] < found.share < found.interval[1]
    assert found.area == pytest.approx(DISC.mean(), abs=0.02)


def test_without_an_outline_there_is_no_attention() -> None:
    blank = np.full((SIZE, SIZE, 3), 90, np.uint8)
    found = attention_on_part([blank], [np.ones((SIZE, SIZE), np.float32)], ["a"])
    assert (found.share, found.area, found.interval) == (None, None, None)
    assert found.reason == "the outline of the part is unclear in 1 of 1 photo"
    assert attention_on_part([], [], []).reason == "no photo of a defect is rejected"


def test_the_outline_of_a_photo_that_is_not_square() -> None:
    wide = np.pad(_photo(), ((0, 0), (40, 8), (0, 0)), mode="edge")
    found = part_of(wide)
    assert found is not None
    assert found.shape == (SIZE, SIZE + 48)
    assert _overlap(found, np.pad(DISC, ((0, 0), (40, 8)))) > 0.9


def test_outlines_of_another_size_are_unclear(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph cut may find the hub of a part in place of the part."""
    sizes = iter((10, 11, 10, 4))

    def found(photo: object) -> np.ndarray:
        mask = np.zeros((SIZE, SIZE), bool)
        mask[: next(sizes)] = True
        return mask

    monkeypatch.setattr("fastdefect.explain.attention.part_of", found)
    even = np.ones((SIZE, SIZE), np.float32)
    attention = attention_on_part([_photo(0)] * 4, [even] * 4, ["a", "b", "c", "d"])
    assert (attention.n, attention.unclear) == (3, 1)
    assert attention.share == pytest.approx(attention.area) == pytest.approx(31 / 3 / SIZE)
    sizes = iter((10, 2, 30, 4))
    unclear = attention_on_part([_photo(0)] * 4, [even] * 4, ["a", "b", "c", "d"])
    assert unclear.share is None
    assert unclear.reason == "the outline of the part is unclear in 4 of 4 photos"
