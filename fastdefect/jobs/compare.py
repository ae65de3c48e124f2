"""``fastdefect compare``: compare two or more runs with the first, on the same photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import RunConfig, config_fields
from fastdefect.data.parts.given import join_parts
from fastdefect.data.reading.images import Reading
from fastdefect.errors import DataError, RunError
from fastdefect.evaluation.compare import Answers, Comparison, SharedPhotos
from fastdefect.evaluation.compare import compare as compare_answers
from fastdefect.evaluation.decisions.decide import Decision
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.views import parse_views
from fastdefect.events import Note, OnEvent
from fastdefect.files import write_json, written_to
from fastdefect.jobs.compare_checks import check_classes, check_photos, names_of, rows_of
from fastdefect.jobs.trained.decision import decision_for, judge_validation
from fastdefect.jobs.trained.labels import tell_old_labels
from fastdefect.jobs.trained.model import load_model, read_spec
from fastdefect.jobs.trained.photos import load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import photos_to_show, settle_root
from fastdefect.reporting.sheets.compare import changes_sheet
from fastdefect.run import Run
from fastdefect.text import counted
from fastdefect.training.learner import ModelSpec

_SEED = 0  # of the bootstrap: the same photos give the same intervals


@dataclass(frozen=True)
class Entrant:
    """A compared run, its unique ``name`` and its costs.

    ``parameters`` is None where the run does not store them; ``seconds``: of training.
    """

    name: str
    run: Run
    config: RunConfig
    spec: ModelSpec
    decision: Decision
    parameters: int | None
    megabytes: float
    epochs: int
    seconds: float

    @property
    def arch(self) -> str:
        """The network's name."""
        return self.spec.arch

    def costs(self) -> dict[str, Any]:
        """The values for the table of costs."""
        names = ("name", "arch", "parameters", "megabytes", "epochs", "seconds", "decision")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Answered:
    """A run's predictions of n photos, and their ``parts`` (n,).

    ``paths``, by name, is empty if no photo was read for the predictions.
    ``opening`` counts the openings of the run's sealed test up to this one; None if the test was
    not opened.
    """

    predictions: Predictions
    parts: tuple[str, ...]
    paths: Mapping[str, Path]
    opening: int | None


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
class CompareReport:
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
    entrants = _entrants(runs, request, on_event)
    with written_to(out, folder=True):
        out.mkdir(parents=True, exist_ok=True)
    opened = [len(run.read_openings()) for run in runs]  # before any of them predicts
    answered = [
        _predict(entrant, request, on_event, opened_before=before)
        for entrant, before in zip(entrants, opened, strict=True)
    ]
    if data is not None:
        answered = _of_common_photos(answered, on_event)
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


# ---- predictions -------------------------------------------------------------------------


def _entrants(runs: Sequence[Run], request: Request, on_event: OnEvent) -> tuple[Entrant, ...]:
    """The runs with their decisions, checked for the same classes and photos."""
    names, specs = names_of(runs), [read_spec(run) for run in runs]
    any_photos = request.data is not None
    for name, run, spec in zip(names[1:], runs[1:], specs[1:], strict=True):
        check_classes((names[0], specs[0]), (name, spec), any_photos=any_photos)
        if not any_photos:
            check_photos((names[0], runs[0]), (name, run), request.split)
    return tuple(
        _entrant(name, run, spec, decision_for(run, "stored", None, request.device, on_event))
        for name, run, spec in zip(names, runs, specs, strict=True)
    )


def _entrant(name: str, run: Run, spec: ModelSpec, decision: Decision) -> Entrant:
    history = run.read_whole_history()
    return Entrant(
        name,
        run,
        run.read_config(),
        spec,
        decision,
        run.read("model.json").get("parameters"),
        run.path("model.safetensors").stat().st_size / 1e6,
        len(history),
        sum(row["seconds"] for row in history),
    )


def _predict(
    entrant: Entrant, request: Request, on_event: OnEvent, *, opened_before: int
) -> Answered:
    run, decision, device = entrant.run, entrant.decision, request.device
    if request.split == "valid" and request.data is None:
        judged = judge_validation(run, decision.views, device, on_event)
        tell_old_labels(run, judged.predictions, on_event)
        if set(judged.predictions.names) != set(rows_of(run, "valid")):
            path = run.predictions_path("valid", decision.views)
            raise RunError(
                f"{path} does not hold the validation photos in {run.path('split.csv')}.",
                "Delete it: it is written again if the photos and the model exist.",
            )
        return Answered(judged.predictions, judged.parts, {}, None)
    photos = load_evaluation_photos(
        run,
        request,
        entrant.spec,
        what="comparison",
        on_event=on_event,
        opened_before=opened_before,
    )
    predictions = load_model(run, photos, device).predict(
        parse_views(decision.views)[0], on_event=on_event, label=f"predicting with {entrant.name}"
    )
    for name in photos.names:
        run.write_predictions(name, predictions.rows(), predictions.columns(), decision.views)
    return Answered(
        predictions,
        tuple(photos.parts),
        {photo.name: photo.path for photo in photos.photos},
        photos.opening,
    )


def _of_common_photos(answered: Sequence[Answered], on_event: OnEvent) -> list[Answered]:
    """The predictions of the photos that were measured in all runs.

    Of photos from elsewhere, a run leaves out those of the parts that it was trained on, as it
    groups the photos into parts. Another run may group them differently.
    """
    measured = [set(each.predictions.names) for each in answered]
    common = set.intersection(*measured)
    n = len(set.union(*measured) - common)
    if not common:
        raise DataError(
            "The runs have no photo in common that none of them was trained on: they group the "
            "photos into parts differently.",
            "Give photos of other parts, or measure on these with --include-trained.",
        )
    if n:
        which = "1 photo is" if n == 1 else f"{n} photos are"
        text = f"{which} left out in some of the runs only, and therefore in all: "
        on_event(Note(f"{text}{counted(len(common), 'photo')} in all runs."))
    return [_only(each, common) for each in answered]


def _only(answered: Answered, names: set[str]) -> Answered:
    """The predictions of the photos ``names`` alone."""
    predictions = answered.predictions
    kept = [i for i, name in enumerate(predictions.names) if name in names]
    return replace(
        answered,
        predictions=replace(
            predictions,
            names=tuple(predictions.names[i] for i in kept),
            y_true=predictions.y_true[kept],
            y_prob=predictions.y_prob[kept],
        ),
        parts=tuple(answered.parts[i] for i in kept),
    )


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
