"""Photos that pairs connect, directly or through others."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def connected(n: int, pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """A number for each of ``n`` photos, the same for those that ``pairs`` connect.

    Numbers begin at 0 and ascend with the first photo of each group.
    """
    if n == 0:
        return ()
    one, other = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(n, n))
    return tuple(connected_components(graph, directed=False)[1].tolist())
