"""Deep photos (more than 8 bits a channel) of a set: which they are, and the scale of all of them.

The scale is found before the photos are decoded for the store, by a first pass over the deep ones
alone. A set without any is only looked at by its headers.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import Entry, Photo
from fastdefect.data.reading import netpbm, tiff
from fastdefect.data.reading.damage import DAMAGE, UnreadablePhoto
from fastdefect.data.reading.gate import PixelGate
from fastdefect.data.reading.grey_scale import ValueRange, choose_white
from fastdefect.data.reading.images import Reading, pixel_count, read_bytes, value_range
from fastdefect.data.reading.signatures import kind_of
from fastdefect.text import counted, first, listed

OnProgress = Callable[[int, int], None]

GREY_SCALE = Check(
    "grey_scale",
    "warning",  # where one photo alone makes all others dark, else info
    rank=250,
    meaning="photos of more than 8 bits: the value that is white in all of them",
    form="{:g} is white",
)
MIXED_DEPTH = Check(
    "mixed_depth",
    "warning",
    rank=172,
    meaning="photos of 8 bits beside deeper ones, which may be scaled differently",
)
OVER_WHITE = Check(
    "over_white",
    "warning",
    rank=174,
    meaning="photos of more than 8 bits with values beyond white, which are clipped",
)
BELOW_BLACK = Check(
    "below_black",
    "warning",
    rank=176,
    meaning="photos with values below 0, which are clipped to black",
)
NOT_FINITE = Check(
    "not_finite",
    "warning",
    rank=175,
    meaning="photos with values that are NaN or infinite, which are read as black",
)

_HEAD = 64  # bytes that tell the depth of all kinds but TIFF


def find_white(
    entries: Sequence[Entry],
    how: Reading,
    on_progress: OnProgress,
    *,
    threads: int | None = None,
) -> float | None:
    """The value that is white in all deep photos among ``entries``; None without any.

    ``on_progress`` is called with the number of deep photos done, in this thread.
    """
    with ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1)) as pool:
        try:
            marks = list(pool.map(may_be_deep, (entry.path for entry in entries)))
            deep = [entry.path for entry, mark in zip(entries, marks, strict=True) if mark]
            gate, found = PixelGate(), []
            for done, one in enumerate(pool.map(lambda path: _range(path, how, gate), deep), 1):
                found.append(one)
                on_progress(done, len(deep))
        except BaseException:
            # On Ctrl-C, leaving the block would first read all remaining photos.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    ranges = [one for one in found if one is not None]
    return choose_white(ranges) if ranges else None


def may_be_deep(path: Path) -> bool:
    """Whether the header says more than 8 bits; a JXL is decoded to know."""
    try:
        if not path.is_file():  # opening a named pipe would block
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
            match kind_of(head):
                case "PNG":
                    return head[24:25] == b"\x10"
                case "TIFF":
                    return tiff.is_deep(tiff.read_tags(head, file))
                case "PNM":
                    return netpbm.read_header(head + file.read(4096)).is_deep
                case "PFM" | "JXL":
                    return True
    except DAMAGE:  # the reader says why
        return False
    return False


def _range(path: Path, how: Reading, gate: PixelGate) -> ValueRange | None:
    try:
        data = read_bytes(path)
        with gate.hold(pixel_count(data)):
            return value_range(data, str(path), how)
    except UnreadablePhoto:
        return None


def is_deep_mode(mode: str) -> bool:
    """Whether a mode, as in ``FileFacts``, has more than 8 bits a channel."""
    return ";16" in mode or mode in ("I", "F")


def check_depth(
    photos: Sequence[Photo], ranges: Mapping[str, ValueRange], white: float | None
) -> list[Finding]:
    """Findings on the scale of the deep photos; ``ranges`` are theirs, by name."""
    deep = [photo.name for photo in photos if photo.name in ranges]
    if not deep:
        return []
    found = [*_mixed(photos, ranges), *_with_holes(deep, ranges)]
    if white is None:  # a run of an earlier version: each photo has its own scale
        return found
    return [*found, *_clipped(deep, ranges, white), _scale(photos, ranges, white)]


def _scale(photos: Sequence[Photo], ranges: Mapping[str, ValueRange], white: float) -> Finding:
    names = sorted(
        (photo.name for photo in photos if photo.name in ranges),
        key=lambda name: -ranges[name].high,
    )
    text = (
        f"{len(names)} of {len(photos)} photos have more than 8 bits: {white:g} is white in all of "
        f"them (--white {white:g}); the highest value is {ranges[names[0]].high:g}."
    )
    rest = [ranges[name] for name in names[1:]]
    if rest and (without := choose_white(rest)) < white / 1.5:
        text += (
            f" Only because of {names[0]}: without it, {without:g} would be. If that photo has a "
            f"faulty pixel, use --white {without:g}."
        )
        return GREY_SCALE.finding(text, white, names)
    return GREY_SCALE.finding(text, white, names, severity="info")


def _mixed(photos: Sequence[Photo], ranges: Mapping[str, ValueRange]) -> list[Finding]:
    kinds: dict[str, list[str]] = {}
    for photo in photos:
        found = ranges.get(photo.name)
        kind = "8 bits" if found is None else "floats" if found.floats else "more than 8 bits"
        kinds.setdefault(kind, []).append(photo.name)
    if len(kinds) == 1:
        return []
    few = min(kinds.values(), key=len)
    text = (
        f"Photos of {listed([f'{kind} ({len(names)})' for kind, names in sorted(kinds.items())])} "
        f"in one set, such as {first(few)}. Their brightness may be scaled differently. Export all "
        "photos from the camera in one format."
    )
    return [MIXED_DEPTH.finding(text, len(few), few)]


def other_depth(photos: Sequence[Photo], white: float | None) -> list[Finding]:
    """The finding that photos are not as deep as those that a model was trained on.

    ``white`` is that of the model, None if it was trained on photos of 8 bits.
    """
    deep = {photo.name for photo in photos if is_deep_mode(photo.facts.mode)}
    other = [photo.name for photo in photos if (photo.name in deep) != (white is not None)]
    if not other:
        return []
    these, those = ("more than 8", "8") if white is None else ("8", "more than 8")
    text = (
        f"{counted(len(other), 'photo')} of {these} bits, such as {first(other)}, but the model "
        f"was trained on photos of {those}. Their brightness may be scaled differently."
    )
    return [MIXED_DEPTH.finding(text, len(other), other)]


def _with_holes(deep: Sequence[str], ranges: Mapping[str, ValueRange]) -> list[Finding]:
    holes = sorted((n for n in deep if ranges[n].holes), key=lambda n: -ranges[n].holes)
    if not holes:
        return []
    named = [f"{name} ({counted(ranges[name].holes, 'value')})" for name in holes]
    text = (
        f"{len(holes)} of {len(deep)} photos of more than 8 bits have values that are NaN or "
        f"infinite, which are read as black: {first(named)}. Replace these values when the photos "
        "are exported, or remove the photos."
    )
    return [NOT_FINITE.finding(text, len(holes), holes)]


def _clipped(deep: Sequence[str], ranges: Mapping[str, ValueRange], white: float) -> list[Finding]:
    found = []
    over = sorted((n for n in deep if ranges[n].exceeds(white)), key=lambda n: -ranges[n].high)
    if over:
        text = (
            f"{len(over)} of {len(deep)} photos of more than 8 bits have values beyond {white:g}, "
            f"which is white (--white); they are clipped: "
            f"{first([f'{name} ({ranges[name].high:g})' for name in over])}."
        )
        found.append(OVER_WHITE.finding(text, len(over), over))
    under = sorted((n for n in deep if ranges[n].below_black), key=lambda n: ranges[n].low)
    if under:
        text = (
            f"{len(under)} of {len(deep)} photos of more than 8 bits have values below 0, which "
            f"are black: {first([f'{name} ({ranges[name].low:g})' for name in under])}. Shift the "
            "values above 0 if they matter."
        )
        found.append(BELOW_BLACK.finding(text, len(under), under))
    return found
