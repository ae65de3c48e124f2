"""Whether tiles of background can be left out of photos: where that is sure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.photos import Entry
from fastdefect.data.reading.background import Background, contrast_of, outline_of, outside_of
from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.images import Reading, read_photo
from fastdefect.data.reading.marked import marked_tiles

_PHOTOS, _FEWEST = 24, 8  # that are searched for an outline
_CLEAR = 0.9  # of them
_ALIKE = 1.5  # the largest share of a photo over the smallest
_SLACK = 1.25  # of the shares and of the contrast that were found
_PLAIN = 0.5  # of the usual contrast on the part: background has less
_USUAL = 0.95  # of the tiles outside; others may show dust


@dataclass(frozen=True)
class _Seen:
    """A photo: the share of it that the outline covers, and what is known of its tiles.

    ``share`` is None without a clear outline. ``outside`` (n,): the tiles outside the outline,
    ``contrast`` (n,) theirs, and ``marked`` (n,): those that show a marked defect.
    """

    share: float | None
    outside: NDArray[np.bool_]
    contrast: NDArray[np.float64]
    marked: NDArray[np.bool_]


def find_background(
    entries: Sequence[Entry], good: Sequence[str], frame: Frame, how: Reading
) -> tuple[Background | None, str]:
    """What is known of the background, None if it is not sure, and the reason in words.

    Some photos are read, none of the test if that is given. The reason is empty if no photo shows
    a background, or no tile would be left out.
    """
    seen = list(_look(_drawn(entries, good), good, frame, how))
    if len(seen) < _FEWEST:
        return None, ""
    clear = [each for each in seen if each.share is not None]
    counts = f"the outline of the part is clear in {len(clear)} of {len(seen)} photos"
    if len(clear) < _CLEAR * len(seen):
        return None, counts if clear else ""
    shares = [each.share for each in clear if each.share is not None]
    if max(shares) > _ALIKE * min(shares):
        return None, f"the outline covers {min(shares):.0%} to {max(shares):.0%} of the photos"
    outside = np.concatenate([each.contrast[each.outside] for each in clear])
    inside = np.concatenate([each.contrast[~each.outside] for each in clear])
    if len(outside) < len(clear) / 2:
        return None, ""
    limit = _SLACK * float(np.quantile(outside, _USUAL))
    if limit > _PLAIN * float(np.median(inside)):
        return None, "the background has nearly as much contrast as the part"
    if any((each.marked & each.outside & (each.contrast <= limit)).any() for each in clear):
        return None, "a marked defect is outside the outline of the part"
    left = sum((each.outside & (each.contrast <= limit)).mean() for each in clear) / len(clear)
    found = Background(min(shares) / _SLACK, min(_SLACK * max(shares), 1.0), limit)
    return found, f"{counts}, and {left:.0%} of the tiles are outside"


def _drawn(entries: Sequence[Entry], good: Sequence[str]) -> list[Entry]:
    """Photos of all sides but the test, at random, and first those with marked defects."""
    known = [entry for entry in entries if entry.split != "test"]
    order = [known[i] for i in np.random.default_rng(0).permutation(len(known))]
    marked = [e for e in order if e.label not in good and (e.boxes or e.mask is not None)]
    others = [entry for entry in order if entry not in marked]
    return [*marked[: _PHOTOS // 2], *others][:_PHOTOS]


def _look(
    entries: Sequence[Entry], good: Sequence[str], frame: Frame, how: Reading
) -> Iterator[_Seen]:
    for entry in entries:
        try:
            photo = read_photo(entry.path, how)
        except UnreadablePhoto:
            continue
        height, width = photo.shape[:2]
        places = frame.layout(width, height).places
        tiles = frame.cells(frame.fit(photo)[None])[: len(places)]
        outline, marks = outline_of(photo), None
        if entry.label not in good:
            marks = marked_tiles(entry, width, height, frame, how.max_megapixels)
        none = np.zeros(len(places), bool)
        yield _Seen(
            None if outline is None else float(outline.mean()),
            none if outline is None else outside_of(outline, places, photo.shape[:2]),
            np.array([contrast_of(tile) for tile in tiles]),
            none if marks is None else marks[: len(places)],
        )
