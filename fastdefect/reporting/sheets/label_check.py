"""A sheet of the photos with labels to check."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from fastdefect.data.reading.images import USUAL, Reading
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
from fastdefect.reporting.tables.label_check import ARROW, MARGIN

_COLUMNS = 5
_TILE = 240  # pixels


def draw_suspects(
    path: Path,
    predictions: Predictions,
    suspects: Sequence[Suspect],
    photos: Mapping[str, Path],
    *,
    title: str,
    how: Reading = USUAL,
) -> None:
    """Write a contact sheet of ``suspects`` in their order as a PNG.

    The tiles are large, so that a hairline crack is visible. ``photos`` maps names to paths. Each
    photo is read now, in the way ``how``, at most ``_TILE`` pixels wide and high. A missing
    or unreadable photo is a grey tile with the reason.

    Raises ValueError without suspects, OSError if ``path`` cannot be written.
    """
    names = [predictions.names[suspect.index] for suspect in suspects]
    pictures = read_tiles([photos.get(name) for name in names], _TILE, how)
    tiles = [
        Tile(picture, _caption(number, name, predictions.classes, suspect))
        for number, (picture, name, suspect) in enumerate(
            zip(pictures, names, suspects, strict=True), start=1
        )
    ]
    sheet = contact_sheet(
        [tiles[at : at + _COLUMNS] for at in range(0, len(tiles), _COLUMNS)],
        title=title,
        tile=_TILE,
        headings={0: Heading(text=f"Label {ARROW} suggested class. {MARGIN}")},
    )
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")


def _caption(number: int, name: str, classes: Sequence[str], suspect: Suspect) -> str:
    lines = [
        f"{number}. {classes[suspect.label]} {ARROW} {classes[suspect.suggested]}",
        f"margin {suspect.margin:+.2f}",
        PurePosixPath(name).name,
    ]
    if suspect.part_photos > 1:
        of = f"{suspect.part_suspects} of {suspect.part_photos}"
        lines[1] += f", {of} of the part"
    return "\n".join(map(clean, lines))
