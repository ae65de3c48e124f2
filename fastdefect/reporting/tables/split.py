"""The table of a split: photos and parts of each class by side."""

from collections.abc import Mapping, Sequence

from fastdefect.reporting.tables.table_data import TableData


def split_table(
    sides: Mapping[str, Sequence[int]],
    labels: Sequence[str],
    parts: Sequence[str],
    classes: Sequence[str],
    *,
    kind: str,
) -> TableData:
    """Photos and, in brackets, parts of each class by side.

    ``sides`` maps names to indices into ``labels`` and ``parts``; a side without photos has no row.
    ``kind`` is the name of a side: split or fold.
    """

    def cell(chosen: Sequence[int]) -> str:
        return f"{len(chosen)} ({len({parts[i] for i in chosen})})" if chosen else "0"

    shown = {name: indices for name, indices in sides.items() if indices}
    total = [i for indices in shown.values() for i in indices]
    rows = [
        (name, *(cell([i for i in indices if labels[i] == c]) for c in classes), cell(indices))
        for name, indices in {**shown, "all": total}.items()
    ]
    return TableData(
        f"Photos (parts) by {kind} and class",
        (kind, *classes, "all"),
        tuple(rows),
        f"Each part is in one {kind}."
        if _whole(shown, parts)
        else f"At least one part is in two {kind}s.",
        {} if _whole(shown, parts) else {len(rows) - 1: "bad"},
    )


def _whole(sides: Mapping[str, Sequence[int]], parts: Sequence[str]) -> bool:
    """Whether no part is in two of the used sides."""
    used = [{parts[i] for i in indices} for name, indices in sides.items() if name != "unused"]
    return sum(map(len, used)) == len(set().union(*used))
