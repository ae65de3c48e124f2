"""``fastdefect split``: write the split or the folds for other tools. Needs no torch."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.config import DataConfig
from fastdefect.data.audit.part_checks import check_parts
from fastdefect.data.audit.survey import Survey
from fastdefect.data.describe import describe_photos, finding_notes, tell
from fastdefect.data.load import (
    divide,
    divide_into_folds,
    find_parts,
    list_data,
    must_search,
    read_listing,
    refuse_untrainable,
)
from fastdefect.data.photos import UNUSED, Manifest
from fastdefect.data.reading.csv_table import find_table
from fastdefect.data.settle import settle_reading
from fastdefect.data.splitting.folds import FOLD_COLUMNS, Folds, fold_rows
from fastdefect.data.splitting.split import SPLITS, split_rows
from fastdefect.errors import UsageError
from fastdefect.events import OnEvent
from fastdefect.files import write_csv, written_to
from fastdefect.run_files import SPLIT_COLUMNS


@dataclass(frozen=True)
class SplitReport:
    """The file written, the photos on each side (indices into the manifest), and their parts."""

    path: Path
    manifest: Manifest
    parts: tuple[str, ...]
    sides: Mapping[str, tuple[int, ...]]
    kind: str

    @property
    def labels(self) -> list[str]:
        """The class of every photo."""
        return [photo.label for photo in self.manifest.photos]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "path": str(self.path),
            "photos": {name: len(side) for name, side in self.sides.items()},
            "parts": {name: len({self.parts[i] for i in s}) for name, s in self.sides.items()},
        }


def split(
    config: DataConfig, *, seed: int, folds: int | None, out: Path, on_event: OnEvent
) -> SplitReport:
    """Read the photos, split them by parts and write the side of each photo to ``out``, a CSV.

    Raises ``UsageError`` if ``out`` can't be written, and the errors of reading and splitting.
    """
    _check_out(config.data, out)
    listing = list_data(config, new=True)
    refuse_untrainable(listing, config)
    config = settle_reading(listing, config, on_event)
    survey = Survey(len(listing.entries), search=must_search(listing, config))
    on_photo = survey.put if survey.searches else None
    manifest = read_listing(listing, config, on_event=on_event, on_photo=on_photo)
    parts, links = find_parts(manifest, survey, config, on_event=on_event)
    tell(describe_photos(manifest), on_event)
    found = check_parts(manifest.photos, manifest.classes, parts, links, manifest.good)
    tell(finding_notes([*manifest.findings, *found]), on_event)
    if folds is not None:
        dealt = divide_into_folds(manifest, parts, config, folds, seed=seed, on_event=on_event)
        _write(out, fold_rows(manifest, dealt), FOLD_COLUMNS)
        return SplitReport(out, manifest, dealt.parts, _sides_of(dealt), "fold")
    divided = divide(manifest, parts, config, seed=seed, on_event=on_event)
    sides = {**{name: divided.of(name) for name in SPLITS}, UNUSED: divided.unused}
    _write(out, split_rows(manifest, divided), SPLIT_COLUMNS)
    return SplitReport(out, manifest, divided.parts, sides, "split")


def _sides_of(folds: Folds) -> dict[str, tuple[int, ...]]:
    sides = {str(fold): folds.held_out(fold) for fold in range(1, folds.k + 1)}
    return {**sides, "test": folds.test, UNUSED: folds.unused}


def _check_out(data: Path, out: Path) -> None:
    """Raise ``UsageError`` if ``out`` is the file of the labels."""
    table = find_table(data) if data.is_dir() else data
    if table is not None and os.path.realpath(table) == os.path.realpath(out):
        raise UsageError(
            f"--out {out} would overwrite the labels, which are read from this file.",
            "Choose another file for the split.",
        )


def _write(out: Path, rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> None:
    with written_to(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_csv(out, rows, columns)
