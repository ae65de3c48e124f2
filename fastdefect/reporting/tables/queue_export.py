"""The table of an export: labelled photos of a line by label, and by why people saw them."""

from collections.abc import Sequence

from fastdefect.reporting.tables.table_data import TableData

_CHOICES = ("look", "check", "person")


def export_table(photos: Sequence[tuple[str, str]]) -> TableData:
    """``photos`` are (label, chosen by)."""
    labels = sorted({label for label, _ in photos})
    counts = {pair: photos.count(pair) for pair in set(photos)}
    shown = [name for name in _CHOICES if any(name == choice for _, choice in photos)]
    rows = [
        (
            label,
            *(str(counts.get((label, choice), 0)) for choice in shown),
            str(sum(n for (each, _), n in counts.items() if each == label)),
        )
        for label in labels
    ]
    return TableData(
        "Labelled photos of the line",
        ("label", *shown, "all"),
        tuple(rows),
        caption="look: the model was not certain. check: chosen at random. person: answered "
        "unasked. The model chose most of these photos, so that their rates are not the line's.",
    )
