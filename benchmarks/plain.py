"""fastdefect against a plain loop, on parts that neither has seen.

    python benchmarks/plain.py --sets sample --weights WEIGHTS [--per-class 30,100,all]
    python benchmarks/plain.py --sets casting,neu,mtd-free,mtd --datasets DIR --weights WEIGHTS
    ... --arm fastdefect= --arm "steady=--recipe steady"     several recipes of fit
    ... --report                                             only what is there already

Both arms get the same photos, the same network with the same first weights, the same image size
and as many epochs. The plain loop (``plain_loop.py``: torch and torchvision only) trains on all
of them; ``fit`` puts a tenth aside to validate with, its default. Each is a command in a process
of its own, and its wall seconds are those of the whole command. ``plain, equal time`` is the
plain loop with as many whole epochs as fit into the time of the first arm of fit, by what the
plain loop's epochs and the rest of its process took at equal epochs.

About a third of the photos is held out, whole parts, and both are scored on those. Parts of the
sample are known; of castings and NEU they are found by the program's search; of magnetic tiles
they are stretches of frames. Differences have intervals of a paired bootstrap over the held-out
parts, pooled over seeds.

Each training is kept under --work and not repeated while its settings and photos are the same,
whatever the program was then: the report warns where an arm was trained by several versions of
it. Give a new --work, or name the arm otherwise, to measure a changed program.

Wall seconds mean something only on a machine that does nothing else; where it does, use
--threads 1 --equal-time cpu.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from plain_arms import PLAIN, Machine, Outcome, Training, TrainingFailed, outcome, program
from plain_compare import DRAWS, Cell, Contrast, Summary, contrast, summary
from plain_report import as_text, contrast_table, figures_table, plot_contrasts
from plain_sets import SETS, Source, divide, draw_per_class

from fastdefect.data.sampling import draw_in_proportion
from fastdefect.files import write_json

EQUAL_TIME = "plain, equal time"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is missing, then report; 1 if a training failed."""
    options = _parser().parse_args(arguments)
    options.work = options.work.resolve()
    weights = options.weights if options.weights == "none" else str(Path(options.weights).resolve())
    machine = Machine(options.work, weights, options.device, options.threads)
    arms = dict(options.arm or [("fastdefect", ())])
    if {PLAIN, EQUAL_TIME} & set(arms):
        raise SystemExit(f"--arm: {PLAIN} and {EQUAL_TIME} are the plain loop's names.")
    failures: list[str] = []
    cells = [
        _filled(cell, options, machine, arms, failures)
        for cell in list(_cells(options))  # before any training: a set may be refused
    ]
    _report(cells, arms, options)
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0


def _cells(options: argparse.Namespace) -> Iterator[Cell]:
    """The sets and sizes that are asked for, without outcomes."""
    datasets = options.datasets.resolve() if options.datasets else None
    source = Source(
        datasets, options.work, options.sample_n, options.sample_size, options.sample_difficulty
    )
    for name in options.sets:
        sides = divide(name, source.rows(name), options.split_seed)
        labels = [row.label for row in sides.held_out]
        most = len(labels) if options.stress_photos is None else options.stress_photos
        # The same photos for all arms, sizes and seeds.
        stressed = draw_in_proportion(labels, most, seed=0) if options.flips else []
        for size in options.per_class:
            yield Cell(sides, size, tuple(stressed))


def _filled(
    cell: Cell,
    options: argparse.Namespace,
    machine: Machine,
    arms: Mapping[str, tuple[str, ...]],
    failures: list[str],
) -> Cell:
    """``cell`` with the outcomes of all arms and seeds; trainings that fail are left out."""

    def take(arm: str, flags: tuple[str, ...], epochs: int, seed: int) -> Outcome | None:
        rest = draw_per_class(cell.sides.rest, cell.size, seed)
        trained_as = PLAIN if arm == EQUAL_TIME else arm
        training = Training(
            trained_as,
            flags,
            cell.sides,
            cell.size,
            rest,
            options.arch,
            options.image_size,
            epochs,
            seed,
        )
        try:
            found = outcome(training, machine, cell.stressed, only_kept=options.report)
        except TrainingFailed as error:
            failures.append(str(error))
            return None
        if found is not None:
            cell.outcomes.setdefault(arm, {})[seed] = found
        return found

    epochs = options.epochs if cell.size is None else options.small_epochs
    for seed in options.seeds:
        plain = take(PLAIN, (), epochs, seed)
        fitted = [take(arm, flags, epochs, seed) for arm, flags in arms.items()]
        clock = options.equal_time
        if clock != "none" and plain is not None and fitted[0] is not None:
            take(EQUAL_TIME, (), epochs_in(plain, fitted[0], clock), seed)
    return cell


def epochs_in(plain: Outcome, fitted: Outcome, clock: str) -> int:
    """As many whole epochs of the plain loop as take ``fit``'s time, wall or cpu; at least one."""
    own, there = (getattr(each, clock) for each in (plain, fitted))
    if own.in_epochs <= 0:
        raise SystemExit(f"--equal-time {clock}: this system does not tell that time.")
    for_epochs = there.total - (own.total - own.in_epochs)
    return max(1, int(for_epochs * plain.epochs / own.in_epochs))


def _report(
    cells: Sequence[Cell], arms: Mapping[str, tuple[str, ...]], options: argparse.Namespace
) -> None:
    """Print the tables; write the JSON and the plot."""
    pairs = [(arm, PLAIN) for arm in arms] + [(next(iter(arms)), EQUAL_TIME)]
    summaries = [(cell, summary(cell, arm)) for cell in cells for arm in cell.outcomes]
    compared = [
        (cell, found)
        for cell in cells
        for arm, baseline in pairs
        if (found := contrast(cell, arm, baseline, draws=options.draws)) is not None
    ]
    if not summaries:
        print("Nothing is trained yet.")
        return
    print(as_text(figures_table(summaries), markdown=options.markdown))
    if compared:
        print(as_text(contrast_table(compared), markdown=options.markdown))
    for line in _warnings(summaries):
        print(line)
    out = options.out or options.work
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "plain.json", _as_json(cells, summaries, compared, arms, options))
    if compared:
        plot_contrasts(out / "plain.png", compared)


def _warnings(summaries: Sequence[tuple[Cell, Summary]]) -> Iterator[str]:
    for cell, of in summaries:
        if of.arm in (PLAIN, EQUAL_TIME):
            continue
        if of.programs != (program(),):
            yield (
                f"Note: {of.arm} on {cell.name} was trained by the program as of "
                f"{', '.join(of.programs)}; it is now {program()}."
            )


def _as_json(
    cells: Sequence[Cell],
    summaries: Sequence[tuple[Cell, Summary]],
    compared: Sequence[tuple[Cell, Contrast]],
    arms: Mapping[str, tuple[str, ...]],
    options: argparse.Namespace,
) -> dict[str, object]:
    return {
        "program": program(),
        "arms": {arm: shlex.join(flags) for arm, flags in arms.items()},
        "arch": options.arch,
        "weights": Path(options.weights).name,
        "image_size": options.image_size,
        "split_seed": options.split_seed,
        "threads": options.threads,
        "cells": [
            {
                "set": cell.sides.name,
                "per_class": cell.size,
                "rest": len(cell.sides.rest),
                "held_out": len(cell.sides.held_out),
                "held_out_parts": len(set(cell.parts)),
                "stressed": len(cell.stressed),
                "arms": [asdict(s) for at, s in summaries if at is cell],
                "differences": [c.as_json() for at, c in compared if at is cell],
            }
            for cell in cells
        ],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sets", type=_sets, default=["sample"], help=f"of {', '.join(SETS)}, with commas")
    add("--datasets", type=Path, help="folder of the folders casting, mtd and neu")
    add("--weights", default="none", help="safetensors file with torchvision's names, or none")
    add("--arch", default="mobilenet_v2", help="a network of torchvision")
    add("--image-size", type=int, default=224)
    add("--epochs", type=int, default=6)
    add("--small-epochs", type=int, default=25, help="where --per-class limits the photos")
    add("--per-class", type=_sizes, default=[None], help="photos of each class, e.g. 30,100,all")
    add("--seeds", type=_numbers, default=[1, 2, 3])
    add("--split-seed", type=int, default=0, help="which parts are held out")
    add("--arm", type=_arm, action="append", metavar="NAME=FLAGS", help="of fit; repeatable")
    add("--equal-time", default="wall", choices=("wall", "cpu", "none"), help="by which clock")
    add("--no-flips", dest="flips", action="store_false", help="disturb no photos")
    add("--stress-photos", type=int, help="disturb at most so many photos of a set")
    add("--sample-n", type=int, default=600)
    add("--sample-size", type=int, default=256)
    add("--sample-difficulty", type=int, choices=(1, 2, 3))
    add("--draws", type=int, default=DRAWS, help="of the bootstrap")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", type=int, help="of each training")
    add("--work", type=Path, default=Path("plain-work"), help="what is made is kept here")
    add("--out", type=Path, help="folder of plain.json and plain.png; default: that of --work")
    add("--report", action="store_true", help="train nothing")
    add("--markdown", action="store_true")
    return parser


def _sets(text: str) -> list[str]:
    names = text.split(",")
    if strange := sorted(set(names) - set(SETS)):
        raise argparse.ArgumentTypeError(f"no set {', '.join(strange)}; of {', '.join(SETS)}")
    return names


def _sizes(text: str) -> list[int | None]:
    return [None if size == "all" else int(size) for size in text.split(",")]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _arm(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, flags = text.partition("=")
    return name.strip(), tuple(shlex.split(flags))


if __name__ == "__main__":
    sys.exit(main())
