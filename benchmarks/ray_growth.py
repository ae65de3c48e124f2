"""Photos a second of ``predict --engine ray``: measured with real workers, simulated with many.

    python benchmarks/ray_growth.py [--photos 1200] [--repeats 3] [--workers 1,8,64]
        [--shard-photos 1000] [--seconds S] [--folder FOLDER]

First ``predict`` decides on rendered photos in one process and with one and two workers, as whole
commands, and the script compares the rows. Then it simulates larger clusters on this computer: the
workers are processes of Ray, but they sleep for the measured time of a photo instead of
deciding on it, and have a small fraction of a CPU each. Real are the listing, the shards, the
scheduling, the Parquet files of made-up rows, the way of the rows to the first process, its checks,
counts and writing. Not simulated are a network, an object store, and workers that disturb each
other. The photos are links to one file, four shards of ``--shard-photos`` for each worker.
``--seconds`` of a photo leave out the measurement. ``--folder`` keeps all files.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.dataset
from audit_scaling import make_photos

from fastdefect.data.reading.unlabelled import Sources
from fastdefect.events import silent
from fastdefect.jobs.predict import Output
from fastdefect.jobs.predict_sharded import ShardedOutput, predict_sharded
from fastdefect.jobs.predicting.deciding import decided_rows
from fastdefect.jobs.predicting.engine_ray import RayEngine, connected
from fastdefect.jobs.predicting.open_model import find_model
from fastdefect.jobs.predicting.parquet import parquet_bytes
from fastdefect.jobs.predicting.shards import Shard, ShardWork
from fastdefect.jobs.trained.names import Names, Patterns
from fastdefect.jobs.trained.request import Request

SHARDS = 4  # of each simulated worker
TRAINED = (
    "--arch efficientnet-lite0 --tune head --device cpu --workers 0 --final none --views none "
    "--parts none --good good"
).split()


@dataclass(frozen=True)
class Ran:
    """A command: seconds, its events, and photos a second after the first progress."""

    seconds: float
    events: list[dict[str, Any]]
    rate: float


def fastdefect(*arguments: str, cwd: Path) -> Ran:
    """Run a command. Raises ``RuntimeError`` if it fails."""
    started, events = time.perf_counter(), []
    progress = []
    with subprocess.Popen(
        [sys.executable, "-m", "fastdefect", *arguments, "--json"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
    ) as process:
        for line in process.stdout or ():
            events.append(event := json.loads(line))
            if event["event"] == "progress":
                progress.append((time.perf_counter(), event["done"]))
    if process.returncode != 0:
        raise RuntimeError(f"fastdefect {' '.join(arguments)} failed")
    rate = 0.0
    if len(progress) > 1:
        (begun, some), (end, all_done) = progress[0], progress[-1]
        rate = (all_done - some) / (end - begun)
    return Ran(time.perf_counter() - started, events, rate)


def model_in(folder: Path) -> Path:
    """A bundle of EfficientNet-Lite0 with a head for the rendered photos."""
    bundle = folder / "model.fdb"
    if not bundle.exists():
        fastdefect("fit", "photos", "--runs", "runs", *TRAINED, cwd=folder)
        fastdefect("export", "--runs", "runs", "--out", bundle.name, cwd=folder)
    return bundle


def measure(folder: Path, bundle: Path, photos: int, repeats: int) -> float:
    """Print what one process and one and two workers need; seconds a photo of one thread.

    Each is the best of ``repeats`` in turn, as other programs of the computer slow some of them.
    """
    size = ("--shard-photos", str(max(16, photos // 16)))
    ways: dict[str, tuple[str, ...]] = {
        "one process, one thread": ("--threads", "1"),
        "one process": (),
        "1 worker": ("--engine", "ray", "--workers", "1", *size),
        "2 workers": ("--engine", "ray", "--workers", "2", *size),
    }
    ran: dict[str, list[Ran]] = {way: [] for way in ways}
    found: dict[str, Any] = {}
    for repeat in range(repeats):
        for i, (way, options) in enumerate(ways.items()):
            out = f"{repeat}-{i}" + ("" if "ray" in options else ".parquet")
            command = ("predict", str(bundle), "photos", *options, "--fail-on", "never")
            ran[way].append(fastdefect(*command, "--out", out, cwd=folder))
            found[way] = rows_of(folder / out)
    print("| way | seconds, whole command | photos/s after the start | rows equal |")
    print("|---|---|---|---|")
    for way, each in ran.items():
        seconds, rate = min(r.seconds for r in each), max(r.rate for r in each)
        equal = found[way] == found["one process"]
        print(f"| {way} | {seconds:.1f} | {rate:.1f} | {equal} |", flush=True)
    return 1 / max(each.rate for each in ran["one process, one thread"])


def rows_of(out: Path) -> list[dict[str, Any]]:
    """The rows of a result without their milliseconds."""
    where = out if out.is_file() else out / "photos"
    rows = pyarrow.dataset.dataset(where).to_table().to_pylist()
    return [{**row, "milliseconds": None} for row in rows]


@dataclass
class Sleeping(ShardWork):
    """The work of a simulated worker: it sleeps, then gives rows as ``row`` with other names."""

    row: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __call__(self, shard: Shard) -> bytes:
        time.sleep(self.seconds * len(shard.photos))
        rows = [self.row | {"path": each.name} for each in shard.candidates()]
        return parquet_bytes(rows, tuple(self.row))


class Timed:
    """An engine that sends ``work`` instead, and notes when each shard was ready."""

    def __init__(self, engine: RayEngine, work: Sleeping) -> None:
        self._engine, self._work = engine, work
        self.times: list[float] = []

    def __call__(self, shards: Sequence[Shard], work: ShardWork) -> Iterator[tuple[int, bytes]]:
        self.times.append(time.perf_counter())
        for done in self._engine(shards, self._work):
            self.times.append(time.perf_counter())
            yield done


def simulate(folder: Path, bundle: Path, counts: Sequence[int], size: int, seconds: float) -> None:
    """Print the photos a second of so many simulated workers with shards of ``size`` photos."""
    source = find_model(str(bundle), folder / "runs", Request())
    scorer = source.open(silent)
    links = folder / "links"
    link_photos(folder / "photos", links, max(counts) * SHARDS * size)
    some = Sources.of([str(next(links.iterdir()))])
    row = next(decided_rows(scorer, Names(Patterns(), scorer), some, 1))
    work = Sleeping(source, Patterns(), scorer.identity, row=row, seconds=seconds)
    print(f"\nSimulated, {seconds * 1000:.1f} ms for a photo, {size} photos in a shard:\n")
    print("| workers | photos | start, s | photos/s | of the ideal | first process, CPU s |")
    print("|---|---|---|---|---|---|")
    with connected(None, max(2, os.cpu_count() or 2), 1, silent) as engine:
        for workers in counts:
            photos = workers * SHARDS * size
            candidates = list(Sources.of([str(links)]))[:photos]
            small = replace(engine, workers=workers, cpus=1 / max(counts))
            timed = Timed(small, work)
            out = ShardedOutput(str(folder / f"s{workers}-{size}"), Output(), size)
            cpu = time.process_time()
            predict_sharded(source, scorer, candidates, out, timed, on_event=silent)
            cpu = time.process_time() - cpu
            # Until each worker has done a shard, they start; a rate is that of the other shards.
            begun, all_begun, end = timed.times[0], timed.times[workers], timed.times[-1]
            rate = (photos - workers * size) / (end - all_begun)
            start = all_begun - begun - seconds * size
            share = rate * seconds / workers
            print(
                f"| {workers} | {photos} | {start:.1f} | {rate:.1f} | {share:.0%} | {cpu:.1f} |",
                flush=True,
            )


def link_photos(source: Path, folder: Path, n: int) -> None:
    """A folder with ``n`` links to one photo."""
    photo = next(source.rglob("*.jpg"))
    folder.mkdir(exist_ok=True)
    for i in range(sum(1 for _ in folder.iterdir()), n):
        (folder / f"{i:06}.jpg").symlink_to(photo)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shard-photos", type=int, default=1000)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--workers", default="1,8,64")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "photos").mkdir(exist_ok=True)
        make_photos(folder / "photos", given.photos)
        bundle = given.bundle.resolve() if given.bundle else model_in(folder)
        seconds = given.seconds or measure(folder, bundle, given.photos, given.repeats)
        counts = [int(n) for n in given.workers.split(",")]
        simulate(folder, bundle, counts, given.shard_photos, seconds)


if __name__ == "__main__":
    main()
