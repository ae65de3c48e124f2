"""The time of a bf16 training step on this CPU by network: the trial of ``--precision auto``.

    python benchmarks/precision.py [--arch resnet50 ...] [--rounds 3]

Each round is the program's own trial, which alternates steps in fp32 and bf16. The table shows the
median and the range of the ratio of bf16 time to fp32 time, and the number of rounds that chose
bf16. The weights are random, because they do not affect the time.
"""

import argparse
from statistics import median

from rich.console import Console
from rich.table import Table

from fastdefect.config_resolve import resolve
from fastdefect.process import keep_freed_memory
from fastdefect.training.backbones import build_backbone
from fastdefect.training.precision import try_bf16

NETWORKS = ("resnet50", "resnet18", "mobilenet_v2", "efficientnet-lite0")


def main() -> None:
    """Print a row for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", nargs="+", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recipe", default="plain")
    options = parser.parse_args()
    keep_freed_memory()
    config = resolve({"recipe": options.recipe})
    table = Table(title=f"Time of a bf16 step divided by that of fp32, recipe {options.recipe}")
    for column in ("network", "fp32, s", "bf16, s", "ratio", "range", "bf16 chosen"):
        table.add_column(column)
    for arch in options.arch:
        backbone, _ = build_backbone(arch, "none", config.data.image_size)
        trials = []
        for _ in range(options.rounds):
            trial = try_bf16(backbone, config.training, config.data.image_size)
            if trial is None:
                raise SystemExit(
                    "bf16 does not speed up a small convolution on this CPU, so there is no trial."
                )
            trials.append(trial)
        ratios = [trial.bf16 / trial.fp32 for trial in trials]
        table.add_row(
            arch,
            f"{median(trial.fp32 for trial in trials):.2f}",
            f"{median(trial.bf16 for trial in trials):.2f}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{sum(trial.chosen == 'bf16' for trial in trials)} of {len(trials)}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
