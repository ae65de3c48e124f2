"""Labels to look at again as a table."""

from collections import Counter
from collections.abc import Sequence

from fastdefect.evaluation.label_check import Suspect
from fastdefect.evaluation.predictions import Predictions
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted

_ROWS = 20
ARROW = "\u2192"
MARGIN = "The margin is P(label) less the highest of the others: near -1 is surest."


def suspects_table(predictions: Predictions, suspects: Sequence[Suspect]) -> TableData:
    """The surest suspects among ``predictions``, and how many there are of which kind.

    Where parts have several photos, it says of how many of the part's that carry the label it
    is in doubt.
    """
    n, classes = len(predictions.names), predictions.classes
    if not suspects:
        none = f"None of {counted(n, 'label')} is in doubt."
        return TableData("Labels to look at again", ("photo",), (), empty=none)
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
    shown = f", the surest {_ROWS}" if len(suspects) > _ROWS else ""
    return TableData(
        f"Labels to look at again: {len(suspects)} of {n}{shown}",
        (
            *("photo", "label", "suggested", "P(suggested)", "margin"),
            *(("in doubt of the part",) if several else ()),
        ),
        tuple(rows),
        f"{_kinds(suspects, classes)}. {MARGIN} It ranks and proves nothing: a person decides.",
    )


def _kinds(suspects: Sequence[Suspect], classes: Sequence[str]) -> str:
    """``8 good → defect, 3 defect → good``."""
    counts = Counter((suspect.label, suspect.suggested) for suspect in suspects)
    return ", ".join(
        f"{count} {classes[label]} {ARROW} {classes[suggested]}"
        for (label, suggested), count in counts.most_common()
    )
