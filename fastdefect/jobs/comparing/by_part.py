"""The answers of two runs on parts, from those on their photos."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastdefect.config import Unit
from fastdefect.errors import UsageError
from fastdefect.evaluation.by_part import Shown, numbered, part_products, part_truth
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
    photos: SharedPhotos,
    answers: tuple[Answers, Answers],
    rules: tuple[DecisionRule, DecisionRule],
    shown: Shown,
) -> tuple[SharedPhotos, tuple[Answers, Answers]]:
    """The parts as if each were one photo, and both answers on them, each by its own rule.

    ``shown`` has the view and the product of each photo.
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
        _on_parts(each, rule, (part, of_parts), shown)
        for each, rule in zip(answers, rules, strict=True)
    )
    return of_parts, (before, after)


def _on_parts(
    answers: Answers,
    rule: DecisionRule,
    parts: tuple[NDArray[np.int64], SharedPhotos],
    shown: Shown,
) -> Answers:
    """The answers on parts, which are given with the number of each photo's part."""
    if rule.combination is None:
        raise ValueError(f"Expected a rule for parts, got one for photos: {rule}")
    part, good = parts[0], parts[1].good_indices
    y_prob = combine_parts(rule.combination, answers.y_prob, part, good, shown.views)
    products = part_products(part.astype(str).tolist(), shown.products)
    return Answers(y_prob, rule.decide(y_prob, good, products))
