"""Memory and open files of a long training and of many predictions (Linux).

    python benchmarks/long_runs.py [--epochs 200] [--predictions 100000]

Renders 48 photos of 16 parts, 64 px, and trains a small network on them for ``--epochs`` epochs.
Then it exports the model and decides on ``--predictions`` files, which are links to these photos.
Both are the usual commands in processes of their own. At ten points of each, the script prints the
memory (resident set) and the number of open files of the process, and at the end the growth from
the second point to the last. The first point includes what a process allocates once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.sample.render import SampleSettings, render_sample

POINTS = 10
TRAINED = (
    "--arch small-cnn --weights none --image-size 64 --batch-size 8 --device cpu --workers 0 "
    "--final none --valid 0.2 --views none"
).split()


@dataclass(frozen=True)
class Point:
    """The state of a process after ``steps`` epochs or photos."""

    steps: int
    mib: float
    files: int


def watch(command: Sequence[str], kind: str, total: int) -> list[Point]:
    """Run a command, and look at its process at ``POINTS`` points of ``total`` steps.

    ``kind`` is the event that reports a step. Raises ``RuntimeError`` if the command fails.
    """
    points: list[Point] = []
    with subprocess.Popen(
        [sys.executable, "-m", "fastdefect", *command, "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        for steps in _steps(process, kind):
            if steps >= total * (len(points) + 1) // POINTS and len(points) < POINTS:
                points.append(Point(steps, *_state(process.pid)))
    if process.returncode != 0:
        raise RuntimeError(f"fastdefect {' '.join(command)} ended with {process.returncode}")
    return points


def _steps(process: "subprocess.Popen[str]", kind: str) -> Iterator[int]:
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == kind == "epoch":
            yield int(event["row"]["epoch"])
        elif event["event"] == kind and event["task"].startswith("deciding"):
            yield int(event["done"])


def _state(pid: int) -> tuple[float, int]:
    """The resident memory in MiB, and the number of open files."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def report(title: str, points: Sequence[Point]) -> None:
    """Print the points and the growth between the second and the last."""
    print(title)
    print(f"{'steps':>8}  {'MiB':>8}  open files")
    for point in points:
        print(f"{point.steps:8d}  {point.mib:8.1f}  {point.files:10d}", flush=True)
    first, last = points[1], points[-1]
    each = 1024 * (last.mib - first.mib) / (last.steps - first.steps)
    print(f"growth from {first.steps} on: {each:.3f} KiB a step, {last.files - first.files} files")


def linked(photos: Path, folder: Path, n: int) -> None:
    """Make ``n`` links to the photos, at most 1,000 in each folder."""
    sources = sorted(photos.rglob("*.jpg")) or sorted(photos.rglob("*.png"))
    for i in range(n):
        inside = folder / f"{i // 1000:04}"
        inside.mkdir(parents=True, exist_ok=True)
        source = sources[i % len(sources)]
        os.link(source, inside / f"{i:06}{source.suffix}")


def measure(here: Path, epochs: int, predictions: int) -> dict[str, list[Point]]:
    """The points of a training and of predictions, in a folder that is empty at first."""
    render_sample(here / "photos", SampleSettings(n=48, seed=5, size=64, difficulty=1))
    runs = ("--runs", str(here / "runs"))
    fit = ("fit", str(here / "photos"), *runs, *TRAINED, "--epochs", str(epochs))
    trained = watch(fit, "epoch", epochs)
    bundle = str(here / "model.fdb")
    export = [sys.executable, "-m", "fastdefect", "export", *runs, "--out", bundle, "--quiet"]
    subprocess.run(export, check=True)
    linked(here / "photos", here / "many", predictions)
    predict = ("predict", bundle, str(here / "many"), "--out", str(here / "decisions.csv"))
    return {"fit, epochs": trained, "predict, photos": watch(predict, "progress", predictions)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--predictions", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = measure(Path(temporary), options.epochs, options.predictions)
    for title, points in found.items():
        report(title, points)


if __name__ == "__main__":
    main()
