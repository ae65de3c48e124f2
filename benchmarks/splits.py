"""The bias of a split by photo, and the effect of --light: one model, three kinds of training.

    python benchmarks/splits.py DATA WEIGHTS [--good ok_front] [--seeds 1,2,3] [--runs FOLDER]

For each seed there are three trainings: with whole parts, with a split by photo, and with whole
parts and --light. Prints the validation F1 and AUC of the best epoch with 95 % bootstrap intervals
(over parts, or over photos if each photo counts as a part), and the decisions that the background
swap changes. Runs that exist in FOLDER are read, not repeated.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from scipy.stats import t

from fastdefect.evaluation.predictions import read_predictions
from fastdefect.evaluation.statistics.intervals import bootstrap_intervals

KINDS = {
    "parts whole": ("--parts", "auto"),
    "plain": ("--parts", "none"),
    "parts whole, --light": ("--parts", "auto", "--light"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--good", default="ok_front")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--runs", type=Path, default=Path("runs-splits"))
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    figures: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for seed in seeds:
        for kind, flags in KINDS.items():
            name = f"{kind.replace(',', '').replace(' ', '-').replace('--', '-')}-{seed}"
            run = options.runs / name
            if not (run / "background_swap.json").exists():
                _fit(options, flags, seed, name)
            figures[kind].append(_report(run, kind, seed, options.good))
    for kind, values in figures.items():
        print(f"{kind}: F1 {_mean_and_interval(values)}")
    gains = [a - b for a, b in zip(figures["plain"], figures["parts whole"], strict=True)]
    print(f"plain minus parts whole, by seed: {_mean_and_interval(gains)}")


def _fit(options: argparse.Namespace, flags: tuple[str, ...], seed: int, name: str) -> None:
    command = [
        *(sys.executable, "-m", "fastdefect", "fit", str(options.data), "--good", options.good),
        *(*flags, "--seed", str(seed), "--arch", "mobilenet_v2"),
        *("--weights", str(options.weights), "--image-size", "96", "--epochs", "4"),
        *("--test", "0", "--valid", "0.3", "--runs", str(options.runs), "--name", name, "--quiet"),
    ]
    subprocess.run(command, check=True)


def _report(run: Path, kind: str, seed: int, good: str) -> float:
    """Print a run's metrics; return its F1."""
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        part = {row["path"]: row["part"] for row in csv.DictReader(file)}
    path = run / "predictions-valid.csv"
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    classes = tuple(column[2:] for column in header if column.startswith("p_"))
    predictions = read_predictions(path, classes, (good,))
    parts = [part[name] for name in predictions.names]
    intervals = bootstrap_intervals(predictions, parts, seed=0)
    metrics = predictions.metrics()
    swap = json.loads((run / "background_swap.json").read_text(encoding="utf-8"))["valid"]
    f1, auc = (
        f"{value:.3f} [{low:.3f}, {high:.3f}]"
        for value, (low, high) in (
            (metrics.f1, intervals["f1"] or (np.nan, np.nan)),
            (metrics.auc, intervals["auc"] or (np.nan, np.nan)),
        )
    )
    print(
        f"{kind:22} seed {seed}: F1 {f1}, AUC {auc}, "
        f"flips {swap['flips']} of {swap['n']} ({swap['share']:.1%})",
        flush=True,
    )
    return metrics.f1


def _mean_and_interval(values: list[float]) -> str:
    """Format the mean with its 95 % t interval over seeds."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    half = t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    middle = mean(values)
    return f"{middle:+.3f} [{middle - half:+.3f}, {middle + half:+.3f}] over {len(values)} seeds"


if __name__ == "__main__":
    main()
