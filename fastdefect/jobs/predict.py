"""Decide on photos without labels."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastdefect.config import Unit
from fastdefect.data.reading.unlabelled import Candidate, Sources, fingerprint
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Note, OnEvent
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.deciding import decided_rows
from fastdefect.jobs.predicting.meter import Meter
from fastdefect.jobs.predicting.parts import PART_COLUMNS, Parts
from fastdefect.jobs.predicting.result_file import Journal, check_out
from fastdefect.jobs.predicting.rows import (
    Row,
    Tally,
    columns_of,
    common_text,
    model_of,
    view_text,
)
from fastdefect.jobs.trained.names import Names, Patterns
from fastdefect.text import counted

FailOn = Literal["unreadable", "look", "reject", "never"]
OnRow = Callable[[Row], None]


@dataclass(frozen=True)
class Output:
    """Where the rows go, and of what: ``by`` photo or part. ``resume`` continues a killed run.

    Without ``by`` the rows are of what the model decides. ``part_from``, ``view_from`` and
    ``product_from`` are regular expressions for names; None is that of the model.
    """

    out: Path | None = None
    by: Unit | None = None
    resume: bool = False
    part_from: str | None = None
    view_from: str | None = None
    product_from: str | None = None

    @property
    def patterns(self) -> Patterns:
        """The regular expressions for names."""
        return Patterns(self.part_from, self.view_from, self.product_from)


@dataclass(frozen=True)
class Predicted:
    """What was decided: the counts, the parts if asked for, and the written file or folder.

    ``resumed`` counts the photos that an earlier run had decided. ``per_second`` are photos a
    second, of this run; None for a watch, which mostly waits.
    """

    tally: Tally
    parts: Parts | None
    file: Path | str | None
    resumed: int
    per_second: float | None
    model: str

    def as_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "model": self.model,
            **self.tally.as_json(),
            "parts": None if self.parts is None else len(self.parts),
            "of_parts": None if self.parts is None else self.parts.decisions,
            "resumed": self.resumed,
            "photos_per_second": self.per_second,
            "file": str(self.file) if self.file else None,
        }


def no_row(row: Row) -> None:
    """Ignore the row."""


def predict(
    scorer: Scorer,
    sources: Sources,
    output: Output,
    *,
    threads: int | None = None,
    on_event: OnEvent,
    on_row: OnRow = no_row,
) -> Predicted:
    """Decide on all photos of ``sources``, in order, and write a row for each.

    ``on_row`` gets each new row. Raises ``UsageError`` if ``output`` can't be written, and
    ``DataError`` if there is no photo. After Ctrl-C the rows so far are kept for ``resume``.
    """
    names = Names(output.patterns, scorer)
    by = output.by or scorer.judge.rule.unit
    tally, parts = Tally.of(scorer), Parts(scorer) if by == "part" else None
    columns, identity = columns_of(scorer), model_of(scorer)
    with Journal(output.out, columns, identity, resume=output.resume) as journal:
        earlier = _Earlier(journal, sources, names)
        for row in journal.rows():
            count(row, tally, parts)
        meter = Meter(on_event, sources.total, resumed := tally.total)
        try:
            for row in decided_rows(scorer, names, earlier.others(), threads):
                journal.append(row)
                count(row, tally, parts)
                on_row(row)
                meter.step()
        except KeyboardInterrupt:
            kept = f" {journal.kept}" if tally.total and journal.kept else ""
            on_event(Note(f"Interrupted after {counted(tally.total, 'photo')}.{kept}"))
            raise
        if not tally.total:
            raise no_photos()
        meter.close()
        if parts is None:
            journal.complete(journal.rows(), columns)
        else:
            journal.complete(parts.rows(), PART_COLUMNS)
    _warn(earlier, tally, parts, on_event)
    return Predicted(tally, parts, output.out, resumed, meter.per_second, scorer.name)


def no_photos() -> DataError:
    """The error without any photo."""
    return DataError("Expected photos, but found none.", "Name other files, folders or patterns.")


def check_output(output: Output) -> None:
    """Raise ``UsageError`` or ``DataError`` before a model is loaded, which may take long."""
    if output.out is not None:
        check_out(output.out, resume=output.resume)
    elif output.resume:
        raise UsageError("--resume continues a file, but there is no --out.", "Add --out FILE.")
    output.patterns.check()


def failing(predicted: Predicted, level: FailOn) -> bool:
    """Whether a photo is unreadable, or a decision is ``level`` or worse.

    The decisions are those on parts if there are any, else those on photos.
    """
    tally, parts = predicted.tally, predicted.parts
    if level == "never":
        return False
    counts = Counter[str](tally.counts if parts is None else parts.decisions)
    worse = {"unreadable": 0, "reject": counts["reject"]}
    worse["look"] = worse["reject"] + counts["look"]
    return tally.unreadable + worse[level] > 0


class _Earlier:
    """The photos that the journal has; their rows count, but are not computed again."""

    def __init__(self, journal: Journal, sources: Sources, names: Names) -> None:
        """The errors are those of ``Journal.rows``."""
        self._path, self._sources, self._names = journal.path, sources, names
        # A hash instead of the part: there may be a hundred thousand rows.
        self._missing = {fingerprint(row["path"]): hash(row["part"]) for row in journal.rows()}

    @property
    def n_missing(self) -> int:
        """How many of these photos were not among the sources."""
        return len(self._missing)

    def others(self) -> Iterator[Candidate]:
        """The photos of the sources that the journal does not have.

        Raises ``DataError`` if one that it has is now of another part.
        """
        for candidate in self._sources:
            key = fingerprint(candidate.name)
            if key not in self._missing:
                yield candidate
            elif self._missing.pop(key) != hash(part := self._names.part(candidate)):
                raise DataError(
                    f"{self._path} was begun with other parts: {candidate.name} is now of "
                    f"{'no part' if part is None else f'part {part}'}.",
                    "Continue with the same --part-from and tables, or delete the file.",
                )


def count(row: Row, tally: Tally, parts: Parts | None) -> None:
    """Count the row of a photo."""
    tally.add(row)
    if parts is not None:
        parts.add(row)


def _warn(earlier: _Earlier, tally: Tally, parts: Parts | None, on_event: OnEvent) -> None:
    if earlier.n_missing:
        text = (
            f"{counted(earlier.n_missing, 'row')} of the run that was continued are of photos that "
            "are not named now, or are no longer there. These rows are kept."
        )
        on_event(Note(text, "warning"))
    warn_of(tally, parts, on_event)


def warn_of(tally: Tally, parts: Parts | None, on_event: OnEvent) -> None:
    """Warn of parts that lack a view, of photos without a part, and of unknown products."""
    if parts is not None and parts.incomplete:
        text = (
            f"{counted(parts.incomplete, 'part')} without a photo of every view that the model "
            "learned from: decided by the photos that there are. The column missing_views has them."
        )
        on_event(Note(text, "warning"))
    if parts is not None and not parts.known:
        text = (
            "No photo has a known part, so each photo counts as a part. "
            "--part-from REGEX finds the part in a path."
        )
        on_event(Note(text, "warning"))
    for text in filter(None, (common_text(tally), view_text(tally))):
        on_event(Note(text, "warning"))
