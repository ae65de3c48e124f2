"""Decide on photos in shards, by several workers, into a Parquet data set."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predict import OnRow, Output, Predicted, count, no_photos, no_row, warn_of
from fastdefect.jobs.predicting.data_set import (
    DataSet,
    Manifest,
    ModelFacts,
    PhotoFacts,
    Settings,
    check_folder,
    open_data_set,
)
from fastdefect.jobs.predicting.meter import Meter
from fastdefect.jobs.predicting.open_model import ModelSource
from fastdefect.jobs.predicting.out_folder import OutFolder, out_folder
from fastdefect.jobs.predicting.parquet import column_types, parquet_rows
from fastdefect.jobs.predicting.parts import Parts
from fastdefect.jobs.predicting.rows import Row, Tally, columns_of
from fastdefect.jobs.predicting.shards import PhotoList, Shard, ShardWork, shard_size

# Does the work on each shard, in any order: the index of a shard, and what the work gave.
Engine = Callable[[Sequence[Shard], ShardWork], Iterable[tuple[int, bytes]]]


@dataclass(frozen=True)
class ShardedOutput:
    """The folder or URL ``out`` of the data set; ``of`` says what its rows are of, as elsewhere.

    ``shard_photos`` is the number of photos in a shard; None is that of the data set that is
    continued, else a number for which all ``workers`` have work.
    """

    out: str
    of: Output
    shard_photos: int | None = None
    workers: int = 1

    @property
    def folder(self) -> OutFolder:
        """Where the files go. Raises as ``out_folder``."""
        return out_folder(self.out)


def check_sharded(output: ShardedOutput) -> None:
    """Raise ``UsageError`` or ``DataError`` before a model is loaded or a cluster is started."""
    output.of.patterns.check()
    check_folder(output.folder, resume=output.of.resume)


def predict_sharded(
    source: ModelSource,
    scorer: Scorer,
    sources: Iterable[Candidate],
    output: ShardedOutput,
    engine: Engine,
    *,
    threads: int = 1,
    on_event: OnEvent,
    on_row: OnRow = no_row,
) -> Predicted:
    """Decide on all photos of ``sources``, and write a data set with a row for each.

    ``scorer`` is the opened ``source``. ``threads`` are those of a worker. The rows are those of
    ``predict``, in the same order; ``on_row`` gets the new ones in this order. Raises as
    ``open_data_set``, ``DataError`` if there is no photo, and as ``engine``. After Ctrl-C the
    finished shards are kept for ``resume``.
    """
    photos = PhotoList.of(sources)
    if not photos.lines:
        raise no_photos()
    data_set = _begun(scorer, photos, output, on_event)
    shards = photos.shards(data_set.settings.shard_photos)
    missing = [each for each in shards if each.index not in data_set.done]
    resumed = len(photos.lines) - sum(len(each.photos) for each in missing)
    found = _Found(data_set, scorer, on_row)
    meter = Meter(on_event, len(photos.lines), resumed)
    work = ShardWork(source, output.of.patterns, scorer.identity, threads)
    try:
        for index, content in engine(missing, work) if missing else ():
            rows = list(parquet_rows(content))
            _check_rows(shards[index], rows)
            data_set.add(index, content, len(rows), sum(r["error"] is not None for r in rows))
            found.add(index, rows)
            meter.step(len(rows))
    except KeyboardInterrupt:
        kept = f"The finished shards are kept in {output.out}; --resume continues."
        on_event(Note(f"Interrupted. {kept}"))
        raise
    finally:
        data_set.save()
    found.finish(len(shards))
    meter.close()
    data_set.complete(found.parts)
    warn_of(found.tally, found.parts, on_event)
    return Predicted(found.tally, found.parts, output.out, resumed, meter.per_second, scorer.name)


def _begun(scorer: Scorer, photos: PhotoList, output: ShardedOutput, on_event: OnEvent) -> DataSet:
    """A new data set, or the one that is continued, without shards whose files were changed."""
    folder, of = output.folder, output.of
    earlier = check_folder(folder, resume=of.resume)
    size = output.shard_photos or (
        shard_size(len(photos.lines), output.workers)
        if earlier is None
        else earlier.settings.shard_photos
    )
    plan = Manifest(
        model=ModelFacts(name=scorer.name, identity=scorer.identity),
        photos=PhotoFacts(count=len(photos.lines), sha256=photos.sha256),
        settings=Settings(
            by=of.by or scorer.judge.rule.unit,
            shard_photos=size,
            part_from=of.part_from,
            view_from=of.view_from,
            product_from=of.product_from,
        ),
        columns=column_types(columns_of(scorer)),
    )
    data_set = open_data_set(folder, plan, earlier)
    for name in data_set.drop_damaged():
        on_event(Note(f"{folder}/{name} is gone or was changed: it is done again.", "warning"))
    return data_set


class _Found:
    """Counts the rows in the order of the photos, whatever the order of the shards."""

    def __init__(self, data_set: DataSet, scorer: Scorer, on_row: OnRow) -> None:
        self.tally = Tally.of(scorer)
        self.parts = Parts(scorer) if data_set.settings.by == "part" else None
        self._data_set, self._on_row = data_set, on_row
        self._earlier = data_set.done
        self._waiting: dict[int, list[Row]] = {}
        self._next = 0

    def add(self, index: int, rows: list[Row]) -> None:
        """Take the rows of a new shard, and count what is next."""
        self._waiting[index] = rows
        self._advance()

    def finish(self, shards: int) -> None:
        """Count what is left. All ``shards`` must be there."""
        self._advance()
        if self._next != shards:
            raise RuntimeError(f"Expected {shards} shards, but shard {self._next} is missing")

    def _advance(self) -> None:
        while True:
            if self._next in self._earlier:
                for row in self._data_set.rows(self._next):
                    count(row, self.tally, self.parts)
            elif (rows := self._waiting.pop(self._next, None)) is not None:
                for row in rows:
                    count(row, self.tally, self.parts)
                    self._on_row(row)
            else:
                return
            self._next += 1


def _check_rows(shard: Shard, rows: Sequence[Row]) -> None:
    """Raise ``DataError`` if a worker lacks files that are there here.

    Raises ``RuntimeError`` if it decided on other photos, which is an error of the program.
    """
    candidates = list(shard.candidates())
    if [each.name for each in candidates] != [row["path"] for row in rows]:
        raise RuntimeError(f"Expected the photos of shard {shard.index}, but got others")
    for candidate, row in zip(candidates, rows, strict=True):
        path = candidate.path
        if row["error"] == "no such file" and isinstance(path, Path) and path.exists():
            raise DataError(
                f"{path} is there on this computer, but not on a worker.",
                "Use photos on a disk that all computers have at the same path, or in an object "
                "store.",
            )
