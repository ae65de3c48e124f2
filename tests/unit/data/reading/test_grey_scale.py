"""What is white in deep photos, and how their values become 8 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastdefect.data.reading.grey_scale import ValueRange, choose_white, range_of, to_8bit

WHITES = [255, 1023, 4095, 16383, 65535]


def whole(high: float) -> ValueRange:
    return ValueRange(0, high, False)


@pytest.mark.parametrize(
    ("highest", "white"),
    [
        *((level, level) for level in WHITES),
        (256, 1023),
        (1024, 4095),
        (3900, 4095),
        (14000, 16383),
        (16384, 65535),
        (1023 * 64, 65535),  # 10 bits, aligned to the left
        (4095 * 16, 65535),
        (16383 * 4, 65535),
        (65536, 2**17 - 1),
    ],
)
def test_white_holds_the_highest_value_of_the_set(highest: int, white: float) -> None:
    assert choose_white([whole(90), whole(highest), whole(7)]) == white


def test_white_of_floats_is_1_or_the_highest_of_all() -> None:
    unit = [ValueRange(0, 0.3, True), ValueRange(-0.001, 1.005, True)]
    assert choose_white(unit) == 1.0
    assert choose_white([*unit, ValueRange(-2, 80.5, True)]) == 80.5
    assert choose_white([*unit, whole(3000)]) == 4095.0  # beside integers


@given(
    hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=3, max_side=9)),
    st.sampled_from(WHITES),
)
def test_integers_are_scaled_clipped_and_rounded(values: np.ndarray, white: int) -> None:
    exact = np.rint(np.minimum(values, white) * (255 / white))
    np.testing.assert_array_equal(to_8bit(values, white), exact)
    np.testing.assert_array_equal(to_8bit(values.astype(np.float64), white), exact)
    np.testing.assert_array_equal(to_8bit(values.astype(np.int32), white), exact)
    np.testing.assert_array_equal(to_8bit(values.astype(">u2"), white), exact)


def test_one_scale_for_a_dark_and_a_bright_photo() -> None:
    dark, bright = np.full((2, 2), 1300, np.uint16), np.full((2, 2), 13000, np.uint16)
    assert to_8bit(dark, 16383)[0, 0] == 20
    assert to_8bit(bright, 16383)[0, 0] == 202
    assert to_8bit(dark)[0, 0] > 70  # each for itself, as in earlier versions


def test_values_that_are_no_numbers_and_values_below_0_are_black() -> None:
    values = np.array([[np.nan, np.inf, -5.0, 40.0, 90.0]])
    assert to_8bit(values, 80.0).tolist() == [[0, 0, 0, 128, 255]]
    found = range_of(values)
    assert found == ValueRange(-5.0, 90.0, True, holes=2)
    assert found.exceeds(80.0)
    assert found.below_black


def test_large_arrays_are_scaled_by_blocks_of_rows() -> None:
    values = np.linspace(0, 1, 5 * 2_000_000).reshape(5, -1).astype(np.float32)
    found = to_8bit(values, 1.0)
    np.testing.assert_array_equal(found[:, ::4001], np.rint(values[:, ::4001] * 255.0))
    assert range_of(values) == ValueRange(0.0, 1.0, True)


def test_a_signalling_nan_is_black_without_a_warning() -> None:
    values = np.array([0x7FA00000, 0x3F800000, 0x7F800000], np.uint32).view(np.float32)
    np.testing.assert_array_equal(to_8bit(values, 1.0), [0, 255, 0])
    np.testing.assert_array_equal(to_8bit(values), [0, 255, 0])
