"""Photos that pairs connect, directly or through others."""

import pytest

from fastdefect.data.parts.connected import connected


@pytest.mark.parametrize(
    ("n", "pairs", "groups"),
    [
        (0, [], ()),
        (3, [], (0, 1, 2)),
        (1, [(0, 0)], (0,)),
        (5, [(0, 4), (2, 4)], (0, 1, 0, 2, 0)),
        (4, [(3, 1), (1, 3), (3, 1)], (0, 1, 2, 1)),
    ],
)
def test_groups_are_numbered_by_their_first_photo(
    n: int, pairs: list[tuple[int, int]], groups: tuple[int, ...]
) -> None:
    assert connected(n, pairs) == groups
