"""One decision a part: predictions of photos become predictions of parts.

A part is defective if any of its photos is labelled a defect. So good and defective photos of one
part are no contradiction here.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.config import PartRule
from fastdefect.data.photos import KINDS_BETWEEN
from fastdefect.evaluation.decisions.sent import Sent, sent_to_people
from fastdefect.evaluation.defect_types import Columns, escapes_by_type
from fastdefect.evaluation.evaluate import Evaluation, evaluate
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.products import DecidedPhotos, ProductFigures, figures_by_product
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.good import Good, is_good
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.inference.part_rule import combine_parts
from fastdefect.inference.stacking import ReadyRule


@dataclass(frozen=True)
class Shown:
    """What each of n photos shows: its part, whether the user named that part, view and product.

    ``views`` name the camera, or the side of the part; None where it is not known. So do
    ``products``, which are empty if none is known.
    """

    parts: tuple[str, ...]
    given: tuple[bool, ...]
    views: tuple[str | None, ...]
    products: tuple[str | None, ...] = ()

    def only(self, rows: Sequence[int]) -> "Shown":
        """What the photos ``rows`` show, in this order."""
        parts, given, views, products = (
            tuple(of[row] for row in rows) if of else () for of in vars(self).values()
        )
        return Shown(parts, given, views, products)

    @classmethod
    def unknown(cls, parts: tuple[str, ...]) -> "Shown":
        """Only the parts are known."""
        return cls(parts, (False,) * len(parts), (None,) * len(parts))


def joined_shown(several: Sequence[Shown]) -> Shown:
    """What the photos of several sets show, one set after the other."""
    products = tuple(p for each in several for p in each.products or [None] * len(each.parts))
    return Shown(
        tuple(part for each in several for part in each.parts),
        tuple(given for each in several for given in each.given),
        tuple(view for each in several for view in each.views),
        products if any(products) else (),
    )


@dataclass(frozen=True)
class PartFacts:
    """Counts of parts, for what a decision by part assumes.

    ``given``: parts that the user named; the others were found by the search, or are single photos.
    ``single``: parts with one photo. ``mixed``: defective parts with photos that are labelled good.
    ``missing`` counts, for each known view, the parts without a photo of it, and ``incomplete`` the
    parts that lack any; both are empty if no photo has a view.
    """

    photos: int
    parts: int
    given: int
    single: int
    mixed: int
    missing: Mapping[str, int]
    incomplete: int

    def as_json(self) -> dict[str, Any]:
        """All counts."""
        return {**vars(self), "missing": dict(self.missing)}


@dataclass(frozen=True)
class ByPart:
    """The decisions on parts: every figure counts parts.

    ``predictions`` are those of the parts, combined by ``rule``; their names are the parts, and
    ``products`` the product of each, empty if none is known.
    ``by_type`` holds the escapes by column and value. ``sent`` is None without a review band.
    """

    rule: PartRule
    predictions: Predictions
    y_pred: NDArray[np.int64]
    evaluation: Evaluation
    by_type: Mapping[str, Mapping[str, Rate]]
    sent: Sent | None
    facts: PartFacts
    products: tuple[str | None, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The rule, all figures and counts; the parts themselves are not included."""
        return {
            "part_rule": self.rule,
            **self.evaluation.as_json(),
            "by_type": {
                column: {value: rate.as_json() for value, rate in rates.items()}
                for column, rates in self.by_type.items()
            },
            "sent": self.sent.as_json() if self.sent else None,
            "facts": self.facts.as_json(),
        }


def part_predictions(
    calibrated: Predictions,
    parts: Sequence[str],
    rule: ReadyRule,
    views: Sequence[str | None] = (),
) -> Predictions:
    """Those of the parts, in the order of their first photos; ``names`` are the parts.

    ``calibrated`` are predictions of photos at the model's temperature, ``parts`` (n,) the part of
    each, and ``views`` (n,) the view, as far as it is known. A part with photos of several defects
    has the class of most of them, and of equally many the first; so has a good part with photos of
    several good classes. Raises ``ValueError`` without a good class.
    """
    names, part = numbered(parts)
    good = calibrated.good_indices
    return replace(
        calibrated,
        names=names,
        y_true=part_truth(calibrated.y_true, part, len(names), good),
        y_prob=combine_parts(rule, calibrated.y_prob, part, good, views),
    )


def part_products(parts: Sequence[str], products: Sequence[str | None]) -> tuple[str | None, ...]:
    """The product of each part, in the order of their first photos; empty if none is known.

    It is the one that the photos of the part have in common; None if they have several, or none.
    """
    if not any(products):
        return ()
    found: dict[str, set[str]] = {name: set() for name in parts}
    for name, product in zip(parts, products, strict=True):
        if product:
            found[name].add(product)
    return tuple(next(iter(of)) if len(of) == 1 else None for of in found.values())


def numbered(parts: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names of the parts in the order of their first photos, and each photo's number (n,)."""
    number: dict[str, int] = {}
    part = np.array([number.setdefault(name, len(number)) for name in parts], np.int64)
    return tuple(number), part


def measure_parts(
    calibrated: Predictions,
    shown: Shown,
    decision: DecisionRule,
    *,
    known_views: Collection[str] = (),
    columns: Columns = MappingProxyType({}),
    kinds: str | None = None,
) -> ByPart | None:
    """All figures over parts by the rule of ``decision``; None if it decides on photos.

    ``known_views`` are those of the training, which every part should have. ``columns`` and
    ``kinds`` are as in ``escapes_by_type``, of the photos.
    """
    if decision.part_rule is None or decision.combination is None:
        return None
    of_parts = part_predictions(calibrated, shown.parts, decision.combination, shown.views)
    good, products = of_parts.good_indices, part_products(shown.parts, shown.products)
    y_pred = decision.decide(of_parts.y_prob, good, products)
    defective = ~is_good(of_parts.y_true, good)
    return ByPart(
        decision.part_rule,
        of_parts,
        y_pred,
        evaluate(of_parts, of_parts.names, y_pred=y_pred, seed=BOOTSTRAP_SEED),
        escapes_by_type(
            is_good(y_pred, good),
            defective,
            of_parts.names,
            _of_parts(columns, shown.parts, ~is_good(calibrated.y_true, good), kinds),
            kinds=kinds,
        ),
        sent_to_people(decision, defect_score(of_parts.y_prob, good), defective, of_parts.names),
        part_facts(calibrated, shown, known_views),
        products,
    )


def products_of_parts(
    by_part: ByPart, trained: Mapping[str, int] | None
) -> tuple[ProductFigures, ...]:
    """The figures of each product over parts; ``trained`` as in ``figures_by_product``."""
    said, good = by_part.predictions, by_part.predictions.good_indices
    decided = DecidedPhotos(
        ~is_good(said.y_true, good),
        is_good(by_part.y_pred, good),
        defect_score(said.y_prob, good),
        np.array(said.names),
    )
    return figures_by_product(by_part.products, decided, trained)


def part_facts(
    predictions: Predictions, shown: Shown, known_views: Collection[str] = ()
) -> PartFacts:
    """The counts of the parts of (n,) photos; ``known_views`` as in ``measure_parts``."""
    truly_good = is_good(predictions.y_true, predictions.good_indices)
    photos_of = Counter(shown.parts)
    defective = {part for part, ok in zip(shown.parts, truly_good, strict=True) if not ok}
    with_good = {part for part, ok in zip(shown.parts, truly_good, strict=True) if ok}
    pairs = set(zip(shown.parts, shown.views, strict=True))
    seen = {view for view in shown.views if view is not None}
    expected = sorted({*known_views, *seen}) if seen else []
    missing = {view: [part for part in photos_of if (part, view) not in pairs] for view in expected}
    return PartFacts(
        photos=len(shown.parts),
        parts=len(photos_of),
        given=len({part for part, given in zip(shown.parts, shown.given, strict=True) if given}),
        single=sum(n == 1 for n in photos_of.values()),
        mixed=len(defective & with_good),
        missing={view: len(lacking) for view, lacking in missing.items()},
        incomplete=len({part for lacking in missing.values() for part in lacking}),
    )


def _of_parts(
    columns: Columns, parts: Sequence[str], defective: NDArray[np.bool_], kinds: str | None
) -> Columns:
    """The columns of the parts, from those of their defective photos.

    A part has the value that these photos have in common, or None. In the column ``kinds`` it has
    the kinds of all of them.
    """
    names, part = numbered(parts)
    found: dict[str, list[str | None]] = {}
    for column, values in columns.items():
        cells: list[set[str]] = [set() for _ in names]
        for number, value, bad in zip(part, values, defective, strict=True):
            if bad and value:
                cells[number].add(value)
        found[column] = [
            KINDS_BETWEEN.join(sorted(cell)) if len(cell) == 1 or column == kinds else None
            for cell in cells
        ]
    return found


def part_truth(
    y_true: NDArray[np.int64], part: NDArray[np.int64], n_parts: int, good: Good
) -> NDArray[np.int64]:
    """(n_parts,) the class of each part, from those of its photos; see ``part_predictions``."""
    n_classes = int(y_true.max(initial=0)) + 1
    counts = np.zeros((n_parts, n_classes), np.int64)
    np.add.at(counts, (part, y_true), 1)
    of_defects = counts.copy()
    of_defects[:, [index for index in good if index < n_classes]] = 0
    has_defect = of_defects.any(axis=1)
    return np.where(has_defect, of_defects.argmax(axis=1), counts.argmax(axis=1))
