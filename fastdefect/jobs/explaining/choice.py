"""Which photos of a run are explained: its mistakes, its least sure and its surest decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.evaluation.predictions import Predictions
from fastdefect.explain.methods import Method
from fastdefect.explain.target import Target
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import DecisionRule, defect_score

# Photos for the checks; occlusion takes a hundred passes for each.
_CHECKED, _CHECKED_BY_OUTPUTS = 60, 12

Decided = NDArray[np.int64]  # the class of each photo by the decision, as an index


@dataclass(frozen=True)
class Group:
    """Photos that are explained for the same reason: their indices among the predictions."""

    title: str
    indices: tuple[int, ...]


@dataclass(frozen=True)
class Judgement:
    """The decision of a run on one photo; ``probability`` is that of a defect, calibrated.

    Without a good class it is the probability of the class that was decided.
    """

    label: str
    decided: str
    probability: float


def judgements(predictions: Predictions, rule: DecisionRule) -> list[Judgement]:
    """The decision of the run on each photo."""
    good, classes = predictions.good_indices, predictions.classes
    calibrated = rule.calibrated(predictions.y_prob)
    decided = rule.decide(calibrated, good)
    score = defect_score(calibrated, good) if good else calibrated.max(axis=1)
    return [
        Judgement(classes[truth], classes[guess], float(p))
        for truth, guess, p in zip(predictions.y_true, decided, score, strict=True)
    ]


def found_defects(
    predictions: Predictions, decided: Decided, target: Target, method: Method
) -> list[int]:
    """The indices of photos of the target that are found: there a map must show it; some tens.

    ``decided`` is the class of each photo by the decision.
    """
    of = list(target.of)
    (indices,) = np.nonzero(np.isin(decided, of) & np.isin(predictions.y_true, of))
    most = _CHECKED_BY_OUTPUTS if method.needs == "outputs" else _CHECKED
    if len(indices) > most:  # spread over the list, whose neighbours are often of one part
        indices = indices[np.linspace(0, len(indices) - 1, most).astype(int)]
    return [int(i) for i in indices]


def choose_groups(predictions: Predictions, rule: DecisionRule, each: int) -> list[Group]:
    """Every escape and overkill, the ``each`` least sure, and the ``each`` surest of each class."""
    good = predictions.good_indices
    calibrated = rule.calibrated(predictions.y_prob)
    decided = rule.decide(calibrated, good)
    groups = list(_mistakes(predictions, decided))
    if rule.threshold is not None and good:
        doubt = np.abs(defect_score(calibrated, good) - rule.threshold)
    else:
        ordered = np.sort(calibrated, axis=1)
        doubt = ordered[:, -1] - ordered[:, -2]
    groups.append(Group("Least sure", _first(np.argsort(doubt, kind="stable"), each)))
    right = decided == predictions.y_true
    for index, name in enumerate(predictions.classes):
        (mine,) = np.nonzero(right & (predictions.y_true == index))
        order = mine[np.argsort(-calibrated[mine, index], kind="stable")]
        groups.append(Group(f"Surest, {name}", _first(order, each)))
    return [group for group in groups if group.indices]


def _mistakes(predictions: Predictions, decided: Decided) -> list[Group]:
    good = predictions.good_indices
    if not good:
        (wrong,) = np.nonzero(decided != predictions.y_true)
        return [Group("Wrong class", _first(wrong, len(wrong)))]
    defective, passed = ~is_good(predictions.y_true, good), is_good(decided, good)
    (escapes,), (overkills,) = np.nonzero(defective & passed), np.nonzero(~defective & ~passed)
    return [
        Group("Escapes: defects passed as good", _first(escapes, len(escapes))),
        Group("Overkills: good parts rejected", _first(overkills, len(overkills))),
    ]


def _first(order: Sequence[int] | np.ndarray, most: int) -> tuple[int, ...]:
    return tuple(int(i) for i in order[:most])
