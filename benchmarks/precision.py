"""What bf16 saves of a training step on this CPU, by network: the trial of ``--precision auto``.

    python benchmarks/precision.py [--arch resnet50 ...] [--rounds 3]

Each round is the program's own trial: steps in fp32 and bf16 take turns. The table gives the
median over rounds of the bf16 step's share of the fp32 step's time, its range, and what the trial
chose in how many rounds. Weights are random: they change no time.
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
    """Print a row per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", nargs="+", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recipe", default="plain")
    options = parser.parse_args()
    keep_freed_memory()
    config = resolve({"recipe": options.recipe})
    table = Table(title=f"bf16's share of a step's time, recipe {options.recipe}")
    for column in ("network", "fp32, s", "bf16, s", "share", "range", "bf16 chosen"):
        table.add_column(column)
    for arch in options.arch:
        backbone, _ = build_backbone(arch, "none", config.data.image_size)
        trials = []
        for _ in range(options.rounds):
            trial = try_bf16(backbone, config.training, config.data.image_size)
            if trial is None:
                raise SystemExit("A small convolution gains nothing by bf16 here: nothing to try.")
            trials.append(trial)
        shares = [trial.bf16 / trial.fp32 for trial in trials]
        table.add_row(
            arch,
            f"{median(trial.fp32 for trial in trials):.2f}",
            f"{median(trial.bf16 for trial in trials):.2f}",
            f"{median(shares):.2f}",
            f"{min(shares):.2f} to {max(shares):.2f}",
            f"{sum(trial.chosen == 'bf16' for trial in trials)} of {len(trials)}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
