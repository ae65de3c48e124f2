"""What averaging several networks gained over one of them."""

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
    """One network of an ensemble and its figures on validation; None for one without a value."""

    name: str
    seed: int
    figures: Mapping[str, float | None]

    def as_json(self) -> dict[str, Any]:
        """Name, seed and the figures that are shown."""
        shown = {name: self.figures[name] for name in SHOWN}
        return {"name": self.name, "seed": self.seed, "valid": shown}


def members_table(
    members: Sequence[MemberFigures], average: Mapping[str, float | None]
) -> TableData:
    """Each network's validation figures, their mean, the average model's, and its gain on it."""
    means = {name: _mean([each.figures[name] for each in members]) for name in SHOWN}
    rows = [
        *(_row(f"{each.name}, seed {each.seed}", each.figures) for each in members),
        _row("mean of these", means),
        _row("the model, their average", average),
        ("gain", *(change_text(name, means[name], average[name]) for name in SHOWN)),
    ]
    return TableData(
        "What averaging gains, validation",
        ("network", *(metric_title(name) for name in SHOWN)),
        tuple(rows),
        "The model averages what the networks hold probable; its gain is over their mean figures.",
    )


def _row(title: str, figures: Mapping[str, float | None]) -> tuple[str, ...]:
    return title, *(metric_text(name, figures[name]) for name in SHOWN)


def _mean(values: Sequence[float | None]) -> float:
    """Of all of them; NaN where one has none."""
    return fmean(math.nan if value is None else value for value in values)
