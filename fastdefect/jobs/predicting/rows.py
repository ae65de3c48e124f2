"""The rows of a result: one for each photo, or one for each part."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.inference.judge import Decision
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import Decided

Row = dict[str, Any]

UNREADABLE = "unreadable"
# From the most to the least certain to be good; a part has the last of its photos.
DECISIONS = ("OK", "look", "reject")

PART_COLUMNS = (
    *("part", "decision", "p_defective", "path", "photos"),
    *("n_ok", "n_look", "n_reject", "n_unlike", "n_unreadable", "model"),
)


def photo_columns(classes: Sequence[str]) -> tuple[str, ...]:
    """The columns of a row for each photo."""
    return (
        *("path", "decision", "p_defective", "label", "defect_class"),
        *(f"p_{name}" for name in classes),
        *("unlike", "likeness", "distance", "part", "true_label", "milliseconds", "error", "model"),
    )


def photo_row(done: Decided[Candidate], part: str | None, scorer: Scorer) -> Row:
    """The row of a photo. A photo that can't be read is for a person to look at."""
    candidate, decision = done.item, done.decision
    row: Row = dict.fromkeys(photo_columns(scorer.judge.classes))
    row.update(
        path=candidate.name,
        decision="look",
        part=part,
        true_label=candidate.label,
        error=done.error or None,
        model=scorer.identity[:12],
    )
    if decision is not None:
        row.update(_decided(decision))
    return row


def _decided(decision: Decision) -> Row:
    return {
        "decision": decision.decision,
        "p_defective": decision.probability,
        "label": decision.label,
        "defect_class": decision.defect_class,
        **{f"p_{name}": p for name, p in decision.probabilities.items()},
        "unlike": decision.unlike if decision.likeness is not None else None,
        "likeness": decision.likeness,
        "distance": decision.distance,
        "milliseconds": round(decision.milliseconds, 3),
    }


@dataclass
class Tally:
    """Counts of the rows so far, and the most suspicious of them, for the screen."""

    counts: Counter[str] = field(default_factory=Counter)
    unlike: int = 0
    unreadable: int = 0
    worst: list[Row] = field(default_factory=list)
    _show: int = 20

    @property
    def total(self) -> int:
        """The number of rows."""
        return self.counts.total()

    def add(self, row: Row) -> None:
        """Count a row of a photo."""
        self.counts[row["decision"]] += 1
        self.unlike += bool(row["unlike"])
        self.unreadable += row["error"] is not None
        self.worst.append(row)
        if len(self.worst) > 4 * self._show:
            self.worst = self.most_suspicious()

    def most_suspicious(self) -> list[Row]:
        """Up to 20 rows: unreadable and rejected ones first, by falling probability of a defect."""
        return sorted(self.worst, key=_suspicion, reverse=True)[: self._show]

    def as_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "photos": self.total,
            **{name: self.counts[name] for name in DECISIONS},
            "unlike": self.unlike,
            "unreadable": self.unreadable,
        }


def _suspicion(row: Row) -> tuple[bool, int, float]:
    score = row["p_defective"]
    return (
        row["error"] is not None,
        DECISIONS.index(row["decision"]),
        math.inf if score is None else score,
    )


def part_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """One row for each part, in the order of its first photo.

    A part is rejected if any of its photos is, else a person looks if at any of them, else it is
    OK. A photo without a known part is a part of its own.
    """
    parts: dict[str, Row] = {}
    for row in rows:
        name = row["part"] or row["path"]
        part = parts.setdefault(name, _new_part(name, row))
        _add(part, row)
    yield from parts.values()


def _new_part(name: str, row: Mapping[str, Any]) -> Row:
    return {
        **dict.fromkeys(PART_COLUMNS, 0),
        "part": name,
        "decision": "OK",
        "p_defective": None,
        "path": row["path"],
        "model": row["model"],
    }


def _add(part: Row, row: Mapping[str, Any]) -> None:
    part["photos"] += 1
    part[f"n_{row['decision'].lower()}"] += 1
    part["n_unlike"] += bool(row["unlike"])
    part["n_unreadable"] += row["error"] is not None
    part["decision"] = max(part["decision"], row["decision"], key=DECISIONS.index)
    score = row["p_defective"]
    if score is not None and (part["p_defective"] is None or score > part["p_defective"]):
        part["p_defective"], part["path"] = score, row["path"]


def as_line(row: Mapping[str, Any]) -> str:
    """The row as a JSON line; names that are not UTF-8 are escaped."""
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace").decode() + "\n"
