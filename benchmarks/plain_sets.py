"""The data of ``plain.py``: sets of photos, their parts, and the held-out parts."""

import csv
import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from fastdefect.data.reading.images import IMAGE_SUFFIXES
from fastdefect.files import write_csv
from fastdefect.sample.render import SampleSettings, render_sample

SETS: Mapping[str, str | None] = {  # with the good class
    "sample": "good",
    "casting": "ok_front",
    "neu": None,
    "mtd-free": "Free",
    "mtd": "Free",
}
THIRDS = 3  # a third of the photos is held out
_TRIES = 100


@dataclass(frozen=True)
class Row:
    """A photo: its path, its label and its part."""

    path: str
    label: str
    part: str


@dataclass(frozen=True)
class Sides:
    """A set divided into two sides, with whole parts on each side."""

    name: str
    good: str | None
    rest: tuple[Row, ...]
    held_out: tuple[Row, ...]

    @property
    def good_names(self) -> tuple[str, ...]:
        """The good class, if any, as the program takes it."""
        return () if self.good is None else (self.good,)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({row.label for row in self.rest}))


@dataclass(frozen=True)
class Source:
    """The source of the sets: ``datasets`` contains the folders, ``work`` the generated files."""

    datasets: Path | None
    work: Path
    sample_n: int = 600
    sample_size: int = 256
    sample_difficulty: int | None = None

    def rows(self, name: str) -> tuple[Row, ...]:
        """Return all photos of a set by path; search for parts once and keep them in ``work``."""
        if name == "sample":
            return self._sample()
        if self.datasets is None:
            raise SystemExit(f"--sets {name} requires --datasets DIR, the folder that contains it.")
        if name.startswith("mtd"):
            rows = _tiles(self.datasets / "mtd")
            return rows if name == "mtd" else tuple(map(_free_or_defect, rows))
        return self._searched(name, self.datasets / name)

    def _sample(self) -> tuple[Row, ...]:
        grade = self.sample_difficulty
        name = f"sample-{self.sample_n}-{self.sample_size}-{grade or 'mixed'}"
        folder = self.work / "sets" / name
        if not (folder / "labels.csv").exists():  # written last
            shutil.rmtree(folder, ignore_errors=True)
            settings = SampleSettings(self.sample_n, 1, self.sample_size, difficulty=grade)
            render_sample(folder, settings)
        return _read(folder / "labels.csv", folder)

    def _searched(self, name: str, folder: Path) -> tuple[Row, ...]:
        table = self.work / "sets" / f"{name}.csv"
        if not table.exists():
            table.parent.mkdir(parents=True, exist_ok=True)
            print(f"{name}: searching for photos of the same part", file=sys.stderr, flush=True)
            command = [
                *(sys.executable, "-m", "fastdefect", "split", str(folder)),
                *("--good", SETS[name] or "none", "--out", str(table), "--quiet"),
            ]
            subprocess.run(command, check=True)
        return _read(table, folder)


def divide(
    name: str, rows: Sequence[Row], split_seed: int, *, rotate: bool = False
) -> tuple[Sides, ...]:
    """Hold out a third of the photos as whole parts, or each third in turn if ``rotate``.

    A third has a sixth to a half of the photos of each class. If a class has few parts, a draw
    may not allow this. Then the parts are drawn again, in an order that follows from the number
    of the attempt.
    """
    labels, parts = [row.label for row in rows], [row.part for row in rows]
    of_class = Counter(labels)
    held = range(THIRDS if rotate else 1)
    for attempt in range(_TRIES):
        third = thirds(parts, f"{split_seed}" if not attempt else f"{split_seed}.{attempt}")
        out = Counter(zip(labels, third, strict=True))
        if all(n / 6 <= out[label, k] <= n / 2 for label, n in of_class.items() for k in held):
            return tuple(_sides(name, rows, [k == number for k in third]) for number in held)
    raise SystemExit(
        f"{name}: expected a sixth to a half of the photos of each of "
        f"{', '.join(sorted(of_class))} in a third of the parts, but {_TRIES} attempts found no "
        f"such draw. The set has {len(set(parts))} parts, which is too few."
    )


def _sides(name: str, rows: Sequence[Row], held: Sequence[bool]) -> Sides:
    rest = tuple(row for row, is_out in zip(rows, held, strict=True) if not is_out)
    test = tuple(row for row, is_out in zip(rows, held, strict=True) if is_out)
    return Sides(name, SETS[name], rest, test)


def thirds(parts: Sequence[str], salt: str) -> list[int]:
    """Return for each photo the third of its part: 0, 1 or 2, of about as many photos.

    The order of the parts is that of a hash of ``salt`` and their name. A part belongs to the
    first third that it brings closer to a third of the photos.
    """
    sizes = Counter(parts)
    third = dict.fromkeys(sizes, THIRDS - 1)
    waiting = sorted(sizes, key=lambda part: _hash(f"{salt}:{part}"))
    for number in range(THIRDS - 1):
        remaining = len(parts) / THIRDS
        for part in waiting:
            if sizes[part] / 2 <= remaining:
                third[part] = number
                remaining -= sizes[part]
        waiting = [part for part in waiting if third[part] != number]
    return [third[part] for part in parts]


def draw_per_class(rows: Sequence[Row], n: int | None, seed: int) -> tuple[Row, ...]:
    """Draw at most ``n`` photos of each class; a larger draw contains a smaller one."""
    if n is None:
        return tuple(rows)
    chosen: list[int] = []
    for label in sorted({row.label for row in rows}):
        places = [place for place, row in enumerate(rows) if row.label == label]
        rng = np.random.default_rng((seed, crc32(label.encode())))
        chosen += rng.permutation(places)[:n].tolist()
    return tuple(rows[place] for place in sorted(chosen))


def stretches(frames: Sequence[int], *, gap: int = 100, least: int = 30) -> list[int]:
    """Return the stretch number of each frame; a stretch of ``least`` frames ends at a gap.

    Frames with close numbers show the same tile or its neighbours. Frames at a distance of
    ``gap`` or less are therefore in the same stretch.
    """
    order = sorted(range(len(frames)), key=frames.__getitem__)
    stretch = [0] * len(frames)
    number = size = 0
    for before, at in zip([*order[:1], *order], order, strict=False):
        if size >= least and frames[at] - frames[before] > gap:
            number, size = number + 1, 0
        stretch[at] = number
        size += 1
    return stretch


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a CSV for ``fit --parts csv`` and the plain loop."""
    write_csv(path, [asdict(row) for row in rows], ("path", "label", "part"))


def _tiles(folder: Path) -> tuple[Row, ...]:
    photos = [path for path in sorted(folder.glob("*/*")) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not photos:
        raise SystemExit(f"Expected folders of photos in {folder}, found none. Check --datasets.")
    # exp<setting>_num_<frame>.jpg
    numbers = stretches([int(photo.stem.rpartition("_")[2]) for photo in photos])
    return tuple(
        Row(str(photo.resolve()), photo.parent.name, f"stretch-{number:02}")
        for photo, number in zip(photos, numbers, strict=True)
    )


def _free_or_defect(row: Row) -> Row:
    return row if row.label == "Free" else Row(row.path, "defect", row.part)


def _read(table: Path, folder: Path) -> tuple[Row, ...]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        Row(str((folder / row["path"]).resolve()), row["label"], row["part"]) for row in rows
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
