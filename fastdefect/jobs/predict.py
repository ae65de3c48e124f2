"""Decide on photos without labels."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastdefect.data.parts.given import parts_from_names
from fastdefect.data.reading.unlabelled import Candidate, Sources
from fastdefect.errors import DataError, UsageError
from fastdefect.events import OnEvent, Progress
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import Decided, decide_all
from fastdefect.jobs.predicting.result_file import Journal, check_suffix, write_result
from fastdefect.jobs.predicting.rows import (
    PART_COLUMNS,
    Row,
    Tally,
    part_rows,
    photo_columns,
    photo_row,
)

By = Literal["photo", "part"]
FailOn = Literal["unreadable", "look", "reject", "never"]
_EVERY = 0.2  # seconds between two reports of the progress


@dataclass(frozen=True)
class Output:
    """Where the rows go, and of what: ``by`` photo or part. ``resume`` continues a killed run.

    ``part_from`` is a regular expression for the part in a name; None is that of the model.
    """

    out: Path | None = None
    by: By = "photo"
    resume: bool = False
    part_from: str | None = None


@dataclass(frozen=True)
class Predicted:
    """What was decided: the counts, the rows of parts if asked for, and the written file.

    ``resumed`` counts the photos that an earlier run had decided. ``per_second`` are photos a
    second, of this run.
    """

    tally: Tally
    parts: tuple[Row, ...]
    file: Path | None
    resumed: int
    per_second: float
    model: str

    def as_json(self) -> dict[str, Any]:
        """The counts, and the parts if asked for."""
        return {
            "model": self.model,
            **self.tally.as_json(),
            "parts": list(self.parts),
            "resumed": self.resumed,
            "photos_per_second": self.per_second,
            "file": str(self.file) if self.file else None,
        }


def predict(
    scorer: Scorer,
    sources: Sources,
    output: Output,
    *,
    threads: int | None = None,
    on_event: OnEvent,
) -> Predicted:
    """Decide on all photos of ``sources``, in order, and write a row for each.

    Raises ``UsageError`` if ``output`` can't be written, and ``DataError`` if there is no photo.
    """
    part_of = PartOf(output.part_from or scorer.part_from)
    tally, started, parts = Tally(), time.monotonic(), []
    with Journal(output.out, resume=output.resume) if output.out else nullcontext() as journal:
        known = _known(journal, scorer, tally) if journal else set()
        resumed = tally.total
        candidates = [c for c in sources if _key(c.name) not in known]
        if not candidates and not resumed:
            raise DataError(
                "Expected photos, but found none.", "Name other files, folders or patterns."
            )
        for row in _rows(scorer, candidates, part_of, threads, on_event):
            tally.add(row)
            if journal:
                journal.append(row)
            elif output.by == "part":
                parts.append(row)
        seconds = max(time.monotonic() - started, 1e-9)
    if journal and output.out:
        parts = _finish(journal, output.out, output.by, scorer)
    elif output.by == "part":
        parts = list(part_rows(parts))
    rate = (tally.total - resumed) / seconds
    return Predicted(tally, tuple(parts), output.out, resumed, rate, scorer.name)


def check_output(output: Output) -> None:
    """Raise ``UsageError`` for an output that can't be written, before a model is loaded."""
    if output.out is not None:
        check_suffix(output.out)
    elif output.resume:
        raise UsageError("--resume continues a file, but there is no --out.", "Add --out FILE.")
    if output.part_from is not None:
        parts_from_names([], output.part_from)


def failing(predicted: Predicted, level: FailOn) -> bool:
    """Whether a photo is unreadable, or its decision is ``level`` or worse."""
    tally = predicted.tally
    if level == "never":
        return False
    worse = {"unreadable": 0, "reject": tally.counts["reject"]}
    worse["look"] = worse["reject"] + tally.counts["look"]
    return tally.unreadable + worse[level] > 0


def _rows(
    scorer: Scorer,
    candidates: list[Candidate],
    part_of: "PartOf",
    threads: int | None,
    on_event: OnEvent,
) -> Iterator[Row]:
    total, shown, started = len(candidates), 0.0, time.monotonic()
    done: Iterable[Decided[Candidate]] = decide_all(
        scorer, candidates, lambda candidate: candidate.path, threads=threads
    )
    for number, each in enumerate(done, 1):
        yield photo_row(each, part_of(each.item), scorer)
        now = time.monotonic()
        if now - shown >= _EVERY or number == total:
            shown = now
            rate = number / max(now - started, 1e-9)
            left = (total - number) / rate
            on_event(
                Progress(f"deciding, {rate:.1f} photos/s, {_duration(left)} left", number, total)
            )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class PartOf:
    """The part of a photo: given by a table, else in its name."""

    def __init__(self, pattern: str | None) -> None:
        self._pattern = pattern

    def __call__(self, candidate: Candidate) -> str | None:
        """The name of the part; None if it is not known."""
        if candidate.part is not None or self._pattern is None:
            return candidate.part
        try:
            return parts_from_names([candidate.name], self._pattern)[0]
        except DataError:  # this name does not match
            return None


def _known(journal: Journal, scorer: Scorer, tally: Tally) -> set[bytes]:
    """The photos that the journal has; their rows count, but are not computed again."""
    known = set()
    for row in journal.rows():
        if row["model"] != scorer.identity[:12]:
            raise DataError(
                f"{journal.path} was begun with another model or another operating point "
                f"({row['model']}, now {scorer.identity[:12]}).",
                "Use the same model to continue it, or delete the file.",
            )
        known.add(_key(row["path"]))
        tally.add(row)
    return known


def _key(name: str) -> bytes:
    """16 bytes for a name: a hundred thousand names would be ten times as large."""
    return hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _finish(journal: Journal, out: Path, by: By, scorer: Scorer) -> list[Row]:
    if by == "part":
        parts = list(part_rows(journal.rows()))
        write_result(out, parts, PART_COLUMNS)
    else:
        parts = []
        write_result(out, journal.rows(), photo_columns(scorer.judge.classes))
    journal.path.unlink()
    return parts
