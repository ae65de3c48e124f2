"""Type aliases that many modules use."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]  # lower and upper end, both inclusive
