"""The figures of each half of a joint model alone, beside those of the decision by either."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.defect_types import BY_CLASS, Columns, escapes_by_type
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.statistics.areas import (
    area_as_json,
    area_from_json,
    area_over_parts,
)
from fastdefect.evaluation.statistics.rates import Rate, rate_of
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.inference.halves import HALVES, rejecting

EITHER = "either"


@dataclass(frozen=True)
class HalfFigures:
    """The figures of one half, or of the decision by either, at the threshold of the rule.

    The AUC is NaN if all photos are of one kind. ``by_type`` holds the escapes by column and value.
    """

    escape: Rate
    overkill: Rate
    auc: float
    auc_interval: Interval | None
    by_type: Mapping[str, Mapping[str, Rate]]

    def as_json(self) -> dict[str, Any]:
        """All values as plain data; None for NaN."""
        return {
            "escape": self.escape.as_json(),
            "overkill": self.overkill.as_json(),
            "auc": area_as_json(self.auc, self.auc_interval),
            "by_type": {
                column: {value: rate.as_json() for value, rate in rates.items()}
                for column, rates in self.by_type.items()
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "HalfFigures":
        """Read the content of ``as_json``; raises ``KeyError`` or ``TypeError`` for another."""
        return cls(
            Rate.from_json(content["escape"]),
            Rate.from_json(content["overkill"]),
            *area_from_json(content["auc"]),
            {
                column: {value: Rate.from_json(rate) for value, rate in rates.items()}
                for column, rates in content["by_type"].items()
            },
        )


ByHalf = Mapping[str, HalfFigures]  # by the name of the half; ``EITHER`` is the joint decision


@dataclass(frozen=True)
class DecidedByHalves:
    """Photos as a joint model and each of its halves decide on them.

    ``predictions`` are those of the joint model, ``halves`` (n, 2, n_classes) those of the halves,
    both not calibrated. ``parts`` and ``products`` (n,) are what the photos show.
    """

    predictions: Predictions
    halves: Floats
    rule: DecisionRule
    parts: Sequence[str]
    products: Sequence[str | None]

    def rejected(self) -> dict[str, NDArray[np.bool_]]:
        """(n,) the photos that each half rejects, and those that either rejects."""
        said, rule, good = self.predictions, self.rule, self.predictions.good_indices
        alone = rejecting(self.halves, rule, good, self.products)
        joint = rule.decide(rule.calibrated(said.y_prob), good, self.products)
        return {
            **{name: alone[:, half] for half, name in enumerate(HALVES)},
            EITHER: ~is_good(joint, good),
        }

    def scores(self) -> dict[str, Floats]:
        """(n,) P(defect) by each half, and by the surer one."""
        rule, good = self.rule, self.predictions.good_indices
        found = {
            name: defect_score(rule.calibrated(self.halves[:, half]), good)
            for half, name in enumerate(HALVES)
        }
        joint = defect_score(rule.calibrated(self.predictions.y_prob), good)
        return {**found, EITHER: joint}


def measure_halves(
    decided: DecidedByHalves, columns: Columns, *, kinds: str | None = None
) -> dict[str, HalfFigures]:
    """The figures of each half, and of the decision by either.

    ``columns`` and ``kinds`` tell the types of defects, as in ``escapes_by_type``; several classes
    of defects are types, too.
    """
    said = decided.predictions
    defective = ~is_good(said.y_true, said.good_indices)
    labels = [said.classes[index] for index in said.y_true]
    columns = {BY_CLASS: labels, **columns}
    parts, scores = np.asarray(decided.parts), decided.scores()
    found = {}
    for name, rejected in decided.rejected().items():
        auc, interval = area_over_parts(scores[name], defective, parts)
        found[name] = HalfFigures(
            rate_of(~rejected[defective], parts[defective]),
            rate_of(rejected[~defective], parts[~defective]),
            auc,
            interval,
            escapes_by_type(~rejected, defective, decided.parts, columns, kinds=kinds),
        )
    return found
