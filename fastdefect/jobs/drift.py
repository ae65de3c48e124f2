"""Compare the photos of one day or several with those that a model was measured on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.errors import DataError
from fastdefect.evaluation.drift import Day, DriftReport
from fastdefect.evaluation.drift import drift as compare
from fastdefect.evaluation.drift_findings import ALPHA
from fastdefect.evaluation.statistics.ranks import FEWEST
from fastdefect.events import Note, OnEvent
from fastdefect.files import check_output_path, write_json, written_to
from fastdefect.inference.baseline import Sample, read_baseline
from fastdefect.inference.bundle import BASELINE, read_bundle
from fastdefect.jobs.drifting.day_file import read_day
from fastdefect.jobs.trained.bundle_path import bundle_path
from fastdefect.jobs.trained.request import Request
from fastdefect.text import counted


@dataclass(frozen=True)
class Model:
    """The baseline of a model, its good classes, and its identity."""

    name: str
    baseline: Sample
    good: tuple[str, ...]
    identity: str


@dataclass(frozen=True)
class Asked:
    """What to compare: results of predict, in the order of time, at ``alpha``, and where to."""

    files: tuple[Path, ...]
    alpha: float = ALPHA
    out: Path | None = None
    plot: Path | None = None


@dataclass(frozen=True)
class Drifted:
    """The report, and the files written."""

    model: str
    report: DriftReport
    written: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "model": self.model,
            **self.report.as_json(),
            "files": [str(file) for file in self.written],
        }


def drift(model: Model, asked: Asked, *, on_event: OnEvent) -> Drifted:
    """Compare each file with the baseline; write the report and the plot if asked for.

    Raises ``DataError`` for a file that is not a result of this model.
    """
    days = [read_day(path, model.good, model.identity) for path in asked.files]
    report = compare(model.baseline, days, alpha=asked.alpha)
    for text in warnings_of(report):
        on_event(Note(text, "warning"))
    return Drifted(model.name, report, _write(model, days, report, asked))


def open_baseline(name: str, runs: Path, request: Request, on_event: OnEvent) -> Model:
    """The baseline of the bundle at the path ``name``, or of the run with this name or folder.

    Raises ``UsageError`` for options that only a run has.
    """
    if path := bundle_path(name, request):
        return bundle_model(path)
    from fastdefect.jobs.trained.baseline import run_baseline
    from fastdefect.jobs.trained.model import read_spec
    from fastdefect.run_registry import open_run

    run = open_run(name, runs)
    run.require_model()
    baseline, identity = run_baseline(run, request, on_event)
    return Model(run.name, baseline, read_spec(run).good, identity)


def bundle_model(path: Path) -> Model:
    """The baseline in a bundle; raises ``DataError`` if it has none."""
    bundle = read_bundle(path)
    if BASELINE not in bundle.files:
        raise DataError(
            f"{path} has no baseline to compare with.",
            "Export the run again; with --unlike 0 there is no baseline.",
        )
    baseline = read_baseline(bundle.files[BASELINE], str(path))
    return Model(str(path), baseline, bundle.card.good, bundle.identity)


def check_asked(asked: Asked) -> None:
    """Raise ``UsageError`` for files that can't be written, before anything is read."""
    for option, path, suffix in (("--out", asked.out, ".json"), ("--plot", asked.plot, ".png")):
        if path is not None:
            check_output_path(path, option, (suffix,))


def warnings_of(report: DriftReport) -> list[str]:
    """What a person has to know about the days, in words."""
    found = []
    for day in report.days:
        if moved := [each.title for each in day.findings if each.verdict == "drift"]:
            found.append(
                f"{day.name}: the photos differ from those of validation ({'; '.join(moved)}). "
                "Look at camera, lens, light, position and part before relying on the decisions."
            )
        elif not day.tested and report.parts >= FEWEST:
            found.append(f"{day.name}: {_too_few(day.parts)}")
    if report.parts < FEWEST:
        found.append(f"The baseline has {_too_few(report.parts)}")
    elif report.days and np.isnan([f.known for d in report.days for f in d.findings]).all():
        found.append("The baseline has no values to compare with.")
    return found


def _too_few(parts: int) -> str:
    return f"{counted(parts, 'part')}; a test needs {FEWEST} or more."


def _write(
    model: Model, days: Sequence[Day], report: DriftReport, asked: Asked
) -> tuple[Path, ...]:
    written = []
    if asked.out is not None:
        with written_to(asked.out):
            write_json(asked.out, {"model": model.name, **report.as_json()})
        written.append(asked.out)
    if asked.plot is not None:
        from fastdefect.reporting.plots.drift import plot_drift

        with written_to(asked.plot, option="--plot"):
            plot_drift(asked.plot, model.baseline, days)
        written.append(asked.plot)
    return tuple(written)
