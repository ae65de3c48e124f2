"""Type aliases that many modules use."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Pixels = NDArray[np.uint8]  # of a photo or of several, RGB
Mask = NDArray[np.bool_]  # of a photo (h, w): True where something is marked
Interval = tuple[float, float]  # lower and upper end, both inclusive
