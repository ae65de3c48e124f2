"""One-hot rows of views."""

import numpy as np

from fastdefect.data.reading.view_input import one_hot, without_view


def test_an_unknown_view_has_a_row_of_zeros() -> None:
    rows = one_hot(("side", "top"), ["top", None, "side", "below", ""])
    np.testing.assert_array_equal(rows, [[0, 1], [0, 0], [1, 0], [0, 0], [0, 0]])
    assert rows.dtype == np.float32
    assert one_hot(("side", "top"), []).shape == (0, 2)


def test_only_a_network_with_this_input_lacks_views() -> None:
    assert without_view(("side", "top"), ["top", None, "below"]) == 2
    assert without_view((), ["top", None]) == 0
