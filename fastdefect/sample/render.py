"""The bundled sample: rendered photos of a machined casting, good ones and defective ones.

``render_sample`` writes a folder that ``fit`` reads; ``render_part`` and ``photograph`` are what
it is made of. The files are the same to the byte for the same arguments and the same versions of
numpy and OpenCV on the same kind of machine. No part depends on how many others there are: with
all else equal, a larger sample holds every whole part of a smaller one.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fastdefect.errors import DataError, UsageError
from fastdefect.files import write_csv
from fastdefect.sample.defects import (
    DEFECTS,
    DIFFICULTIES,
    Defect,
    Part,
    render_part,
)
from fastdefect.sample.part import stream
from fastdefect.sample.photo import Photo, photograph

__all__ = [
    "COLUMNS",
    "DEFECTS",
    "DIFFICULTIES",
    "Defect",
    "Part",
    "Photo",
    "photograph",
    "render_part",
    "render_sample",
]

COLUMNS = ("path", "label", "part", "defect", "difficulty", "x", "y", "w", "h")
Row = dict[str, str | int]

_SMALLEST = 32  # pixels; below that a bolt hole is a pixel
_GRADES_IN_TURN = (1, 2, 1, 3, 1, 2)  # of the defects of one type
# Which generator draws what; a part's number or a block's follows.
_NAMES, _KINDS, _GRADES, _PARTS, _PHOTOS = range(5)


def render_sample(
    folder: Path,
    *,
    n: int,
    seed: int,
    size: int = 256,
    photos_per_part: int = 3,
    defective: float = 0.5,
    difficulty: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render ``n`` photos of ``size`` pixels a side into ``folder/photos``; return the labels' CSV.

    ``defective`` is the share of parts with a defect, between 0 and 1; both classes are always
    there. ``difficulty`` makes all defects alike (1 obvious, 2 plain, 3 faint), None mixes them.
    ``on_progress`` is told the photos done and the photos in all. The CSV has the ``COLUMNS``, a
    row a photo sorted by path, and the defect's box in pixels; it is written last, so a folder
    without it is not complete.

    Raises UsageError for an argument out of its range and DataError for a folder that holds
    anything.
    """
    _check(n, seed, size, photos_per_part, defective, difficulty)
    photos = _prepare(folder)
    parts = -(-n // photos_per_part)
    names = _names(seed, parts)
    rows: list[Row] = []
    # in the order of the names, which tells nothing, as would the files' times otherwise
    for k in sorted(range(parts), key=names.__getitem__):
        defect = _defect_of(seed, k, defective, difficulty)
        part = render_part(
            np.random.SeedSequence(seed, spawn_key=(_PARTS, k)), size=size, defect=defect
        )
        for j in range(min(photos_per_part, n - k * photos_per_part)):
            photo = photograph(part, np.random.SeedSequence(seed, spawn_key=(_PHOTOS, k, j)))
            path = photos / f"{names[k]}-{j + 1}.jpg"
            path.write_bytes(_jpeg(photo))
            rows.append(_row(f"{photos.name}/{path.name}", names[k], defect, photo))
            if on_progress is not None:
                on_progress(len(rows), n)
    labels = folder / "labels.csv"
    write_csv(labels, sorted(rows, key=lambda row: str(row["path"])), COLUMNS)
    return labels


def _check(
    n: int, seed: int, size: int, photos_per_part: int, defective: float, difficulty: int | None
) -> None:
    if photos_per_part < 1:
        raise UsageError(f"Expected at least 1 photo per part, but got {photos_per_part}.")
    if n <= photos_per_part:
        raise UsageError(
            f"Expected at least {photos_per_part + 1} photos, but got {n}: a good and a defective "
            f"part are needed, and each is photographed {photos_per_part} times.",
            "Ask for more photos, or for fewer of each part.",
        )
    if seed < 0:
        raise UsageError(f"Expected a seed of 0 or more, but got {seed}.")
    if size < _SMALLEST:
        raise UsageError(f"Expected photos of at least {_SMALLEST} pixels a side, but got {size}.")
    if not 0 < defective < 1:
        raise UsageError(
            f"Expected a share of defective parts between 0 and 1, but got {defective}."
        )
    if difficulty is not None and difficulty not in DIFFICULTIES:
        raise UsageError(f"Expected a difficulty of 1, 2 or 3, but got {difficulty}.")


def _prepare(folder: Path) -> Path:
    """The folder for the photos, made inside ``folder``, which must be new or empty."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"Expected a folder for the sample, but {folder} is a file.")
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(
            f"Expected a new or empty folder for the sample, but {folder} holds something already.",
            "Name another folder, or empty this one first.",
        )
    photos = folder / "photos"
    try:
        photos.mkdir(parents=True)
    except OSError as error:
        raise DataError(
            f"Can't make the folder {photos}: {error.strerror}.", "Name a folder you can write to."
        ) from error
    return photos


def _names(seed: int, parts: int) -> list[str]:
    """Serial numbers without an order: what number a part has says nothing about it."""
    digits = max(4, len(str(parts - 1)))
    shuffled = stream(seed, _NAMES).permutation(10**digits)[:parts]
    return [f"part-{serial:0{digits}d}" for serial in shuffled]


def _defect_of(seed: int, k: int, share: float, difficulty: int | None) -> Defect | None:
    """What is wrong with part ``k``.

    Six defects in a row are of all six types, three obvious, two plain and one faint; which type
    is the faint one changes from six to six.
    """
    before = _defects_among(k, share)
    if _defects_among(k + 1, share) == before:
        return None
    turn, place = divmod(before, len(DEFECTS))
    kind = stream(seed, _KINDS, turn).permutation(len(DEFECTS))[place]
    start = stream(seed, _GRADES).permutation(len(_GRADES_IN_TURN))[kind]
    grade = _GRADES_IN_TURN[(start + turn) % len(_GRADES_IN_TURN)]
    return Defect(DEFECTS[kind], difficulty or grade)


def _defects_among(parts: int, share: float) -> int:
    """How many of the first ``parts`` are defective: ``share``, and of two parts always one."""
    return max(min(max(int(share * parts + 0.5), 1), parts - 1), 0)


def _jpeg(photo: Photo) -> bytes:
    bgr = cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, photo.quality])
    return bytes(coded)


def _row(path: str, part: str, defect: Defect | None, photo: Photo) -> Row:
    if defect is None or photo.box is None:
        values: tuple[str | int, ...] = (path, "good", part, "", "", "", "", "", "")
    else:
        values = (path, "defect", part, defect.kind, defect.difficulty, *photo.box)
    return dict(zip(COLUMNS, values, strict=True))
