"""Detection of small defects in large photos by their size, with and without ``--tiles``.

    python benchmarks/tiles.py [--kind strip|plate] [--arms 224,512,whole,tiles,marked]
        [--train | --learn-good] [--photos 15,4,20]

Renders a surface with grain and, on half of the photos, one dark or bright spot of 4, 8, 16 or 40
pixels: strips of a line-scan camera, 4096 x 256, and plates, 1024 x 1024. Each arm fits a head on
frozen features (``fit --tune head``), trains the whole network with ``--train``, or learns the
good photos alone with ``--learn-good``, and decides on the test, which has the same sizes.
``--photos`` are those of each size in train, valid and test. Printed by size: the AUC against all
good photos, and the share detected where one of twenty good photos is rejected. ``marked`` is
``tiles`` with the boxes of the training photos.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

SIZES = (4, 8, 16, 40)
SIDES = {"strip": (4096, 256), "plate": (1024, 1024)}
TILES = {"strip": 21, "plate": 36}  # at about full resolution
COUNTS = {"train": 15, "valid": 4, "test": 20}  # of each size; and as many good as defective
OVERKILL = 0.05
Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]


def surface(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """A rolled surface: uneven light, and grain along the width."""
    coarse = rng.normal(0, 5, (height // 64 + 2, width // 64 + 2)).astype(np.float32)
    light = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 1, (height, width)).astype(np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), sigmaX=3, sigmaY=0.7)
    return 120 + light + 5 * grain / grain.std()


def spoil(rng: np.random.Generator, photo: NDArray[np.float32], size: int) -> Box:
    """Draw a spot of ``size`` pixels into the photo, and return the box around it."""
    height, width = photo.shape
    x, y = (int(rng.integers(size, side - size)) for side in (width, height))
    axes = size / 2, size / 2 * rng.uniform(0.4, 1.0)
    spot = np.zeros_like(photo)
    ellipse = ((float(x), float(y)), (2 * axes[0], 2 * axes[1]), float(rng.uniform(0, 180)))
    cv2.ellipse(spot, ellipse, 1.0, -1, cv2.LINE_AA)
    photo += rng.choice([-1, 1]) * rng.uniform(35, 60) * cv2.GaussianBlur(spot, (0, 0), 0.7)
    return x - size // 2, y - size // 2, size, size


def render(root: Path, kind: str, *, marked: bool, counts: Mapping[str, int] = COUNTS) -> None:
    """Write the photos and their ``labels.csv``, with the boxes of all if ``marked``."""
    rows: list[dict[str, object]] = []
    for side, count in counts.items():
        sizes = [0] * count * len(SIZES) + [size for size in SIZES for _ in range(count)]
        for number, size in enumerate(sizes):
            rng = np.random.default_rng([list(COUNTS).index(side), number])
            photo = surface(rng, *SIDES[kind])
            box = spoil(rng, photo, size) if size else None
            name = f"{side}-{number:03}-{size}.png"
            cv2.imwrite(str(root / name), np.clip(photo, 0, 255).astype(np.uint8))
            row = {"path": name, "label": "defect" if size else "good", "split": side}
            row |= dict(zip("xywh", box or ("",) * 4, strict=True)) if marked else {}
            rows.append(row)
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def run(*arguments: str) -> None:
    """Run a command of fastdefect; what it prints is shown if it fails."""
    command = [sys.executable, "-m", "fastdefect", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def measure(
    root: Path, kind: str, arm: str, train: Sequence[str], counts: Mapping[str, int]
) -> str:
    """Train and test one arm; return its line of the table."""
    side = SIDES[kind][1] if kind == "plate" else 224
    settings = {
        "224": [],
        "512": ["--image-size", "512"],
        "whole": ["--image-size", str(side)],
        "tiles": ["--tiles", str(TILES[kind])],
        "marked": ["--tiles", str(TILES[kind])],
    }[arm]
    photos = root / f"{kind}-{arm == 'marked'}"
    if not photos.exists():
        photos.mkdir()
        render(photos, kind, marked=arm == "marked", counts=counts)
    runs, started = root / "runs", time.perf_counter()
    name = f"{kind}-{arm}"
    network = ["--arch", "efficientnet-lite0", "--final", "none", "--views", "none"]
    common = [*network, "--parts", "none", "--good", "good"]
    run("fit", str(photos), *common, *train, *settings, "--runs", str(runs), "--name", name)
    trained = time.perf_counter() - started
    run("evaluate", str(runs / name), "--split", "test")
    of = {
        Path(row["path"]).stem: float(row["p_defect"])
        for row in csv.DictReader((runs / name / "predictions-test.csv").open())
    }
    good = [p for stem, p in of.items() if stem.endswith("-0")]
    threshold = np.quantile(good, 1 - OVERKILL)
    cells = []
    for size in SIZES:
        bad = [p for stem, p in of.items() if stem.endswith(f"-{size}")]
        auc = roc_auc_score([0] * len(good) + [1] * len(bad), [*good, *bad])
        cells.append(f"{auc:.3f} {np.mean(np.array(bad) > threshold):5.0%}")
    return f"{kind:6} {arm:7} {'  '.join(cells)}  {trained:7.0f} s  {speed(runs / name):7.3f} s"


def speed(folder: Path) -> float:
    """Seconds a photo of the network alone, in torch."""
    from fastdefect.jobs.trained.model import load_network
    from fastdefect.run import Run

    predictor, spec = load_network(Run(folder), "cpu")
    photo = np.random.default_rng(0).integers(0, 256, spec.preprocessing.frame.shape, np.uint8)
    batch = np.stack([photo] * 3)
    predictor.probabilities(batch[:1], [0])
    started = time.perf_counter()
    predictor.probabilities(batch, range(3))
    return (time.perf_counter() - started) / 3


def main() -> None:
    """Print a line for each arm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=list(SIDES), action="append")
    parser.add_argument("--arms", default="224,512,whole,tiles,marked")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--learn-good", action="store_true")
    parser.add_argument("--photos", default=",".join(map(str, COUNTS.values())))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    root = options.folder or Path(tempfile.mkdtemp(prefix="tiles-"))
    root.mkdir(exist_ok=True)
    train = ["--epochs", "6"] if options.train else ["--tune", "head"]
    train = ["--learn", "good"] if options.learn_good else train
    counts = dict(zip(COUNTS, map(int, options.photos.split(",")), strict=True))
    print("kind   arm     " + "  ".join(f"{f'{size} px':>11}" for size in SIZES), flush=True)
    for kind in options.kind or SIDES:
        for arm in options.arms.split(","):
            if kind == "strip" and arm == "whole":
                continue  # a square of 4096 pixels does not fit into memory
            print(measure(root, kind, arm, train, counts), flush=True)


if __name__ == "__main__":
    main()
