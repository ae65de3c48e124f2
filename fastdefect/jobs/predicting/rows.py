"""The rows of a result, one for each photo, and their counts."""

import heapq
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastdefect.data.photos import PRODUCT_COLUMN, VIEW_COLUMN
from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.files import finite
from fastdefect.inference.decision_rule import DECISIONS
from fastdefect.inference.judge import Decision
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import Decided
from fastdefect.jobs.trained.names import Names, without_view_text
from fastdefect.reporting.tables.predict import MOST, suspicion
from fastdefect.text import counted, first

Row = dict[str, Any]
REJECTED_BY = "rejected_by"

# How each row begins as a JSON line.
ROW_START = b'{"path": "'
_FIRST = ("path", "decision", "p_defective", "label", "defect_class")
_LAST = (
    *("unlike", "likeness", "distance", "part", "true_label"),
    *("milliseconds", "error", "model"),
)
# Of a model in tiles: the field of ``DecidingTile`` by its column.
_TILE = {
    "tile_x": "x",
    "tile_y": "y",
    "tile_width": "width",
    "tile_height": "height",
    "tile_p_defective": "probability",
    "tile_distance": "distance",
}


def photo_columns(
    classes: Sequence[str],
    *,
    views: bool = False,
    products: bool = False,
    joint: bool = False,
    tiles: bool = False,
) -> tuple[str, ...]:
    """The columns of a row for each photo.

    With the view and the product if the model knows any, the half that rejects the photo of a
    ``joint`` model, and the tile that decided if it has tiles.
    """
    known = (
        ((VIEW_COLUMN,), views),
        ((PRODUCT_COLUMN,), products),
        ((REJECTED_BY,), joint),
        (tuple(_TILE), tiles),
    )
    more = (name for names, wanted in known for name in names if wanted)
    return (*_FIRST, *class_columns(classes).values(), *_LAST, *more)


def columns_of(scorer: Scorer) -> tuple[str, ...]:
    """The columns of a row for each photo that ``scorer`` decides on."""
    judge = scorer.judge
    return photo_columns(
        judge.classes,
        views=bool(scorer.views),
        products=bool(judge.rule.products),
        tiles=scorer.frame.tiles > 1,
        joint=scorer.joint,
    )


def class_columns(classes: Sequence[str]) -> dict[str, str]:
    """The column with the probability of each class: ``p_NAME``, or ``p_class_NAME``.

    The second form is for a class called ``defective``: ``p_defective`` is that of all defects.
    """
    columns: dict[str, str] = {}
    for name in classes:
        column = f"p_{name}"
        while column in _FIRST or column in columns.values():
            column = f"p_class_{column.removeprefix('p_')}"
        columns[name] = column
    return columns


def model_of(scorer: Scorer) -> str:
    """The ``model`` of each row, which changes with the weights and the rule."""
    return scorer.identity[:12]


def photo_row(done: Decided[Candidate], names: Names, scorer: Scorer) -> Row:
    """The row of a photo. A photo that can't be read is for a person to look at.

    NaN is None, so that a row is the same as when it is read from a file again.
    """
    candidate, decision = done.item, done.decision
    row: Row = dict.fromkeys(columns_of(scorer))
    row.update(
        path=candidate.name,
        decision="look",
        part=names.part(candidate),
        true_label=candidate.label,
        error=candidate.problem or done.error or None,
        model=model_of(scorer),
    )
    if VIEW_COLUMN in row:
        row[VIEW_COLUMN] = names.view(candidate)
    if PRODUCT_COLUMN in row:
        row[PRODUCT_COLUMN] = names.product(candidate)
    if decision is not None:
        row.update(finite(_decided(decision)))
        if REJECTED_BY in row:
            row[REJECTED_BY] = decision.rejected_by
    return row


def _decided(decision: Decision) -> Row:
    columns = class_columns(tuple(decision.probabilities))
    tile = vars(decision.tile) if decision.tile is not None else {}
    return {
        "decision": decision.decision,
        "p_defective": decision.probability,
        "label": decision.label,
        "defect_class": decision.defect_class,
        **{columns[name]: p for name, p in decision.probabilities.items()},
        "unlike": decision.unlike if decision.likeness is not None else None,
        "likeness": decision.likeness,
        "distance": decision.distance,
        "milliseconds": round(decision.milliseconds, 3),
        **{column: tile[name] for column, name in _TILE.items() if tile},
    }


@dataclass
class Tally:
    """Counts of the rows so far, and the most suspicious of them, for the screen."""

    counts: Counter[str] = field(default_factory=Counter)
    unlike: int = 0
    unreadable: int = 0
    worst: list[Row] = field(default_factory=list)
    own_products: frozenset[str] = frozenset()
    others: Counter[str] = field(default_factory=Counter)
    view_input: tuple[str, ...] = ()
    without_view: int = 0

    @classmethod
    def of(cls, scorer: Scorer) -> "Tally":
        """Counts of the rows of ``scorer``.

        Also of products without a threshold of their own, and of photos whose view its network
        takes as an input, but does not know.
        """
        own = frozenset(dict(scorer.judge.rule.products))
        return cls(own_products=own, view_input=scorer.view_input)

    @property
    def total(self) -> int:
        """The number of rows."""
        return self.counts.total()

    def add(self, row: Row) -> None:
        """Count a row of a photo."""
        self.counts[row["decision"]] += 1
        self.unlike += bool(row["unlike"])
        self.unreadable += row["error"] is not None
        if self.own_products and row[PRODUCT_COLUMN] not in self.own_products:
            self.others[row[PRODUCT_COLUMN] or "unknown"] += 1
        if self.view_input and row[VIEW_COLUMN] not in self.view_input:
            self.without_view += 1
        self.worst.append(row)
        if len(self.worst) > 4 * MOST:
            self.worst = self.most_suspicious()

    def most_suspicious(self) -> list[Row]:
        """Up to 20 rows: unreadable and rejected ones first, by falling probability of a defect."""
        return heapq.nlargest(MOST, self.worst, key=suspicion)

    def as_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "photos": self.total,
            **{name: self.counts[name] for name in DECISIONS},
            "unlike": self.unlike,
            "unreadable": self.unreadable,
        }


def common_text(tally: Tally) -> str:
    """The photos that the common threshold decided instead of one by product; empty without any."""
    if not tally.others:
        return ""
    counts = [f"{name} {n}" for name, n in tally.others.most_common()]
    return (
        f"{counted(tally.others.total(), 'photo')} of a product without a threshold of its own, or "
        f"of an unknown product: decided by the common threshold ({first(counts)})."
    )


def view_text(tally: Tally) -> str:
    """The photos that the network decided on without a view; empty if there are none."""
    if not tally.without_view:
        return ""
    return without_view_text(tally.without_view, tally.total, tally.view_input)


def as_line(row: Mapping[str, Any]) -> str:
    """The row as a JSON line."""
    return json.dumps(finite(row), ensure_ascii=False) + "\n"
