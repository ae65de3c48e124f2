"""A sheet of the photos that two runs decide differently."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from fastdefect.data.reading.images import USUAL, Reading
from fastdefect.evaluation.compare import (
    FOR_THE_WORSE,
    KINDS,
    ChangedPhoto,
    Comparison,
    Kind,
    PartChange,
)
from fastdefect.files import atomic_path
from fastdefect.reporting.sheets.contact_sheet import Heading, Mark, Tile, contact_sheet, read_tiles
from fastdefect.text import counted

_COLUMNS = 6
_MOST = 4 * _COLUMNS  # photos per kind of change


def changes_sheet(
    pairs: Sequence[tuple[str, Comparison]],
    photos: Mapping[str, Path],
    path: Path,
    *,
    how: Reading = USUAL,
    tile: int = 160,
) -> bool:
    """Draw the changed photos as one PNG; False, and no file, if no decision changed.

    ``pairs`` are names and comparisons; each kind of change has a section. ``photos`` maps names to
    paths, which are read in the way ``how``. A photo that cannot be read is a grey tile with the
    reason. Raises OSError if ``path`` cannot be written.
    """
    rows: list[list[Tile]] = []
    headings: dict[int, Heading] = {}
    for name, comparison in pairs:
        for kind in KINDS:
            found = comparison.of_kind(kind)
            if not found:
                continue
            headings[len(rows)] = Heading(f"{name}: {kind}", _counts(found))
            tiles = _tiles(kind, found, photos, how, tile)
            rows += [tiles[at : at + _COLUMNS] for at in range(0, len(tiles), _COLUMNS)]
    if not rows:
        return False
    title = "Photos with changed decisions"
    sheet = contact_sheet(rows, title=title, tile=tile, headings=headings)
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")
    return True


def _counts(found: Sequence[PartChange]) -> str:
    total = sum(len(change.photos) for change in found)
    text = f"{counted(total, 'photo')} of {counted(len(found), 'part')}"
    return f"{text}; the first {_MOST} are shown." if total > _MOST else f"{text}."


def _tiles(
    kind: Kind,
    found: Sequence[PartChange],
    photos: Mapping[str, Path],
    how: Reading,
    tile: int,
) -> list[Tile]:
    changed = [(change.part, photo) for change in found for photo in change.photos][:_MOST]
    mark: Mark = "bad" if kind in FOR_THE_WORSE else "good"
    pictures = read_tiles([photos.get(photo.path) for _, photo in changed], tile, how)
    return [
        Tile(picture, _caption(part, photo), mark)
        for picture, (part, photo) in zip(pictures, changed, strict=True)
    ]


def _caption(part: str, photo: ChangedPhoto) -> str:
    lines = [PurePosixPath(photo.path).name, f"{photo.label}: {photo.before} -> {photo.after}"]
    if part != photo.path:  # a part with one photo has the name of that photo
        lines.insert(0, part if part.casefold().startswith("part") else f"part {part}")
    if photo.scores is not None:
        lines.append("P(defect) {:.2f} -> {:.2f}".format(*photo.scores))
    return "\n".join(lines)
