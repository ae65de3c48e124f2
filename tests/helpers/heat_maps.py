"""Heat maps of photos without a network: what ``jobs.trained.heat_maps`` is asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastdefect.explain.maps import HeatMap


def heat_maps(run: Any, request: Any, names: Sequence[str], on_event: Any) -> dict[str, HeatMap]:
    """A map of the first of ``names``; the others have none."""
    assert request.split == "valid"
    return {names[0]: HeatMap(np.full((7, 7), 0.5, np.float32), 2.0)}
