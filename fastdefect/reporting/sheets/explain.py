"""Contact sheets of photos with their heat maps, in pages."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from fastdefect.aliases import Pixels
from fastdefect.files import atomic_path
from fastdefect.reporting.sheets.contact_sheet import Heading, Mark, Tile, clean, contact_sheet

_COLUMNS = 5
_TILE = 240  # pixels
_ROWS = 8  # of a page

# The overlay, the lines of its caption, and whether its place is confirmed.
Shown = tuple[Pixels, str, str, str, bool]
_Row = tuple[Heading | None, list[Tile]]


def draw_explained(
    folder: Path, groups: Sequence[tuple[str, Sequence[Shown]]], *, title: str, warning: str = ""
) -> list[Path]:
    """Write the pages ``sheet-1.png``, ... of ``groups`` into ``folder``, and return them.

    Pages of an earlier call are removed. A tile whose place is not confirmed is framed and says so.
    """
    rows = list(_rows(groups))
    pages = [rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS)]
    for old in folder.glob("sheet-*.png"):
        if old.stem.removeprefix("sheet-").isdecimal():  # others are the user's
            old.unlink()
    files = []
    for number, page in enumerate(pages, start=1):
        headings = {i: heading for i, (heading, _) in enumerate(page) if heading is not None}
        if warning:
            top = headings.get(0, Heading())
            headings[0] = Heading(top.title, f"! {warning}\n{top.text}".strip())
        of = f", page {number} of {len(pages)}" if len(pages) > 1 else ""
        sheet = contact_sheet(
            [tiles for _, tiles in page], title=title + of, tile=_TILE, headings=headings
        )
        files.append(folder / f"sheet-{number}.png")
        with atomic_path(files[-1]) as temporary:
            sheet.save(temporary, format="PNG")
    return files


def _rows(groups: Sequence[tuple[str, Sequence[Shown]]]) -> Iterator[_Row]:
    for title, photos in groups:
        tiles = [_tile(each) for each in photos]
        for at in range(0, len(tiles), _COLUMNS):
            heading = Heading(f"{title} ({len(tiles)})") if at == 0 else None
            yield heading, tiles[at : at + _COLUMNS]


def _tile(shown: Shown) -> Tile:
    picture, *lines, confirmed = shown
    mark: Mark = "plain" if confirmed else "bad"
    if not confirmed:
        lines = [*lines, "place not confirmed"]
    return Tile(picture, "\n".join(clean(str(line)) for line in lines), mark)
