"""Type aliases that many modules use."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Pixels = NDArray[np.uint8]  # of a photo or of several, RGB
Interval = tuple[float, float]  # lower and upper end, both inclusive
