"""The view as an input of the network, where good parts look different in two cameras.

    python benchmarks/view_input.py [--parts 100] [--seeds 1,2,3] [--epochs 6]

A photo has a bright or a dark spot. Seen from the top, the bright spot is a hole of the part and
the dark one a defect; from the side it is the other way round. In the set ``alike`` both cameras
give the same grey, so that a photo does not show its camera; in the set ``different`` that of the
side is darker. Networks with and without the view are trained on the same photos, and measured on
other parts: AUC with the view of each photo, and without a view. EfficientNet-Lite0, 64 pixels.
"""

import argparse
import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import fastdefect

CAMERAS = ("side", "top")
SETS = {"alike": (128, 128), "different": (90, 128)}  # the grey of each camera
SIZE, RADIUS = 64, 7
Pixels = NDArray[np.uint8]


def spot(bright: bool, grey: int, rng: np.random.Generator) -> Pixels:
    """A photo (64, 64) with a spot at a random place."""
    photo = rng.normal(grey, 6, (SIZE, SIZE)).clip(0, 255).astype(np.uint8)
    x, y = rng.integers(RADIUS + 2, SIZE - RADIUS - 2, 2).tolist()
    cv2.circle(photo, (x, y), RADIUS, 235 if bright else 15, -1)
    return photo


def render(
    folder: Path,
    parts: int,
    *,
    greys: tuple[int, int] = SETS["alike"],
    seed: int = 0,
    shown: Callable[[int, str], str] = lambda part, view: view,
) -> Path:
    """Write two photos of each of ``parts`` parts and ``photos.csv``, and return its path.

    Every second part is defective. ``shown`` is what the table says of the view of a photo.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for part in range(parts):
        bad = part % 2 == 1
        for view, grey in zip(CAMERAS, greys, strict=True):
            name = f"p{part:03d}_{view}.png"
            cv2.imwrite(str(folder / name), spot(bad == (view == "side"), grey, rng))
            label = "defect" if bad else "ok"
            rows.append((name, label, f"p{part:03d}", shown(part, view)))
    table = folder / "photos.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label", "part", "view"), *rows])
    return table


def auc(run: fastdefect.Run, table: Path) -> float:
    """How well the model of ``run`` ranks the photos of ``table``."""
    rows = fastdefect.predict(run, table).rows
    bad = [row["true_label"] == "defect" for row in rows]
    return float(roc_auc_score(bad, [row["p_defective"] for row in rows]))


def measure(
    folder: Path, greys: tuple[int, int], parts: int, seed: int, epochs: int
) -> dict[str, float]:
    """The AUC of each arm on other parts."""
    data = render(folder / "data", parts, greys=greys, seed=seed)
    known = render(folder / "known", parts, greys=greys, seed=seed + 1000)
    unknown = render(
        folder / "unknown", parts, greys=greys, seed=seed + 1000, shown=lambda part, view: ""
    )

    def trained(name: str, **settings: object) -> fastdefect.Run:
        return fastdefect.fit(
            data,
            runs=folder / "runs",
            name=name,
            arch="efficientnet-lite0",
            image_size=SIZE,
            epochs=epochs,
            final="none",
            views="none",
            valid=0.2,
            device="cpu",
            seed=seed,
            **settings,
        )

    plain, taking = trained("plain"), trained("taking", view_input=True)
    head = trained("head", view_input=True, tune="head")
    return {
        "without": auc(plain, known),
        "with": auc(taking, known),
        "with, unknown": auc(taking, unknown),
        "head": auc(head, known),
        "head, unknown": auc(head, unknown),
    }


def show(name: str, found: Sequence[dict[str, float]]) -> None:
    """Print the mean over the seeds, and the values of each."""
    for arm in found[0]:
        each = [one[arm] for one in found]
        values = " ".join(f"{value:.3f}" for value in each)
        print(f"{name:10} {arm:14} {np.mean(each):.3f}  ({values})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=100)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=6)
    given = parser.parse_args()
    print("set        view           mean   (of each seed)")
    for name, greys in SETS.items():
        found = []
        for seed in map(int, given.seeds.split(",")):
            with TemporaryDirectory() as folder:
                found.append(measure(Path(folder), greys, given.parts, seed, given.epochs))
        show(name, found)


if __name__ == "__main__":
    main()
