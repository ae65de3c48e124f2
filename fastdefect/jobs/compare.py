"""``fastdefect compare``: compare two or more runs with the first, on the same photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import RunConfig, config_fields
from fastdefect.data.parts.given import join_parts
from fastdefect.data.reading.images import Reading
from fastdefect.errors import DataError
from fastdefect.evaluation.compare import Answers, Comparison, SharedPhotos
from fastdefect.evaluation.compare import compare as compare_answers
from fastdefect.events import Note, OnEvent
from fastdefect.files import write_json, written_to
from fastdefect.jobs.compare_runs import (
    Answered,
    Entrant,
    entrants_of,
    of_common_photos,
    predict,
)
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import photos_to_show, settle_root
from fastdefect.reporting.sheets.compare import changes_sheet
from fastdefect.reporting.tables.compare import (
    changes_table,
    costs_table,
    figures_table,
    mcnemar_table,
    settings_table,
)
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.reporting.tables.tabled import Tabled
from fastdefect.run import Run
from fastdefect.text import counted

_SEED = 0  # of the bootstrap: the same photos give the same intervals


@dataclass(frozen=True)
class Pair:
    """The comparison of the first run, ``before``, with another one, ``after``, by name.

    ``opening``: the number of openings of the sealed test so far, the larger one of the two runs.
    """

    before: str
    after: str
    opening: int | None
    comparison: Comparison


@dataclass(frozen=True)
class CompareReport(Tabled):
    """The result of ``compare``: each of ``entrants`` except the first is paired with the first.

    ``split`` is valid, test or data, and ``where`` its description. ``settings`` are those that
    differ, by flag, with the value of each entrant.
    """

    split: str
    where: str
    entrants: tuple[Entrant, ...]
    settings: tuple[tuple[str, tuple[Any, ...]], ...]
    pairs: tuple[Pair, ...]
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and ``compare.json``."""
        runs = [
            {
                "run": str(entrant.run.folder),
                **entrant.costs(),
                "decision": entrant.decision.as_json(),
            }
            for entrant in self.entrants
        ]
        return {
            "split": self.split,
            "where": self.where,
            "runs": runs,
            "settings": [
                {"setting": name, "values": [_plain(value) for value in values]}
                for name, values in self.settings
            ],
            "comparisons": [
                {
                    "before": pair.before,
                    "after": pair.after,
                    "opening": pair.opening,
                    **pair.comparison.as_json(),
                }
                for pair in self.pairs
            ],
            "files": [str(file) for file in self.files],
        }

    def tables(self) -> list[TableData]:
        """Three tables for each pair, then the settings that differ, and the costs."""
        names = [entrant.name for entrant in self.entrants]
        return [
            *(table for pair in self.pairs for table in self._tables_of(pair)),
            settings_table(self.settings, names),
            costs_table([entrant.costs() for entrant in self.entrants]),
        ]

    def _tables_of(self, pair: Pair) -> list[TableData]:
        comparison, before, after = pair.comparison, pair.before, pair.after
        tuned = "Each run was tuned on these photos: its metrics are slightly optimistic."
        note = tuned if self.split == "valid" else ""
        return [
            figures_table(
                comparison, before, after, where=self.where, opening=pair.opening, note=note
            ),
            mcnemar_table(comparison, before, after),
            changes_table(comparison, before, after),
        ]


def compare(
    runs: Sequence[Run], request: Request, *, out: Path, on_event: OnEvent
) -> CompareReport:
    """Compare two or more runs, each with the first, on the photos of ``request``.

    Each run decides as in production: calibrated, at its operating point if it has one, and with
    its own views; the views of ``request`` are not used. The photos of the split must be the same
    in all runs, by path, content and label, and so must the classes. For ``data`` it is enough that
    all runs have the same good class. If the sealed test of a run is among the photos, the command
    is noted in that run before any prediction, once for runs that share a test. Writes
    ``compare.json`` and, if decisions differ, ``changes.png`` to the folder ``out``.

    Raises ``UsageError`` if ``out`` can't be written, ``DataError`` if the photos or the classes
    differ, and ``RunError`` for a run without a model or without such photos.
    """
    split, data = request.split, request.data
    request = replace(request, known_to=tuple(run.folder for run in runs))
    for run in runs:
        settle_root(run, request.data_root, request.sides, on_event)
    entrants = entrants_of(runs, request, on_event)
    with written_to(out, folder=True):
        out.mkdir(parents=True, exist_ok=True)
    opened = [len(run.read_openings()) for run in runs]  # before any of them predicts
    answered = [
        predict(entrant, request, on_event, opened_before=before)
        for entrant, before in zip(entrants, opened, strict=True)
    ]
    if data is not None:
        answered = of_common_photos(answered, on_event)
    report = CompareReport(
        "data" if data is not None else split,
        data.resolve().name if data is not None else {"valid": "validation"}.get(split, split),
        entrants,
        _settings([entrant.config for entrant in entrants]),
        tuple(
            _compare_two((entrants[0], answered[0]), other, on_event)
            for other in zip(entrants[1:], answered[1:], strict=True)
        ),
        (),
    )
    return _write(report, answered[0].paths or _find_photos(entrants[0], report, on_event), out)


# ---- comparison --------------------------------------------------------------------------


def _compare_two(
    reference: tuple[Entrant, Answered], other: tuple[Entrant, Answered], on_event: OnEvent
) -> Pair:
    (before, answered_before), (after, answered_after) = reference, other
    names = answered_before.predictions.names
    at = {name: i for i, name in enumerate(answered_after.predictions.names)}
    order = [at[name] for name in names]
    classes = tuple(dict.fromkeys((*before.spec.classes, *after.spec.classes)))
    parts = _common_parts(names, answered_before.parts, [answered_after.parts[i] for i in order])
    n_parts = len(set(parts))
    if n_parts < max(len(set(answered_before.parts)), len(set(answered_after.parts))):
        on_event(
            Note(
                f"{before.name} and {after.name} group the photos into parts differently: photos "
                f"of one part in either run count as one part here, {counted(n_parts, 'part')} in "
                "all."
            )
        )
    comparison = compare_answers(
        # The classes of ``before`` come first, so that its indices stay valid.
        SharedPhotos(names, parts, answered_before.predictions.y_true, classes, before.spec.good),
        _answers(before, answered_before, classes, range(len(names))),
        _answers(after, answered_after, classes, order),
        seed=_SEED,
    )
    openings = [of.opening for of in (answered_before, answered_after) if of.opening is not None]
    return Pair(before.name, after.name, max(openings, default=None), comparison)


def _common_parts(
    names: Sequence[str], parts: Sequence[str], other_parts: Sequence[str]
) -> tuple[str, ...]:
    """The finest grouping into parts that keeps every part of either run whole."""
    number = {part: i for i, part in enumerate(dict.fromkeys(other_parts))}
    return join_parts(names, parts, names, [number[part] for part in other_parts])


def _answers(
    entrant: Entrant, answered: Answered, classes: tuple[str, ...], order: Sequence[int]
) -> Answers:
    """Calibrated probabilities and decisions in ``order``, over ``classes``."""
    own = entrant.spec.classes
    calibrated = entrant.decision.calibrated(answered.predictions.y_prob)
    decided = entrant.decision.decide(calibrated, entrant.spec.good_indices)
    column = np.array([classes.index(name) for name in own])
    y_prob = np.zeros((len(order), len(classes)))
    y_prob[:, column] = calibrated[list(order)]
    return Answers(y_prob, column[decided[list(order)]])


def _settings(configs: Sequence[RunConfig]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """The config fields that differ between the runs, by flag."""
    found = []
    for leaf in config_fields():
        values = tuple(getattr(getattr(config, leaf.section), leaf.name) for config in configs)
        if any(value != values[0] for value in values):
            flag = "DATA" if leaf.flag.argument else f"--{leaf.name.replace('_', '-')}"
            found.append((flag, values))
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.as_posix()
    return list(value) if isinstance(value, tuple) else value


# ---- files -------------------------------------------------------------------------------


def _find_photos(entrant: Entrant, report: CompareReport, on_event: OnEvent) -> Mapping[str, Path]:
    """The paths of the reference's photos; empty, with a warning, if they are missing."""
    if not any(pair.comparison.changes for pair in report.pairs):
        return {}
    try:
        changed = {
            photo.path
            for pair in report.pairs
            for change in pair.comparison.changes
            for photo in change.photos
        }
        found = photos_to_show(entrant.run, sorted(changed), on_event)
        return {name: entry.path for name, entry in found.items()}
    except DataError as error:
        on_event(Note(f"No contact sheet: {error.message}", "warning"))
        return {}


def _write(report: CompareReport, photos: Mapping[str, Path], out: Path) -> CompareReport:
    """Write the report; return it with its files."""
    table, sheet = out / "compare.json", out / "changes.png"
    pairs = [(f"{pair.before} -> {pair.after}", pair.comparison) for pair in report.pairs]
    with written_to(out, folder=True):
        drawn = bool(photos) and changes_sheet(
            pairs, photos, sheet, how=Reading.of(report.entrants[0].config.data)
        )
        if not drawn:
            sheet.unlink(missing_ok=True)  # a sheet of an earlier comparison would be misleading
        written = replace(report, files=(table, sheet) if drawn else (table,))
        write_json(table, written.as_json())
    return written
