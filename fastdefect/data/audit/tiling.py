"""How many tiles the photos of a set need, so that their defects stay visible: ``--tiles auto``."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from fastdefect.config import DataConfig
from fastdefect.data.audit.size_checks import KEPT, LEAST, STRONG, Defect, known_defects
from fastdefect.data.photos import Box, Entry
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.headers import read_header
from fastdefect.text import counted

MOST = 64  # tiles that are chosen; more need a decision of a person
UNASKED = 16  # tiles that are chosen where nobody asked for them: they take so many times as long
_SEEN = 2 * LEAST  # pixels of a defect in a tile: at the limit, many are missed
_USUAL = 2.5  # times that a tile may be reduced, where no defect is known


@dataclass(frozen=True)
class _Sized:
    """An entry with the size of its upright photo."""

    name: str
    label: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    mask: Path | None


def has_marks(entries: Sequence[Entry], good: Sequence[str]) -> bool:
    """Whether boxes or masks show defects."""
    return any((entry.boxes or entry.mask) and entry.label not in good for entry in entries)


def choose_tiles(
    entries: Sequence[Entry], good: Sequence[str], config: DataConfig, *, known_only: bool = False
) -> tuple[int, str]:
    """The number of tiles of a photo, 1 for none, and the reason in words.

    ``known_only``: by the known defects alone. Only headers and masks are read. Photos that cannot
    be read do not count.
    """
    whole = replace(config, tiles="none")
    photos = _sized(entries)
    defects = known_defects([each for each in photos if each.label not in good], whole)
    if defects:
        return _for_defects(defects, whole, certain=known_only)
    if known_only:
        return 1, "no defects are known"
    sizes = sorted({(photo.width, photo.height) for photo in photos})
    worst = max((_reduction(size, 1, whole) for size in sizes), default=0.0)
    if worst <= STRONG:
        return 1, "no photo becomes much smaller"
    tiles = _first(lambda n: max(_reduction(size, n, whole) for size in sizes) <= _USUAL)
    then = max(_reduction(size, tiles, whole) for size in sizes)
    return tiles, f"photos would become {worst:.0f} times smaller, and become {then:.1f} times"


def _for_defects(defects: Sequence[Defect], whole: DataConfig, *, certain: bool) -> tuple[int, str]:
    """As ``choose_tiles``; ``certain``: no tiles if no defect would be seen better than before."""

    def share(tiles: int, pixels: float) -> float:
        config = replace(whole, tiles=str(tiles))
        return sum(min(one.shown(config)) >= pixels for one in defects) / len(defects)

    before = share(1, LEAST)
    if before >= KEPT:
        return 1, f"the known defects keep {LEAST} pixels or more"
    # Tiles are not enlarged, so that some defects never reach it: then less must be enough.
    wanted = next((p for p in (_SEEN, LEAST) if share(MOST, p) > share(1, p)), None)
    if wanted is None and certain:
        return 1, "no number of tiles shows more of the known defects"
    if wanted is None:
        tiles = MOST
    else:
        best = share(MOST, wanted)
        tiles = _first(lambda n: share(n, wanted) >= min(KEPT, best))
    small = round((1 - before) * len(defects))
    return tiles, (
        f"{small} of {counted(len(defects), 'known defect')} would become smaller than {LEAST} "
        f"pixels, and {share(tiles, LEAST):.0%} keep {LEAST} or more"
    )


def _first(enough: Callable[[int], bool]) -> int:
    return next((tiles for tiles in range(2, MOST) if enough(tiles)), MOST)


def _reduction(size: tuple[int, int], tiles: int, config: DataConfig) -> float:
    return max(Frame(config.image_size, config.resize, tiles).reduction(*size))


def _sized(entries: Sequence[Entry]) -> list[_Sized]:
    with ThreadPoolExecutor(4) as pool:
        headers = list(pool.map(lambda entry: read_header(entry.path), entries))
    return [
        _Sized(entry.name, entry.label, *header.upright, entry.boxes, entry.mask)
        for entry, header in zip(entries, headers, strict=True)
        if header is not None
    ]
