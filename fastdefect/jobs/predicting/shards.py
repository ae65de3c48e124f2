"""The photos of a large prediction in shards, and what a worker does with one of them.

Lists and shards are text (JSON), so that they can be sent to another computer.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil

from fastdefect import __version__
from fastdefect.data.reading.unlabelled import Candidate, absolute, place_of
from fastdefect.errors import RunError
from fastdefect.events import silent
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.deciding import decided_rows
from fastdefect.jobs.predicting.open_model import ModelSource
from fastdefect.jobs.predicting.parquet import parquet_bytes
from fastdefect.jobs.predicting.rows import columns_of
from fastdefect.jobs.trained.names import Names, Patterns

MOST_PHOTOS = 2000  # in a shard: about a minute of one core, which a killed worker loses
_LEAST_PHOTOS = 16  # a batch
_SHARDS_A_WORKER = 4  # or more, so that no worker waits long for the last shard of another


@dataclass(frozen=True)
class Shard:
    """Some photos, in their order; ``index`` is the place of the shard among all."""

    index: int
    photos: tuple[str, ...]

    def candidates(self) -> Iterator[Candidate]:
        """The photos."""
        return map(_candidate, self.photos)

    def as_text(self) -> str:
        """All fields as text."""
        return json.dumps([self.index, *self.photos])

    @classmethod
    def from_text(cls, text: str) -> "Shard":
        """The shard of ``as_text``."""
        index, *photos = json.loads(text)
        return cls(index, tuple(photos))


@dataclass(frozen=True)
class PhotoList:
    """All photos of a prediction, each as a line of text: about 200 bytes of memory for each."""

    lines: tuple[str, ...]

    @classmethod
    def of(cls, candidates: Iterable[Candidate]) -> "PhotoList":
        """The photos, listed now."""
        return cls(tuple(map(_line, candidates)))

    @cached_property
    def sha256(self) -> str:
        """Changes with names, places, order, and with what tables say of a photo."""
        found = hashlib.sha256()
        for line in self.lines:
            found.update(line.encode() + b"\n")
        return found.hexdigest()

    def shards(self, size: int) -> list[Shard]:
        """Shards of ``size`` photos; the last one may have fewer."""
        starts = range(0, len(self.lines), size)
        return [Shard(i, self.lines[at : at + size]) for i, at in enumerate(starts)]


def shard_size(photos: int, workers: int) -> int:
    """How many photos a shard has by default: fewer for few photos, so that all workers work."""
    size = ceil(photos / (_SHARDS_A_WORKER * workers))
    return max(_LEAST_PHOTOS, min(size, MOST_PHOTOS))


@dataclass
class ShardWork:
    """What a worker does: it opens the model once, and makes a Parquet file of each shard.

    ``identity`` is that of the model in the process that sent the work, ``version`` that of its
    package. ``threads`` read and decide.
    """

    source: ModelSource
    patterns: Patterns
    identity: str
    threads: int = 1
    version: str = __version__
    _opened: Scorer | None = field(default=None, repr=False)

    def __call__(self, shard: Shard) -> bytes:
        """The rows of a shard as a Parquet file; the same bytes whoever computes them.

        Except for the milliseconds. Raises ``RunError`` if this installation or its copy of the
        model is another one, and as ``ModelSource.open``.
        """
        scorer = self._scorer()
        names = Names(self.patterns, scorer)
        rows = decided_rows(scorer, names, shard.candidates(), self.threads)
        return parquet_bytes(rows, columns_of(scorer))

    def _scorer(self) -> Scorer:
        if self._opened is None:
            if self.version != __version__:
                raise RunError(
                    f"Expected fastdefect {self.version} on every worker, but found {__version__}.",
                    "Install the same version on all computers of the cluster.",
                )
            self._opened = self.source.open(silent)
            if self._opened.identity != self.identity:
                raise RunError(
                    f"{self.source.name} is another model on a worker than here.",
                    "Export it, and decide with the bundle: fastdefect export RUN --out model.fdb",
                )
        return self._opened


_GIVEN = ("inside", "part", "label", "problem", "view", "product")


def _line(candidate: Candidate) -> str:
    """The photo as text, with a path that holds from any folder; empty fields are left out."""
    given = {name: value for name in _GIVEN if (value := getattr(candidate, name))}
    return json.dumps([candidate.name, absolute(candidate.path), given])


def _candidate(line: str) -> Candidate:
    name, place, given = json.loads(line)
    return Candidate(name, place_of(place), **given)
