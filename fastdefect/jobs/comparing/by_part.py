"""The answers of two runs on parts, from those on their photos."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastdefect.config import Unit
from fastdefect.errors import UsageError
from fastdefect.evaluation.by_part import numbered, part_truth
from fastdefect.evaluation.compare import Answers, SharedPhotos
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.inference.part_rule import combine_parts
from fastdefect.jobs.trained.decision import unit_text


def common_unit(decisions: Sequence[tuple[str, DecisionRule]]) -> Unit:
    """What all runs decide, by name; raises ``UsageError`` if some decide parts, others photos."""
    units = {rule.unit for _, rule in decisions}
    if len(units) > 1:
        found = ", ".join(f"{name} by {unit_text(rule.part_rule)}" for name, rule in decisions)
        raise UsageError(
            f"The runs decide differently: {found}.",
            "Compare them by one of these: --decide part or --decide photo.",
        )
    return units.pop()


def on_parts(
    photos: SharedPhotos, answers: tuple[Answers, Answers], rules: tuple[DecisionRule, DecisionRule]
) -> tuple[SharedPhotos, tuple[Answers, Answers]]:
    """The parts as if each were one photo, and both answers on them, each by its own rule.

    A part stands under the name of its most suspicious photo: the one with the highest sum of both
    scores. It is the one to look at.
    """
    names, part = numbered(photos.parts)
    good = photos.good_indices
    suspicion = sum(defect_score(each.y_prob, good) for each in answers)
    order = np.lexsort((-np.asarray(suspicion), part))
    first = order[np.flatnonzero(np.diff(part[order], prepend=-1))]
    of_parts = replace(
        photos,
        names=tuple(photos.names[row] for row in first),
        parts=names,
        y_true=part_truth(photos.y_true, part, len(names), good),
        unit="part",
        decided_on=photos.names,
    )
    before, after = (
        _on_parts(each, rule, part, of_parts) for each, rule in zip(answers, rules, strict=True)
    )
    return of_parts, (before, after)


def _on_parts(
    answers: Answers, rule: DecisionRule, part: NDArray[np.int64], parts: SharedPhotos
) -> Answers:
    if rule.part_rule is None:
        raise ValueError(f"Expected a rule for parts, got one for photos: {rule}")
    y_prob = combine_parts(rule.part_rule, answers.y_prob, part, parts.good_indices)
    return Answers(y_prob, rule.decide(y_prob, parts.good_indices))
