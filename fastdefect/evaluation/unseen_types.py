"""Escapes of a type of defect that a training has not seen, beside those of a model that has.

A model can only be asked about the defects that it knows. Leaving each type out of the training in
turn measures what it does with one that is new (leave-one-group-out; "open set" in the
literature).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.statistics.areas import (
    area_as_json,
    area_from_json,
    area_over_parts,
)
from fastdefect.evaluation.statistics.rates import Rate, rate_of
from fastdefect.files import finite


@dataclass(frozen=True)
class Scored:
    """Photos as a model decides on them, all (n,).

    ``passed`` are its decisions, ``score`` is P(defect), and ``parts`` names the part of each.
    ``by_half`` are the decisions of each half of a joint model alone, by name; empty for others.
    """

    passed: NDArray[np.bool_]
    score: Floats
    parts: NDArray[np.str_]
    by_half: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Scored":
        by_half = {name: passed[chosen] for name, passed in self.by_half.items()}
        return Scored(self.passed[chosen], self.score[chosen], self.parts[chosen], by_half)


@dataclass(frozen=True)
class TypeFigures:
    """What a model does with the photos of one type.

    ``escape``: photos passed by the decision rule; ``at_half``: those with P(defect) below 0.5.
    ``auc``: of these photos against the good ones, NaN without either; ``auc_interval`` is None
    where a bootstrap over parts gives none. ``by_half``: photos passed by each half of a joint
    model alone; empty for others.
    """

    escape: Rate
    at_half: Rate
    auc: float
    auc_interval: Interval | None
    by_half: Mapping[str, Rate] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All values as plain data; None for NaN."""
        by_half = {name: rate.as_json() for name, rate in self.by_half.items()}
        return {
            "escape": self.escape.as_json(),
            "escape_at_half": self.at_half.as_json(),
            "auc": area_as_json(self.auc, self.auc_interval),
            **({"by_half": by_half} if by_half else {}),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TypeFigures":
        """Read the content of ``as_json``."""
        return cls(
            Rate.from_json(content["escape"]),
            Rate.from_json(content["escape_at_half"]),
            *area_from_json(content["auc"]),
            {name: Rate.from_json(rate) for name, rate in content.get("by_half", {}).items()},
        )


@dataclass(frozen=True)
class UnseenType:
    """A type of defect, with the figures of a model that was trained without it.

    ``scored_on``: the split of its photos; ``train`` if the measured split has none: the training
    without the type has not seen these either. ``left_out`` counts the photos that the training
    lacks. ``unseen`` is None if the training diverged. ``known`` are the figures of the run, which
    knows the type; None if the photos are its training photos.
    """

    name: str
    scored_on: str
    left_out: int
    unseen: TypeFigures | None
    known: TypeFigures | None

    def as_json(self) -> dict[str, Any]:
        """All values as plain data."""
        return {
            "name": self.name,
            "scored_on": self.scored_on,
            "left_out": self.left_out,
            "unseen": self.unseen.as_json() if self.unseen else None,
            "known": self.known.as_json() if self.known else None,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "UnseenType":
        """Read the content of ``as_json``."""
        unseen, known = (
            TypeFigures.from_json(content[of]) if content[of] else None
            for of in ("unseen", "known")
        )
        return cls(content["name"], content["scored_on"], content["left_out"], unseen, known)


@dataclass(frozen=True)
class UnseenTypes:
    """The types of a run's defects, each left out of a training in turn.

    ``column`` names what tells the types apart: ``class``, or a column of the photos. ``split``
    and ``good`` are the measured split and its number of good photos; ``rule`` is the decision
    rule in words. ``one_of`` is the number of networks that the run averages; each training without
    a type is of a single one. ``of_good``: the run has learned from good parts alone, so that it
    has seen no type, and there is no other training.
    """

    column: str
    split: str
    good: int
    rule: str
    one_of: int
    types: tuple[UnseenType, ...]
    of_good: bool = False

    @property
    def compared(self) -> list[UnseenType]:
        """The types with figures both without and with the type in training."""
        return [each for each in self.types if each.unseen and each.known]

    def means(self) -> dict[str, dict[str, float]]:
        """The means over the types that have both figures; empty without such a type.

        For a run that has learned from good parts alone: over all types, as ``unseen``.
        """
        kinds = self.types if self.of_good else self.compared
        unseen = [each.unseen for each in kinds if each.unseen]
        known = [each.known for each in kinds if each.known]
        sets = {"unseen": unseen, "known": known}
        return {
            name: {
                "escape": fmean(each.escape.value for each in figures),
                "escape_at_half": fmean(each.at_half.value for each in figures),
                "auc": fmean(each.auc for each in figures),
            }
            for name, figures in sets.items()
            if figures
        }

    def as_json(self) -> dict[str, Any]:
        """The content of ``unseen-*.json``."""
        return {
            **{name: getattr(self, name) for name in ("column", "split", "good", "rule", "one_of")},
            **({"of_good": True} if self.of_good else {}),
            "types": [each.as_json() for each in self.types],
            "mean": finite(self.means()),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "UnseenTypes":
        """Read the content of ``as_json``; raises ``KeyError`` or ``TypeError`` for another."""
        facts = {name: content[name] for name in ("column", "split", "good", "rule", "one_of")}
        types = tuple(UnseenType.from_json(each) for each in content["types"])
        return cls(**facts, types=types, of_good=content.get("of_good", False))


def figures_of_type(of_type: Scored, good: Scored) -> TypeFigures:
    """The figures of the photos ``of_type``, with the ``good`` photos of the same model."""
    auc, interval = _auc(of_type, good)
    return TypeFigures(
        rate_of(of_type.passed, of_type.parts),
        rate_of(of_type.score < 0.5, of_type.parts),
        auc,
        interval,
        {name: rate_of(passed, of_type.parts) for name, passed in of_type.by_half.items()},
    )


def _auc(of_type: Scored, good: Scored) -> tuple[float, Interval | None]:
    """The area under the ROC curve, and its interval over the parts of all these photos."""
    defective = np.repeat([True, False], (len(of_type.score), len(good.score)))
    return area_over_parts(
        np.concatenate([of_type.score, good.score]),
        defective,
        np.concatenate([of_type.parts, good.parts]),
    )
