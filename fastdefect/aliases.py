"""Types that many modules name."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]  # its low and its high end, both within it
