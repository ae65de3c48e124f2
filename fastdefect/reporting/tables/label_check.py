"""The table of labels to check."""

from collections import Counter
from collections.abc import Sequence

from fastdefect.evaluation.label_check import Suspect
from fastdefect.evaluation.predictions import Predictions
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted

_ROWS = 20
ARROW = "\u2192"
MARGIN = "Margin: P(label) minus the highest other probability; -1 is the strongest doubt."


def suspects_table(predictions: Predictions, suspects: Sequence[Suspect]) -> TableData:
    """The strongest suspects among ``predictions``, and the number of each kind.

    If parts have several photos, a column shows how many of the part's photos with this label are
    suspects.
    """
    n, classes = len(predictions.names), predictions.classes
    if not suspects:
        none = f"None of {counted(n, 'label')} is in doubt."
        return TableData("Labels to check", ("photo",), (), empty=none)
    several = any(suspect.part_photos > 1 for suspect in suspects)
    rows = [
        (
            predictions.names[suspect.index],
            classes[suspect.label],
            classes[suspect.suggested],
            f"{suspect.confidence:.3f}",
            f"{suspect.margin:+.3f}",
            *((f"{suspect.part_suspects} of {suspect.part_photos}",) if several else ()),
        )
        for suspect in suspects[:_ROWS]
    ]
    shown = f", the strongest {_ROWS}" if len(suspects) > _ROWS else ""
    return TableData(
        f"Labels to check: {len(suspects)} of {n}{shown}",
        (
            *("photo", "label", "suggested", "P(suggested)", "margin"),
            *(("suspects in part",) if several else ()),
        ),
        tuple(rows),
        f"{_kinds(suspects, classes)}. {MARGIN} It is a ranking, not a proof: a person decides.",
    )


def _kinds(suspects: Sequence[Suspect], classes: Sequence[str]) -> str:
    """``8 good → defect, 3 defect → good``."""
    counts = Counter((suspect.label, suspect.suggested) for suspect in suspects)
    return ", ".join(
        f"{count} {classes[label]} {ARROW} {classes[suggested]}"
        for (label, suggested), count in counts.most_common()
    )
