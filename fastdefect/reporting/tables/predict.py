"""Tables of the decisions on photos without labels."""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastdefect.config import PartRule
from fastdefect.inference.decision_rule import DECISIONS, Verdict
from fastdefect.inference.part_rule import about
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted

Row = Mapping[str, Any]

MOST = 20  # rows in a table


def photo_table(model: str, rows: Sequence[Row], total: int) -> TableData:
    """The ``rows`` of photos, the most suspicious of ``total``."""
    title = f"Decisions of {model}"
    if total > len(rows):
        title += f": the {len(rows)} most suspicious of {counted(total, 'photo')}"
    return TableData(
        title,
        ("photo", "decision", "P(defect)", "class", "remark"),
        tuple(
            (row["path"], row["decision"], _share(row), row["label"] or "", _remark(row))
            for row in rows
        ),
        marks=_marks(rows),
        empty="No photos.",
    )


def part_table(
    model: str, parts: Iterable[Row], total: int, rule: PartRule | None = None
) -> TableData:
    """The most suspicious of all ``parts``, up to 20; ``total`` is their number.

    ``rule`` is how the photos of a part are combined; without one, their decisions are.
    """
    shown = heapq.nlargest(MOST, parts, key=suspicion)
    title = f"Decisions of {model} by part"
    if total > len(shown):
        title += f": the {len(shown)} most suspicious of {counted(total, 'part')}"
    return TableData(
        title,
        ("part", "decision", "P(defect)", "photos", "OK", "look", "reject", "worst photo"),
        tuple(
            (
                row["part"],
                row["decision"],
                _share(row),
                *(str(row[name]) for name in ("photos", "n_ok", "n_look", "n_reject")),
                row["path"],
            )
            for row in shown
        ),
        caption=_rule_text(rule),
        marks=_marks(shown),
        empty="No photos.",
    )


def _rule_text(rule: PartRule | None) -> str:
    if rule is None:
        return (
            "A part is rejected if one of its photos is rejected. Otherwise a person looks at it "
            "if one of its photos is look. Otherwise it is OK."
        )
    return (
        f"The score of a part is {about(rule)} ({rule}). A person looks at a part with "
        "a photo that is unreadable or unlike the training photos, unless the others reject it. "
        "OK, look and reject count the photos, each decided alone."
    )


def row_line(row: Row) -> str:
    """A line for a row, as it arrives."""
    if row["error"]:
        return f"{row['path']}: look ({row['error']})"
    unlike = ", unlike the training photos" if row["unlike"] else ""
    return f"{row['path']}: {row['decision']}, P(defect) {_share(row) or 'unknown'}{unlike}"


def parts_line(decisions: Mapping[Verdict, int]) -> str:
    """The number of parts with each decision."""
    counts = ", ".join(f"{n} {name}" for name, n in decisions.items())
    return f"{counted(sum(decisions.values()), 'part')}: {counts}."


def summary_line(counts: Mapping[str, int], per_second: float | None, resumed: int) -> str:
    """The ``counts`` of all photos, and how many of them an earlier run had decided.

    ``per_second`` is the rate in photos; None leaves it out.
    """
    decisions = ", ".join(f"{counts[name]} {name}" for name in DECISIONS)
    before = f" {resumed} of them were decided before this run continued." if resumed else ""
    others = f"Unlike the training photos: {counts['unlike']}; unreadable: {counts['unreadable']}."
    photos = counted(counts["photos"], "photo")
    rate = "" if per_second is None else f" {per_second:.1f} photos/s."
    return f"{photos}: {decisions}. {others}{rate}{before}"


def suspicion(row: Row) -> tuple[bool, int, float]:
    """The key that sorts rows of photos or parts: unreadable ones are the most suspicious."""
    score = row["p_defective"]
    return (
        bool(row.get("error") or row.get("n_unreadable")),
        DECISIONS.index(row["decision"]),
        math.inf if score is None else score,
    )


def _share(row: Row) -> str:
    return "" if row["p_defective"] is None else f"{row['p_defective']:.4f}"


def _remark(row: Row) -> str:
    if row.get("error"):
        return str(row["error"])
    return "unlike the training photos" if row.get("unlike") else ""


def _marks(rows: Sequence[Row]) -> dict[int, str]:
    marks = {"OK": "good", "reject": "bad"}
    return {i: marks[row["decision"]] for i, row in enumerate(rows) if row["decision"] in marks}
