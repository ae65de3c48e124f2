"""How torch's threads wait for one another: briefly, so that other programs can go on.

A step of a network on a CPU is some hundred parallel regions, at the end of which the threads wait
for the last one. GNU's OpenMP lets them spin for that, for milliseconds: where another program has
taken a core, they keep busy the very core that the last one needs. A thousand turns are enough
where nothing else runs. ``benchmarks/beside.py`` measures both.
"""

import os
from collections.abc import MutableMapping

SPINS = "1000"


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Say so to OpenMP, unless the user said something; before torch is imported.

    ``GOMP_SPINCOUNT`` and ``OMP_WAIT_POLICY``: the libgomp manual. Other OpenMP libraries read
    neither or only the second, and are left as they are.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
