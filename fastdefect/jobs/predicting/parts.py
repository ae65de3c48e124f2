"""One decision for each part, from the rows of its photos."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastdefect.config import PartRule
from fastdefect.data.photos import KINDS_BETWEEN, PRODUCT_COLUMN, VIEW_COLUMN
from fastdefect.inference.decision_rule import DECISIONS, Verdict
from fastdefect.inference.judge import Judge
from fastdefect.inference.part_decision import OfPart
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.rows import Row, class_columns

PART_COLUMNS = (
    *("part", "decision", "p_defective", "path", "photos"),
    *("n_ok", "n_look", "n_reject", "n_unlike", "n_unreadable", "model"),
    *("part_rule", "missing_views"),
)
BY_DECISIONS = "decisions"  # the part_rule of a model that decides on photos


class _Photo(NamedTuple):
    """The decision on a photo, as ``part_decision.OfPhoto``."""

    decision: Verdict
    probability: float
    probabilities: Mapping[str, float]
    defect_class: str | None
    unlike: bool
    view: str | None


@dataclass(slots=True)
class _Part:
    """What is known of a part; small, since there may be as many parts as photos."""

    model: str
    path: str
    p_defective: float | None = None
    photos: int = 0
    decisions: list[int] = field(default_factory=lambda: [0] * len(DECISIONS))
    unlike: int = 0
    unreadable: int = 0
    views: set[str] = field(default_factory=set)
    products: set[str] = field(default_factory=set)
    said: list[_Photo] = field(default_factory=list)


class Parts:
    """The parts of all rows so far, each with the decision of the model's rule.

    Without a rule for parts, a part is rejected if one of its photos is rejected. Otherwise a
    person looks at it if one of its photos is look. Otherwise it is OK. A photo without a known
    part is a part of its own.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.known = False  # whether any photo has a part
        self.views_known = False  # whether any photo has a view
        self._judge: Judge = scorer.judge
        self._views = scorer.views
        self._columns = class_columns(scorer.judge.classes)
        self._parts: dict[str, _Part] = {}

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def rule(self) -> PartRule | None:
        """How the photos of a part are combined; None if their decisions are."""
        return self._judge.rule.part_rule

    @property
    def incomplete(self) -> int:
        """The number of parts that lack a view that the model learned from.

        0 if no photo has a known view.
        """
        return sum(bool(self._missing(part)) for part in self._parts.values())

    @property
    def decisions(self) -> dict[Verdict, int]:
        """How many parts have each decision."""
        found = Counter(self._decided(part)[0] for part in self._parts.values())
        return {name: found[name] for name in DECISIONS}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count the row of a photo."""
        self.known = self.known or row["part"] is not None
        name = row["part"] or row["path"]
        if (part := self._parts.get(name)) is None:
            part = self._parts[name] = _Part(row["model"], row["path"])
        part.photos += 1
        part.decisions[DECISIONS.index(row["decision"])] += 1
        part.unlike += bool(row["unlike"])
        part.unreadable += row["error"] is not None
        score = row["p_defective"]
        if score is not None and (part.p_defective is None or score > part.p_defective):
            part.p_defective, part.path = score, row["path"]
        if view := row.get(VIEW_COLUMN):
            part.views.add(view)
            self.views_known = True
        if product := row.get(PRODUCT_COLUMN):
            part.products.add(product)
        if self.rule is not None:
            part.said.append(self._photo(row))

    def rows(self) -> Iterator[Row]:
        """A row for each part, in the order of its first photo."""
        for name, part in self._parts.items():
            decision, score = self._decided(part)
            missing = KINDS_BETWEEN.join(self._missing(part)) or None
            values = (name, decision, score, part.path, part.photos)
            counts = (*part.decisions, part.unlike, part.unreadable, part.model)
            columns = (*values, *counts, self.rule or BY_DECISIONS, missing)
            yield dict(zip(PART_COLUMNS, columns, strict=True))

    def _decided(self, part: _Part) -> tuple[Verdict, float | None]:
        """The decision on a part, and its score; None if it has none."""
        if self.rule is None:
            return DECISIONS[max(i for i, n in enumerate(part.decisions) if n)], part.p_defective
        of_readable = [each for each in part.said if not math.isnan(each.probability)]
        score = self._of(part, of_readable).probability if of_readable else None
        return self._of(part, part.said).decision, score

    def _of(self, part: _Part, photos: list[_Photo]) -> OfPart:
        """The decision on a part by ``photos``; its product is the only one among its photos."""
        product = next(iter(part.products)) if len(part.products) == 1 else None
        return self._judge.decide_part(photos, [each.view for each in photos], product)

    def _missing(self, part: _Part) -> list[str]:
        """The views of the training that the part lacks."""
        return [view for view in self._views if self.views_known and view not in part.views]

    def _photo(self, row: Mapping[str, Any]) -> _Photo:
        unknown = row["p_defective"] is None
        return _Photo(
            row["decision"],
            math.nan if unknown else row["p_defective"],
            {} if unknown else {name: row[column] for name, column in self._columns.items()},
            row.get("defect_class"),
            bool(row["unlike"]),
            row.get(VIEW_COLUMN) or None,
        )
