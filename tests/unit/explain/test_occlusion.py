"""Occlusion: what is lost where a place is hidden."""

import numpy as np
import pytest
from helpers.explained import SIZE, spotted

from fastdefect.aliases import Floats, Pixels
from fastdefect.explain.occlusion import occlusion_map, without


def _white(pixels: Pixels) -> Floats:
    return np.asarray((pixels > 128).mean(axis=(1, 2, 3)) * 100.0)


def test_the_map_is_where_the_score_falls() -> None:
    found = occlusion_map(spotted(8, 40), _white)
    assert found.shape == (SIZE, SIZE)
    at = np.unravel_index(int(found.argmax()), found.shape)
    assert abs(at[0] - 12) <= 6
    assert abs(at[1] - 44) <= 6
    assert found[40:, :20].max() < 0.05 * found.max()


def test_what_lowers_the_score_is_no_evidence() -> None:
    photo = spotted(8, 40)
    found = occlusion_map(photo, lambda pixels: -_white(pixels))
    # Squares that cover a part of the spot continue the rest of it into them.
    assert found.max() < 0.5 * occlusion_map(photo, _white).max()
    assert found.min() == 0


def test_every_pixel_is_hidden_at_some_time() -> None:
    seen: list[Pixels] = []
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (37, 37, 3)).astype(np.uint8)

    def score(pixels: Pixels) -> Floats:
        seen.append(pixels)
        return np.zeros(len(pixels))

    occlusion_map(photo, score)
    changed = (np.concatenate(seen) != photo).any(axis=(0, 3))
    assert changed.mean() > 0.99  # a filled pixel can be equal by chance


@pytest.mark.parametrize("at", [(0, 0), (20, 20), (56, 56)])
def test_a_hidden_defect_is_gone(at: tuple[int, int]) -> None:
    place = np.zeros((SIZE, SIZE), bool)
    place[max(at[0] - 2, 0) : at[0] + 10, max(at[1] - 2, 0) : at[1] + 10] = True
    assert without(spotted(*at), place).max() < 20
