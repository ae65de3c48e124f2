"""How the probe scales features, in scikit-learn's terms."""

from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler


class FlooredScaler(StandardScaler):
    """scikit-learn's scaler, whose deviations are their median at least."""

    def fit(self, features: Any, y: Any = None, sample_weight: Any = None) -> "FlooredScaler":
        super().fit(features, y, sample_weight)
        deviation = np.sqrt(self.var_)
        self.scale_ = np.maximum(deviation, np.median(deviation))
        return self
