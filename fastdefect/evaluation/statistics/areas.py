"""The area under the ROC curve of a score, with its interval over parts."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.statistics.intervals import (
    BOOTSTRAP_SEED,
    bootstrap,
    percentile_interval,
)
from fastdefect.evaluation.statistics.rates import interval_from_json
from fastdefect.files import finite
from fastdefect.metrics import Weighted

_DRAWS = 1000


def area_over_parts(
    score: Floats, defective: NDArray[np.bool_], parts: NDArray[np.str_]
) -> tuple[float, Interval | None]:
    """The AUC of ``score`` for ``defective``, all (n,), and its 95 % interval over ``parts``.

    NaN and None if all photos are of one kind. The interval is None, too, if a bootstrap over parts
    gives none, as for an AUC of 1.
    """
    if defective.all() or not defective.any():
        return math.nan, None
    y_true = defective.astype(np.int64)
    y_prob = np.stack([1 - score, score], axis=1)

    def area(weights: Floats) -> dict[str, Floats]:
        return {"auc": Weighted(weights, y_true, y_prob, y_true, (0,)).areas[0]}

    value = float(area(np.ones((1, len(score))))["auc"][0])
    drawn = bootstrap(area, parts, draws=_DRAWS, seed=BOOTSTRAP_SEED)["auc"]
    return value, percentile_interval(drawn)


def area_as_json(value: float, interval: Interval | None) -> dict[str, Any]:
    """An area and its interval as plain data; None for NaN."""
    return dict(finite({"value": value, "interval": interval}))


def area_from_json(content: Mapping[str, Any]) -> tuple[float, Interval | None]:
    """Read the content of ``area_as_json``; raises ``KeyError`` or ``TypeError`` for another."""
    value = content["value"]
    return math.nan if value is None else value, interval_from_json(content["interval"])
