"""``fastdefect compare``: compare two or more runs with the first, on the same photos."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import RunConfig, config_fields
from fastdefect.data.parts.given import join_parts
from fastdefect.data.photos import Entry
from fastdefect.data.reading.images import Reading
from fastdefect.errors import DataError
from fastdefect.evaluation.compare import Answers, SharedPhotos
from fastdefect.evaluation.compare import compare as compare_answers
from fastdefect.evaluation.compared import Pair
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.events import Note, OnEvent
from fastdefect.files import write_json, write_text, written_to
from fastdefect.jobs.comparing.by_part import on_parts
from fastdefect.jobs.comparing.page import ComparePage, page_of
from fastdefect.jobs.comparing.product_series import is_series, pairs_by_product
from fastdefect.jobs.comparing.report import CompareReport
from fastdefect.jobs.comparing.runs import (
    Answered,
    Entrant,
    entrants_of,
    of_common_photos,
    of_decided_photos,
    predict,
)
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import photos_to_show, settle_root
from fastdefect.reporting.sheets.compare import changes_sheet
from fastdefect.run import Run
from fastdefect.text import counted


def compare(
    runs: Sequence[Run],
    request: Request,
    *,
    out: Path,
    on_event: OnEvent,
    page: ComparePage | None = None,
) -> CompareReport:
    """Compare two or more runs, each with the first, on the photos of ``request``.

    Each run decides as in production: calibrated, at its operating point if it has one, and with
    its own views; the views of ``request`` are not used. If they decide by part, the parts are
    compared. The photos of the split must be the same in all runs, by path, content and label, and
    so must the classes. For ``data`` it is enough that all runs have the same good class. If the
    sealed test of a run is among the photos, the command is noted in that run before any
    prediction, once for runs that share a test. A run of ``fit --each-product`` decides each photo
    by the run of its product, and each product is compared alone, too. Writes ``compare.json`` and,
    if decisions differ, ``changes.png`` to the folder ``out``, and ``page``.

    Raises ``UsageError`` if ``out`` can't be written, or if some runs decide by part and others by
    photo, ``DataError`` if the photos or the classes differ, and ``RunError`` for a run without a
    model or without such photos.
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
    by_product = any(is_series(run) for run in runs)
    if by_product:
        answered = of_decided_photos(answered, on_event)
    elif data is not None:
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
    if by_product:
        products = _products(answered)
        alone = (of for pair in report.pairs for of in pairs_by_product(pair, products))
        report = replace(report, products=tuple(alone))
    photos = answered[0].photos or _find_photos(report, on_event, all_of_them=page is not None)
    if page is not None:
        text = page_of(report, request, page, photos, on_event)
        with written_to(page.path, option="--report"):
            write_text(page.path, text)
        report = replace(report, page=page.path)
    return _write(report, {name: photo.path for name, photo in photos.items()}, out)


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
    # The classes of ``before`` come first, so that its indices stay valid.
    photos = SharedPhotos(
        names, parts, answered_before.predictions.y_true, classes, before.spec.good
    )
    answers = (
        _answers(before, answered_before, classes, range(len(names))),
        _answers(after, answered_after, classes, order),
    )
    if before.decision.unit == "part":
        rules = (before.decision, after.decision)
        photos, answers = on_parts(photos, answers, rules, answered_before.shown)
    openings = [of.opening for of in (answered_before, answered_after) if of.opening is not None]
    return Pair(
        before.name,
        after.name,
        max(openings, default=None),
        compare_answers(photos, *answers, seed=BOOTSTRAP_SEED),
        photos,
        answers,
    )


def _products(answered: Sequence[Answered]) -> Sequence[str | None]:
    """The product of each photo of the first run, as the first run that knows it has it."""
    names = answered[0].predictions.names
    known = [
        dict(zip(each.predictions.names, each.shown.products, strict=True))
        for each in answered
        if each.shown.products
    ]
    return [next((of[name] for of in known if of[name]), None) for name in names]


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
    calibrated, decided = answered.predictions.y_prob, answered.decided
    if decided is None:
        calibrated = entrant.decision.calibrated(calibrated)
        products = answered.shown.products
        decided = entrant.decision.decide(calibrated, entrant.spec.good_indices, products)
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


# ---- files -------------------------------------------------------------------------------


def _find_photos(
    report: CompareReport, on_event: OnEvent, *, all_of_them: bool
) -> Mapping[str, Entry]:
    """The photos of the reference with changed decisions, or all; empty if they are missing."""
    wanted = {
        photo.path
        for pair in report.pairs
        for change in pair.comparison.changes
        for photo in change.photos
    }
    if all_of_them:
        wanted = set(report.pairs[0].photos.names)
    if not wanted:
        return {}
    try:
        return photos_to_show(report.entrants[0].run, sorted(wanted), on_event)
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
        pages = () if report.page is None else (report.page,)
        written = replace(report, files=(table, *((sheet,) if drawn else ()), *pages))
        write_json(table, written.as_json())
    return written
