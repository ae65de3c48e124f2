"""Feed mutated photos and files to their readers, each under limits of memory and time.

    python benchmarks/hostile.py photos [--count 10000] [--seed 1]
    python benchmarks/hostile.py files  [--count 10000] [--seed 1]

``photos``: small photos of every kind of file and depth, mutated by bytes and by their structure,
with bombs and other kinds of files between them. ``files``: tables, settings, annotations, weights,
checkpoints, run folders and bundles. A reader runs in a process whose memory is limited
(RLIMIT_AS); one that takes longer than --seconds for one file counts as a hang. Every outcome but
``read`` and ``rejected with a reason`` is a failure: its file is kept in --keep, and the exit
status is 1. A number (--only) repeats one file in this process, with its traceback.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the corpora are shared with the tests

from fastdefect.errors import FastdefectError

READ, REJECTED = "read", "rejected with a reason"
# One file: what it is, its bytes, and what reads it. It raises FastdefectError to reject the file.
Case = tuple[str, bytes, Callable[[], None]]
CaseOf = Callable[[int, int, Path], Case]


@dataclass
class Outcome:
    """One file: its kind, what became of it, seconds and the peak of the process in MiB."""

    index: int
    kind: str
    result: str
    seconds: float
    peak: int


@dataclass
class Series:
    """A series of files, and what became of them."""

    case_of: CaseOf
    seed: int
    count: int
    memory: int  # MiB, beside what the process has at its start
    seconds: float
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, on_failure: Callable[[Outcome], None]) -> None:
        """Read all files, in a new process after each that ends the process or hangs."""
        while len(self.outcomes) < self.count:
            start = len(self.outcomes)
            ours, theirs = get_context("fork").Pipe(duplex=False)
            child = get_context("fork").Process(target=self._read_from, args=(start, theirs))
            child.start()
            theirs.close()
            while len(self.outcomes) < self.count and (outcome := self._next(ours)):
                self._add(outcome, on_failure)
            if len(self.outcomes) < self.count:
                child.kill() if child.is_alive() else None
                child.join()
                hangs = child.exitcode == -signal.SIGKILL
                result = "hang" if hangs else f"crash: {child.exitcode}"
                self._add(Outcome(len(self.outcomes), "?", result, self.seconds, 0), on_failure)
            else:
                child.join()
            ours.close()

    def _add(self, outcome: Outcome, on_failure: Callable[[Outcome], None]) -> None:
        self.outcomes.append(outcome)
        if outcome.result not in (READ, REJECTED):
            on_failure(outcome)

    def _next(self, pipe: Connection) -> Outcome | None:
        try:
            return pipe.recv() if pipe.poll(self.seconds + 10) else None
        except EOFError:
            return None

    def _read_from(self, start: int, pipe: Connection) -> None:
        """In the child: read the files from ``start``."""
        limit = _address_space() + (self.memory << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        with tempfile.TemporaryDirectory() as folder:
            for index in range(start, self.count):
                pipe.send(self.outcome_of(index, Path(folder)))
        pipe.close()

    def outcome_of(self, index: int, folder: Path) -> Outcome:
        """Make and read one file in this process."""
        kind, _, read = self.case_of(self.seed, index, folder)
        started, result = time.perf_counter(), READ
        try:
            read()
        except FastdefectError as error:
            result = REJECTED if error.message and len(error.message) < 4000 else "no short message"
        except Exception as error:  # noqa: BLE001 - what is not a FastdefectError is a failure
            result = f"{type(error).__name__}: {error}"[:200]
        seconds = time.perf_counter() - started
        if seconds > self.seconds and result in (READ, REJECTED):
            result = "slow"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        return Outcome(index, kind, result, seconds, peak)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a series and print its figures; 1 if a file was neither read nor rejected."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("photos", "files"))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", type=int, default=3000, help="MiB")
    parser.add_argument("--seconds", type=float, default=60.0, help="for one file")
    parser.add_argument("--keep", type=Path, help="a folder for the files that fail")
    parser.add_argument("--only", type=int, help="the number of one file")
    options = parser.parse_args(arguments)
    if options.what == "photos":
        from hostile_photo_reader import photo_case as case_of
    else:
        from hostile_file_reader import file_case as case_of
    series = Series(case_of, options.seed, options.count, options.memory, options.seconds)
    if options.only is not None:
        return _one(series, options.only)
    started = time.perf_counter()

    def failed(outcome: Outcome) -> None:
        print(f"{outcome.index} {outcome.kind}: {outcome.result}", flush=True)
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as folder:
                data = case_of(options.seed, outcome.index, Path(folder))[1]
            (options.keep / f"{options.what}-{options.seed}-{outcome.index}").write_bytes(data)

    series.run(failed)
    _print(series, time.perf_counter() - started)
    return int(any(each.result not in (READ, REJECTED) for each in series.outcomes))


def _one(series: Series, index: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        kind, data, read = series.case_of(series.seed, index, Path(folder))
        print(f"{kind}, {len(data)} bytes")
        try:
            read()
            print(READ)
        except FastdefectError as error:
            print(f"{REJECTED}: {error.message}")
        except Exception:  # noqa: BLE001
            traceback.print_exc()
            return 1
    return 0


def _print(series: Series, wall: float) -> None:
    kinds: dict[str, list[Outcome]] = {}
    for each in series.outcomes:
        kinds.setdefault(each.kind.split()[0], []).append(each)
    print("| kind | files | read | rejected | else | slowest, s |\n|---|---|---|---|---|---|")
    for kind, found in [*sorted(kinds.items()), ("all", series.outcomes)]:
        counts = Counter(each.result for each in found)
        other = len(found) - counts[READ] - counts[REJECTED]
        slowest = max(each.seconds for each in found)
        cells = (kind, len(found), counts[READ], counts[REJECTED], other, f"{slowest:.2f}")
        print("|", " | ".join(map(str, cells)), "|")
    peak = max(each.peak for each in series.outcomes)
    small = [each.peak for each in series.outcomes[: max(1, len(series.outcomes) // 200)]]
    print(f"{wall:.0f} s, peak memory {peak} MiB ({min(small)} MiB at the start)")


if __name__ == "__main__":
    sys.exit(main())
