"""Time and memory of audit, split, fit and predict by the number of photos, as whole commands.

    python benchmarks/growth.py [--sizes 250,500,1000] [--folder FOLDER] [--epochs 1]

The photos are those of ``audit_scaling.py``: JPEGs of 512 px that show 200 rendered parts in other
poses and light. For each size the script runs ``audit`` with an empty cache, ``audit`` and
``split`` again with the cache of the first, ``fit`` of a small network for ``--epochs`` without a
search, and ``predict`` with a bundle of such a network. For each command it prints the processor
time of all threads (which other programs affect less than the time on the clock), the time on the
clock and the peak of the memory, and at the end the exponents of the growth of the processor time.
``--folder`` keeps the photos.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from audit_scaling import make_photos

TRAINED = (
    "--arch small-cnn --weights none --image-size 64 --batch-size 32 --device cpu --workers 0 "
    "--final none --views none --parts none --good good"
).split()


@dataclass(frozen=True)
class Cost:
    """Processor time and time on the clock in seconds, and the peak of the memory in MiB."""

    processor: float
    clock: float
    peak: float


def run(*arguments: str, cache: Path) -> Cost:
    """Run a command of fastdefect; raises ``RuntimeError`` if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "fastdefect", *arguments, "--quiet"],
        env={**os.environ, "FASTDEFECT_CACHE": str(cache)},
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"fastdefect {' '.join(arguments)} ended with {process.returncode}")
    clock = time.perf_counter() - started
    return Cost(used.ru_utime + used.ru_stime, clock, used.ru_maxrss / 1024)


def link_photos(source: Path, folder: Path, n: int) -> Path:
    """A folder with links to the first ``n`` photos."""
    for path in source.glob("*/*.jpg"):
        if int(path.stem) < n:
            (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
            os.link(path, folder / path.parent.name / path.name)
    return folder


def measure(photos: Path, bundle: Path, here: Path, epochs: int) -> dict[str, Cost]:
    """The costs of each command on the photos."""
    fit = ("fit", str(photos), "--runs", str(here / "runs"), *TRAINED, "--epochs", str(epochs))
    cache, data = here / "cache", str(photos)
    out = ("--out", str(here / "audit"), "--good", "good")
    split = ("split", data, "--out", str(here / "split.csv"), "--good", "good")
    predict = ("predict", str(bundle), data, "--out", str(here / "decisions.csv"))
    return {
        "audit": run("audit", data, *out, cache=cache),
        "audit again": run("audit", data, *out, cache=cache),
        "split after it": run(*split, cache=cache),
        "fit": run(*fit, cache=cache),
        "predict": run(*predict, cache=cache),
    }


def report(costs: dict[int, dict[str, Cost]]) -> None:
    """Print the exponent of the growth of each command's processor time."""
    sizes = sorted(costs)
    for command in costs[sizes[0]]:
        times = [costs[n][command].processor for n in sizes]
        exponent = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        print(f"{command}: processor time grows with the number of photos to the {exponent:.2f}")


def make_bundle(photos: Path, here: Path, epochs: int) -> Path:
    """A bundle of a small network."""
    runs, bundle = ("--runs", str(here / "runs")), here / "model.fdb"
    fit = ("fit", str(photos), *runs, *TRAINED, "--epochs", str(epochs))
    run(*fit, cache=here / "cache")
    run("export", *runs, "--out", str(bundle), cache=here / "cache")
    return bundle


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="250,500,1000")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    sizes: Sequence[int] = sorted(map(int, options.sizes.split(",")))
    with tempfile.TemporaryDirectory(dir=options.folder and options.folder.parent) as temporary:
        here = Path(temporary)
        source = options.folder or here / "photos"
        source.mkdir(parents=True, exist_ok=True)
        make_photos(source, max(sizes))
        small = link_photos(source, here / "training", sizes[0])
        bundle = make_bundle(small, here, options.epochs)
        costs: dict[int, dict[str, Cost]] = {}
        print("photos  command         processor (s)  clock (s)  s/photo  peak (MiB)")
        for n in sizes:
            there = here / str(n)
            costs[n] = measure(
                link_photos(source, there / "photos", n), bundle, there, options.epochs
            )
            for command, cost in costs[n].items():
                print(
                    f"{n:6d}  {command:14}  {cost.processor:13.1f}  {cost.clock:9.1f}  "
                    f"{cost.processor / n:7.4f}  {cost.peak:10.0f}",
                    flush=True,
                )
        if len(sizes) > 1:
            report(costs)


if __name__ == "__main__":
    main()
