"""The bundled sample: rendered photos of a machined casting, good and defective.

``render_sample`` writes a folder that ``fit`` reads, with ``render_part`` and ``photograph``. The
files are identical to the byte for the same arguments and the same versions of numpy and OpenCV
on the same kind of machine. A part does not depend on the number of parts: with all else equal, a
larger sample contains every complete part of a smaller one.
"""

from collections.abc import Callable
from dataclasses import dataclass
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
    "SampleSettings",
    "photograph",
    "render_part",
    "render_sample",
]

COLUMNS = ("path", "label", "part", "defect", "difficulty", "x", "y", "w", "h")
Row = dict[str, str | int]

_SMALLEST = 32  # pixels; below that a bolt hole has the size of a pixel
_GRADES_IN_TURN = (1, 2, 1, 3, 1, 2)  # the difficulties of the defects of one type
# The keys of the generators; the number of a part or block follows.
_NAMES, _KINDS, _GRADES, _PARTS, _PHOTOS = range(5)


@dataclass(frozen=True)
class SampleSettings:
    """What a sample contains.

    ``n`` is the number of photos and ``size`` the side of a photo in pixels. ``defective`` is
    the share of parts with a defect, between 0 and 1; both classes are always present.
    ``difficulty`` applies to all defects (1 obvious, 2 plain, 3 faint); None mixes the three.
    """

    n: int
    seed: int
    size: int = 256
    photos_per_part: int = 3
    defective: float = 0.5
    difficulty: int | None = None

    @property
    def parts(self) -> int:
        """The number of parts. The last part may have fewer photos than the others."""
        return -(-self.n // self.photos_per_part)

    def photos_of(self, k: int) -> int:
        """The number of photos of part ``k``, from 0."""
        return min(self.photos_per_part, self.n - k * self.photos_per_part)


def render_sample(
    folder: Path,
    settings: SampleSettings,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a sample into ``folder/photos`` and return the path of its CSV of labels.

    ``on_progress`` receives the number of finished photos and the number of all photos. The CSV
    has the ``COLUMNS``: one row per photo, sorted by path, with the box of the defect in pixels.
    It is written last, so a folder without it is incomplete.

    Raises ``UsageError`` for a setting out of its range and ``DataError`` for a folder that is
    not empty.
    """
    _check(settings)
    photos = _prepare(folder)
    seed, names = settings.seed, _names(settings.seed, settings.parts)
    rows: list[Row] = []
    # Sorted by name, so that the modification times of the files do not reveal the classes.
    for k in sorted(range(settings.parts), key=names.__getitem__):
        defect = _defect_of(settings, k)
        part_seed = np.random.SeedSequence(seed, spawn_key=(_PARTS, k))
        part = render_part(part_seed, size=settings.size, defect=defect)
        for j in range(settings.photos_of(k)):
            photo = photograph(part, np.random.SeedSequence(seed, spawn_key=(_PHOTOS, k, j)))
            path = photos / f"{names[k]}-{j + 1}.jpg"
            path.write_bytes(_jpeg(photo))
            rows.append(_row(f"{photos.name}/{path.name}", names[k], defect, photo))
            if on_progress is not None:
                on_progress(len(rows), settings.n)
    labels = folder / "labels.csv"
    write_csv(labels, sorted(rows, key=lambda row: str(row["path"])), COLUMNS)
    return labels


def _check(settings: SampleSettings) -> None:
    per_part, least = settings.photos_per_part, settings.photos_per_part + 1
    if per_part < 1:
        raise UsageError(f"Expected at least 1 photo per part, but got {per_part}.")
    if settings.n < least:
        raise UsageError(
            f"Expected at least {least} photos, but got {settings.n}: the sample needs one good "
            f"and one defective part, and {per_part} photos per part.",
            "Increase the number of photos, or reduce the number of photos per part.",
        )
    if settings.seed < 0:
        raise UsageError(f"Expected a seed of 0 or more, but got {settings.seed}.")
    if settings.size < _SMALLEST:
        raise UsageError(
            f"Expected photos of at least {_SMALLEST} pixels a side, but got {settings.size}."
        )
    if not 0 < settings.defective < 1:
        raise UsageError(
            "Expected a share of defective parts greater than 0 and less than 1, but got "
            f"{settings.defective}."
        )
    if settings.difficulty is not None and settings.difficulty not in DIFFICULTIES:
        raise UsageError(f"Expected a difficulty of 1, 2 or 3, but got {settings.difficulty}.")


def _prepare(folder: Path) -> Path:
    """Create the folder for the photos inside ``folder``, which must be new or empty."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"Expected a folder for the sample, but {folder} is a file.")
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(
            f"Expected a new or empty folder for the sample, but {folder} is not empty.",
            "Choose another folder, or empty this one first.",
        )
    photos = folder / "photos"
    try:
        photos.mkdir(parents=True)
    except OSError as error:
        raise DataError(
            f"Cannot create the folder {photos}: {error.strerror}.", "Choose a writable folder."
        ) from error
    return photos


def _names(seed: int, parts: int) -> list[str]:
    """Shuffled serial numbers: the number of a part contains no information about it."""
    digits = max(4, len(str(parts - 1)))
    shuffled = stream(seed, _NAMES).permutation(10**digits)[:parts]
    return [f"part-{serial:0{digits}d}" for serial in shuffled]


def _defect_of(settings: SampleSettings, k: int) -> Defect | None:
    """The defect of part ``k``, or None for a good part.

    Six defects in a row cover all six types: three obvious, two plain and one faint. The type
    that is faint changes from one six to the next.
    """
    seed, share = settings.seed, settings.defective
    before = _defects_among(k, share)
    if _defects_among(k + 1, share) == before:
        return None
    turn, place = divmod(before, len(DEFECTS))
    kind = stream(seed, _KINDS, turn).permutation(len(DEFECTS))[place]
    start = stream(seed, _GRADES).permutation(len(_GRADES_IN_TURN))[kind]
    grade = _GRADES_IN_TURN[(start + turn) % len(_GRADES_IN_TURN)]
    return Defect(DEFECTS[kind], settings.difficulty or grade)


def _defects_among(parts: int, share: float) -> int:
    """The number of defective parts among the first ``parts``: ``share``, and 1 of 2 parts."""
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
