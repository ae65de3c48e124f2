"""A comparison of fastdefect with a plain training loop on held-out parts.

    python benchmarks/plain.py --sets sample --weights WEIGHTS [--per-class 30,100,all]
    python benchmarks/plain.py --sets casting,neu,mtd-free,mtd --datasets DIR --weights WEIGHTS
    ... --arm fastdefect= --arm "steady=--recipe steady"     several recipes of fit
    ... --arch efficientnet-lite0 --weights auto             the network in the installation
    ... --report                                             report only, no training

Both arms use the same photos, the same network with the same initial weights, the same image size
and the same number of epochs. The plain loop (``plain_loop.py``: torch and torchvision only) trains
on all photos; ``fit`` uses a tenth of them for validation, its default. Each training is a command
in a separate process, and its wall time is that of the whole command. ``plain, equal time`` is the
plain loop with as many whole epochs as fit into the time of the first arm of fit. This number
follows from the time of the epochs and of the rest of the process in the plain arm.

About a third of the photos is held out as whole parts, and both arms are scored on them. The parts
of the sample are known; those of castings and NEU are found by the program's search; those of
magnetic tiles are stretches of frames. With --rotate, each seed holds out another third, so that
three seeds score every photo once: more parts give narrower intervals. The intervals of differences
are from a paired bootstrap over the held-out parts, pooled over seeds. --split photo ignores the
parts, for a comparison with results of such splits: they leak.

Each training is kept under --work. It is not repeated while its settings and photos are the same,
even if the program has changed; the report then prints a note. To measure a changed program, give
a new --work or another name of the arm.

Wall seconds are valid only on a machine without other load. On other machines use
--threads 1 --equal-time cpu.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from plain_arms import (
    NAMED_WEIGHTS,
    PLAIN,
    Machine,
    Outcome,
    Training,
    TrainingFailed,
    outcome,
    program,
)
from plain_compare import DRAWS, Cell, Contrast, Summary, contrast, summary
from plain_report import as_text, contrast_table, figures_table, plot_contrasts
from plain_sets import SETS, Sides, Source, divide, draw_per_class

from fastdefect.data.sampling import draw_in_proportion
from fastdefect.files import write_json

EQUAL_TIME = "plain, equal time"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the missing trainings, then report; return 1 if a training failed."""
    options = _parser().parse_args(arguments)
    options.work = options.work.resolve()
    named = options.weights in NAMED_WEIGHTS
    weights = options.weights if named else str(Path(options.weights).resolve())
    machine = Machine(options.work, weights, options.device, options.threads)
    arms = dict(options.arm or [("fastdefect", ())])
    if {PLAIN, EQUAL_TIME} & set(arms):
        raise SystemExit(
            f"--arm: {PLAIN} and {EQUAL_TIME} are reserved for the plain loop. Use another name."
        )
    failures: list[str] = []
    cells = [
        _filled(cell, options, machine, arms, failures)
        for cell in list(_cells(options))  # before any training: a set may be invalid
    ]
    _report(cells, arms, options)
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0


def _cells(options: argparse.Namespace) -> Iterator[Cell]:
    """Yield the requested sets and sizes, without outcomes."""
    datasets = options.datasets.resolve() if options.datasets else None
    source = Source(
        datasets, options.work, options.sample_n, options.sample_size, options.sample_difficulty
    )
    for name in options.sets:
        rows = source.rows(name)
        if options.split == "photo":
            rows = tuple(replace(row, part=row.path) for row in rows)
        sides = divide(name, rows, options.split_seed, rotate=options.rotate)
        stressed = tuple(_stressed(each, options) for each in sides)
        for size in options.per_class:
            yield Cell(sides, size, stressed)


def _stressed(sides: Sides, options: argparse.Namespace) -> tuple[int, ...]:
    """Return the positions of the disturbed photos, the same for all arms, sizes and seeds."""
    labels = [row.label for row in sides.held_out]
    most = len(labels) if options.stress_photos is None else options.stress_photos
    return tuple(draw_in_proportion(labels, most, seed=0)) if options.flips else ()


def _filled(
    cell: Cell,
    options: argparse.Namespace,
    machine: Machine,
    arms: Mapping[str, tuple[str, ...]],
    failures: list[str],
) -> Cell:
    """Return ``cell`` with the outcomes of all arms and seeds, without failed trainings."""

    def take(arm: str, flags: tuple[str, ...], epochs: int, seed: int) -> Outcome | None:
        number = cell.number(seed)
        sides, stressed = cell.sides[number], cell.stressed[number]
        rest = draw_per_class(sides.rest, cell.size, seed)
        trained_as = PLAIN if arm == EQUAL_TIME else arm
        training = Training(
            trained_as,
            flags,
            sides,
            cell.size,
            rest,
            options.arch,
            options.image_size,
            epochs,
            seed,
        )
        try:
            found = outcome(training, machine, stressed, only_kept=options.report)
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
    """Return the whole epochs of the plain loop in ``fit``'s time, wall or cpu; at least one."""
    plain_time, fit_time = (getattr(each, clock) for each in (plain, fitted))
    if plain_time.in_epochs <= 0:
        raise SystemExit(
            f"--equal-time {clock}: this system does not measure this time. Use wall or none."
        )
    for_epochs = fit_time.total - (plain_time.total - plain_time.in_epochs)
    return max(1, int(for_epochs * plain.epochs / plain_time.in_epochs))


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
        print("There are no trainings yet.")
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
                f"Note: {of.arm} on {cell.name} was trained by program version "
                f"{', '.join(of.programs)}; the current version is {program()}."
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
        "rotate": options.rotate,
        "split": options.split,
        "threads": options.threads,
        "cells": [
            {
                "set": cell.of.name,
                "per_class": cell.size,
                "rest": [len(each.rest) for each in cell.sides],
                "held_out": [len(each.held_out) for each in cell.sides],
                "held_out_parts": [len({r.part for r in s.held_out}) for s in cell.sides],
                "stressed": [len(each) for each in cell.stressed],
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
    add(
        "--sets",
        type=_sets,
        default=["sample"],
        help=f"sets, separated by commas: {', '.join(SETS)}",
    )
    add("--datasets", type=Path, help="folder with the folders casting, mtd and neu")
    add(
        "--weights",
        default="none",
        help="safetensors file with torchvision key names, none, or auto for efficientnet-lite0",
    )
    add("--arch", default="mobilenet_v2", help="a torchvision network, or efficientnet-lite0")
    add("--image-size", type=int, default=224)
    add("--epochs", type=int, default=6)
    add("--small-epochs", type=int, default=25, help="epochs if --per-class limits the photos")
    add("--per-class", type=_sizes, default=[None], help="photos per class, for example 30,100,all")
    add("--seeds", type=_numbers, default=[1, 2, 3])
    add("--split-seed", type=int, default=0, help="seed of the held-out parts")
    add(
        "--split",
        default="part",
        choices=("part", "photo"),
        help="photo: draw the held-out photos one by one, also of parts that are trained on",
    )
    add(
        "--rotate",
        action="store_true",
        help="hold out another third of the parts with each seed; seeds 1, 2, 3 cover all photos",
    )
    add("--arm", type=_arm, action="append", metavar="NAME=FLAGS", help="flags of fit; repeatable")
    add(
        "--equal-time",
        default="wall",
        choices=("wall", "cpu", "none"),
        help="clock for plain, equal time",
    )
    add("--no-flips", dest="flips", action="store_false", help="skip the disturbed photos")
    add("--stress-photos", type=int, help="maximum number of disturbed photos per set")
    add("--sample-n", type=int, default=600)
    add("--sample-size", type=int, default=256)
    add("--sample-difficulty", type=int, choices=(1, 2, 3))
    add("--draws", type=int, default=DRAWS, help="bootstrap draws")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", type=int, help="threads of each training")
    add("--work", type=Path, default=Path("plain-work"), help="folder for sets and trainings")
    add("--out", type=Path, help="folder of plain.json and plain.png; default: --work")
    add("--report", action="store_true", help="report without training")
    add("--markdown", action="store_true")
    return parser


def _sets(text: str) -> list[str]:
    names = text.split(",")
    if unknown := sorted(set(names) - set(SETS)):
        raise argparse.ArgumentTypeError(
            f"unknown set {', '.join(unknown)}; the sets are {', '.join(SETS)}"
        )
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
