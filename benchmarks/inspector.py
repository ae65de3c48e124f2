"""The cost of an Inspector beside the bare work: decoding a photo and running its network.

    python benchmarks/inspector.py BUNDLE PHOTOS [--photos 100] [--rounds 3] [--threads 1]
                                   [--processes 10]

PHOTOS is a folder. Three tables:
- one photo at a time: median and 99th percentile of ``Inspector.inspect(path)`` and of bare work
  (read, decode, resize, and ``run`` of a session with the same options), in turns on each photo;
- many photos: photos per second of ``fastdefect predict`` once the bundle is open, of the bare work
  in as many threads, and of the bare work in one thread. The rounds are in turns, and each ratio is
  a median;
- the start: seconds of a new process that imports fastdefect, opens the bundle and decides on one
  photo, and of one that only imports numpy, OpenCV, Pillow and ONNX Runtime.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import fastdefect
from fastdefect.data.reading.images import IMAGE_SUFFIXES, fit_to, read_photo
from fastdefect.inference.bundle import ONNX, read_bundle
from fastdefect.inference.stream import decide_all

Work = Callable[[Path], object]

_STARTS = {
    "import and first decision": (
        "import sys, fastdefect; fastdefect.Inspector(sys.argv[1]).inspect(sys.argv[2])"
    ),
    "import of the libraries alone": "import numpy, cv2, PIL.Image, onnxruntime",
}


def bare_work(bundle: Path, threads: int) -> Work:
    """Read, decode and resize a photo, and run the network: no checks, rule or reference."""
    import onnxruntime

    found = read_bundle(bundle)
    steps = found.card.photos
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        found.files[ONNX], options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def work(path: Path) -> object:
        pixels = fit_to(read_photo(path), steps.image_size, steps.resize)
        return session.run(None, {name: pixels[None]})

    return work


def one_at_a_time(
    works: Sequence[Work], photos: Sequence[Path], rounds: int
) -> list[tuple[float, float]]:
    """Median and 99th percentile of each work, in milliseconds; all works do each photo in turn."""
    times: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for photo in photos:
            for kept, work in zip(times, works, strict=True):
                started = time.perf_counter()
                work(photo)
                if number:  # the first round warms up
                    kept.append((time.perf_counter() - started) * 1000)
    return [(statistics.median(kept), percentile_99(kept)) for kept in times]


def percentile_99(values: Sequence[float]) -> float:
    """The value that one of a hundred exceeds."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


def many(
    inspector: fastdefect.Inspector, bundle: Path, photos: Sequence[Path], rounds: int
) -> dict[str, list[float]]:
    """Photos per second of each way, round by round."""
    work, cores = bare_work(bundle, 1), os.cpu_count() or 1

    def overlapped() -> None:
        with ThreadPoolExecutor(cores) as pool:
            for _ in pool.map(work, photos):
                pass

    ways: dict[str, Callable[[], object]] = {
        "predict": lambda: list(decide_all(inspector.scorer, photos, lambda path: path)),
        f"bare, {cores} threads": overlapped,
        "bare, one thread": lambda: [work(photo) for photo in photos],
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            rates[name].append(len(photos) / (time.perf_counter() - started))
    return rates


def start_seconds(code: str, bundle: Path, photo: Path, processes: int) -> list[float]:
    """The seconds of each of several new processes."""
    found = []
    for _ in range(processes):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, str(bundle), str(photo)], check=True)
        found.append(time.perf_counter() - started)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path, metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="that compute one photo")
    parser.add_argument("--processes", type=int, default=10)
    options = parser.parse_args(arguments)
    found = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    photos = list(islice(found, 0, None, max(1, len(found) // options.photos)))[: options.photos]

    inspector = fastdefect.Inspector(options.bundle, threads=options.threads)
    bare, whole = one_at_a_time(
        [bare_work(options.bundle, options.threads), inspector.inspect], photos, options.rounds
    )
    print(f"{'one photo at a time, ms':32s} {'median':>8s} {'99 %':>8s}")
    print(f"{'bare':32s} {bare[0]:8.1f} {bare[1]:8.1f}")
    print(f"{'Inspector.inspect(path)':32s} {whole[0]:8.1f} {whole[1]:8.1f}")

    alone = fastdefect.Inspector(options.bundle, threads=1)
    rates = many(alone, options.bundle, photos, options.rounds)
    first = next(iter(rates.values()))
    print(f"\n{'many photos':32s} {'photos/s':>8s} {'predict is':>12s}")
    for name, values in rates.items():
        ratio = statistics.median(a / b for a, b in zip(first, values, strict=True))
        print(f"{name:32s} {statistics.median(values):8.1f} {ratio:6.2f} times")

    print(f"\n{'start of a process, s':32s} {'median':>8s} {'fastest':>8s}")
    for name, code in _STARTS.items():
        seconds = start_seconds(code, options.bundle, photos[0], options.processes)
        print(f"{name:32s} {statistics.median(seconds):8.2f} {min(seconds):8.2f}")


if __name__ == "__main__":
    main()
