"""Connected components of photos and pairs."""

from collections.abc import Sequence

import numpy as np


def connected(n: int, pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Number the connected components of ``n`` photos; ``pairs`` are the connections.

    The numbers start at 0 and ascend with the first photo of each component.
    """
    # Imported here: the small installation lacks scipy. It uses only the name patterns of given.py.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if n == 0:
        return ()
    one, other = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(n, n))
    return tuple(connected_components(graph, directed=False)[1].tolist())
