"""The table of an ensemble: the gain of the average over a single network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from fastdefect.reporting.tables.fit import change_text, metric_text, metric_title
from fastdefect.reporting.tables.table_data import TableData

SHOWN = ("f1", "auc", "accuracy")


@dataclass(frozen=True)
class MemberFigures:
    """One network of an ensemble and its validation metrics; None for one without a value."""

    name: str
    seed: int
    figures: Mapping[str, float | None]

    def as_json(self) -> dict[str, Any]:
        """Name, seed and the metrics in the table."""
        shown = {name: self.figures[name] for name in SHOWN}
        return {"name": self.name, "seed": self.seed, "valid": shown}


def members_table(
    members: Sequence[MemberFigures], average: Mapping[str, float | None]
) -> TableData:
    """The validation metrics of each network, their mean, the ensemble's, and its gain."""
    means = {name: _mean([each.figures[name] for each in members]) for name in SHOWN}
    rows = [
        *(_row(f"{each.name}, seed {each.seed}", each.figures) for each in members),
        _row("mean of these", means),
        _row("ensemble", average),
        ("gain", *(change_text(name, means[name], average[name]) for name in SHOWN)),
    ]
    return TableData(
        "Gain of the ensemble, validation",
        ("network", *(metric_title(name) for name in SHOWN)),
        tuple(rows),
        "The ensemble averages the probabilities of the networks. The gain is over their mean.",
    )


def _row(title: str, figures: Mapping[str, float | None]) -> tuple[str, ...]:
    return title, *(metric_text(name, figures[name]) for name in SHOWN)


def _mean(values: Sequence[float | None]) -> float:
    """The mean of all values; NaN if one is missing."""
    return fmean(math.nan if value is None else value for value in values)
