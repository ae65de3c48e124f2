"""Labels to look at again: the table and the contact sheet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from fastdefect.evaluation.label_check import Suspect
from fastdefect.evaluation.predictions import Predictions
from fastdefect.files import atomic_path
from fastdefect.reporting.sheets.contact_sheet import (
    Heading,
    Tile,
    clean,
    contact_sheet,
    read_tiles,
)
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted

_ROWS = 20  # of the table
_COLUMNS = 5  # of the sheet
_ARROW = "\u2192"


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
        f"{_kinds(suspects, classes)}. {_margin_in_words()} It ranks and proves nothing: a person "
        "decides.",
    )


def _kinds(suspects: Sequence[Suspect], classes: Sequence[str]) -> str:
    """``8 good → defect, 3 defect → good``."""
    counts = Counter((suspect.label, suspect.suggested) for suspect in suspects)
    return ", ".join(
        f"{count} {classes[label]} {_ARROW} {classes[suggested]}"
        for (label, suggested), count in counts.most_common()
    )


def _margin_in_words() -> str:
    return "The margin is P(label) less the highest of the others: near -1 is surest."


def draw_suspects(
    path: Path,
    predictions: Predictions,
    suspects: Sequence[Suspect],
    photos: Mapping[str, Path],
    *,
    title: str,
    tile: int = 240,
) -> None:
    """Write a contact sheet of ``suspects`` in their order as a PNG.

    Its tiles are large: a hairline crack must be seen. ``photos`` says where each is, by name.
    Each is read now and fitted into ``tile`` pixels; one that is not there any more or can't be
    read is a grey tile that says so.

    Raises ValueError without suspects, OSError where ``path`` can't be written.
    """
    names = [predictions.names[suspect.index] for suspect in suspects]
    pictures = read_tiles([photos.get(name) for name in names], tile)
    tiles = [
        Tile(picture, _caption(number, name, predictions.classes, suspect))
        for number, (picture, name, suspect) in enumerate(
            zip(pictures, names, suspects, strict=True), start=1
        )
    ]
    sheet = contact_sheet(
        [tiles[at : at + _COLUMNS] for at in range(0, len(tiles), _COLUMNS)],
        title=title,
        tile=tile,
        headings={0: Heading(text=f"Label {_ARROW} what the model suggests. {_margin_in_words()}")},
    )
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")


def _caption(number: int, name: str, classes: Sequence[str], suspect: Suspect) -> str:
    lines = [
        f"{number}. {classes[suspect.label]} {_ARROW} {classes[suspect.suggested]}",
        f"margin {suspect.margin:+.2f}",
        PurePosixPath(name).name,
    ]
    if suspect.part_photos > 1:
        of = f"{suspect.part_suspects} of {suspect.part_photos}"
        lines[1] += f", {of} of the part"
    return "\n".join(map(clean, lines))
