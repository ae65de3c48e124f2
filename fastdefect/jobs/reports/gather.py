"""Gather what a report shows from the files of a run. Nothing is predicted or opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastdefect import __version__
from fastdefect.data.photos import DEFECT_COLUMN, Entry
from fastdefect.data.reading.images import Reading
from fastdefect.errors import DataError, FastdefectError, RunError, UsageError
from fastdefect.evaluation.compare import Answers, SharedPhotos, compare
from fastdefect.evaluation.label_check import Suspect, label_suspects
from fastdefect.evaluation.predictions import read_predictions
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.evaluation.unseen_types import UnseenTypes
from fastdefect.events import OnEvent
from fastdefect.files import typed
from fastdefect.jobs.reports.cards import Choice, cards_of, choose, heat_maps_of, with_pictures
from fastdefect.jobs.reports.decided import (
    decided_splits,
    halves_of,
    kind_column,
    making_of,
    measured,
    rows_of,
    rule_of,
    spec_of,
)
from fastdefect.jobs.reports.run_record import read_or, run_record
from fastdefect.jobs.reports.trainings import compared, trainings_of
from fastdefect.jobs.trained.decision import stored_costs
from fastdefect.jobs.trained.model import read_spec
from fastdefect.jobs.trained.run_photos import photos_to_show
from fastdefect.reporting.html.facts import Before, Decided, Measured, Pictures, RunFacts
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.compare import changes_table, figures_table, mcnemar_table
from fastdefect.run import Run
from fastdefect.training.learner import ModelSpec


def gather(
    run: Run, photos: Choice, most: int, on_event: OnEvent, *, heat_maps: bool = True
) -> RunFacts:
    """Everything that the report of ``run`` shows, with at most ``most`` photos.

    Without ``heat_maps`` the network is not needed.

    Raises ``RunError`` if the run has no model, or if one of its files is damaged.
    """
    spec, rows = spec_of(run), rows_of(run)
    part_of = {row["path"]: row["part"] for row in rows}
    rule = rule_of(run, spec)
    decided = decided_splits(run, spec, rule, part_of) if rule else []
    found = _find(run, [name for each in decided for name in each.raw.names], on_event)
    columns = {name: dict(entry.columns) for name, entry in found.entries.items()}
    joined = run.read_config().data.one_defect
    sides: tuple[Measured, ...] = ()
    if rule:
        scored = [each for each in decided if each.split != "train"]
        sides = tuple(measured(each, rule, columns, rows, joined=joined) for each in scored)
        sides = tuple(replace(each, by_half=halves_of(run, each, rule)) for each in sides)
    suspects = _suspects(run, spec, part_of)
    pictures = Pictures(())
    if rule and sides:
        kinds = _kinds(columns, DEFECT_COLUMN if joined else kind_column(sides))
        cards = [card for each in decided for card in cards_of(each, rule, kinds)]
        doubted = [name for name, _ in suspects]
        pictures = choose(cards, photos, doubted, most)
        if photos == "none" or not found.entries:
            trouble = say("photos.none") if photos == "none" else found.trouble
            pictures = replace(pictures, trouble=trouble)
        else:
            drawn = heat_maps and making_of(run) != "folds"  # which has no model
            maps = [heat_maps_of(run, pictures.cards, on_event)] if drawn else []
            files = {name: entry.path for name, entry in found.entries.items()}
            pictures = with_pictures(pictures, files, Reading.of(run.read_config().data), maps)
    return RunFacts(
        **{**_files(run), "rows": rows},
        compared=compared(run, making_of(run), spec, rows),
        good=spec.good,
        rule=rule,
        measured=sides,
        suspects=tuple(suspect for _, suspect in suspects),
        before=_before(run, spec, sides),
        pictures=pictures,
    )


@dataclass(frozen=True)
class _Found:
    """The photos that still exist, by name; ``trouble`` is why there are none."""

    entries: Mapping[str, Entry]
    trouble: str = ""


def _files(run: Run) -> dict[str, Any]:
    """The fields of ``RunFacts`` that are files of the run, as they are."""
    making = making_of(run)
    record = run_record(run)
    if making == "folds":
        record = replace(record, model=run.fold(1).read("model.json"))
    return {
        **vars(record),
        "command": typed(run.folder),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "costs": stored_costs(run),
        "findings": read_or(run, "findings.json", []),
        "recipe": read_or(run, "recipe.json", {}),
        "history": run.read_history() if making == "one" else [],
        "making": making,
        "trainings": trainings_of(run) if making != "one" else (),
        "calibration": run.read("calibration.json"),
        "stress": _stress(run),
        "swap": run.read("background_swap.json"),
        "unseen": _unseen(run),
    }


def _stress(run: Run) -> dict[str, Any]:
    """The stress tests of validation and of the test, by split."""
    names = {split: run.report_path("stress", split, ".json").name for split in ("valid", "test")}
    return {split: of for split, name in names.items() if (of := read_or(run, name, {}))}


def _unseen(run: Run) -> tuple[UnseenTypes, ...]:
    """The escapes of types left out of a training, on validation and on the test."""
    names = [run.report_path("unseen", split, ".json").name for split in ("valid", "test")]
    try:
        return tuple(UnseenTypes.from_json(of) for name in names if (of := run.read(name)))
    except (KeyError, TypeError) as error:
        raise RunError(
            f"An unseen-*.json of {run.name} is damaged: {error!r}.",
            f"Write it again with: fastdefect evaluate {typed(run.folder)} --unseen-types",
        ) from error


def _find(run: Run, names: Sequence[str], on_event: OnEvent) -> _Found:
    try:
        entries = photos_to_show(run, names, on_event) if names else {}
    except (DataError, UsageError) as error:
        return _Found({}, say("photos.not_found", reason=error.message))
    if names and not entries:
        reason = say("photos.gone", folder=run.read_config().data.data)
        return _Found({}, say("photos.not_found", reason=reason))
    return _Found(entries)


def _kinds(columns: Mapping[str, Mapping[str, str]], column: str | None) -> dict[str, str]:
    """The type of defect of each photo that has one."""
    if column is None:
        return {}
    return {name: of[column] for name, of in columns.items() if of.get(column)}


def _suspects(run: Run, spec: ModelSpec, part_of: Mapping[str, str]) -> list[tuple[str, Suspect]]:
    """The names of the validation photos with doubtful labels, as label-check finds them."""
    path = run.predictions_path("oof" if making_of(run) == "folds" else "valid")
    if not path.exists():
        return []
    said = read_predictions(path, spec.classes, spec.good)
    parts = [part_of.get(name, name) for name in said.names]
    found = label_suspects(said.y_true, said.y_prob, parts)
    return [(said.names[each.index], each) for each in found]


def _before(run: Run, spec: ModelSpec, sides: Sequence[Measured]) -> Before | None:
    """The comparison with the run that this one continues; None if it continues none."""
    folder = run.read_state().get("from_run")
    if folder is None:
        return None
    earlier = Run(Path(str(folder)))
    try:
        earlier_spec = read_spec(earlier)
        rule = rule_of(earlier, earlier_spec)
        parts = {row["path"]: row["part"] for row in read_or(earlier, "split.csv", [])}
        known = decided_splits(earlier, earlier_spec, rule, parts) if rule else []
    except FastdefectError:
        known = []
    old = next((each for each in known if each.split == "valid"), None)
    new = next((each.decided for each in sides if each.split == "valid"), None)
    if old is None or new is None:
        return Before(typed(earlier.folder), reason="gone")
    if (earlier_spec.classes, earlier_spec.good) != (spec.classes, spec.good):
        return Before(earlier.name, reason="other_classes")
    return _compared(earlier.name, old, run.name, new)


def _compared(old_name: str, old: Decided, new_name: str, new: Decided) -> Before:
    """Both models on the photos that both runs held out for validation, with the new labels."""
    old_row = {name: row for row, name in enumerate(old.raw.names)}
    rows = [row for row, name in enumerate(new.raw.names) if name in old_row]
    if not rows:
        return Before(old_name, reason="none_shared")
    old_rows = [old_row[new.raw.names[row]] for row in rows]
    photos = SharedPhotos(
        tuple(new.raw.names[row] for row in rows),
        tuple(new.parts[row] for row in rows),
        new.raw.y_true[rows],
        new.raw.classes,
        new.raw.good,
    )
    comparison = compare(
        photos,
        Answers(old.predictions.y_prob[old_rows], old.y_pred[old_rows]),
        Answers(new.predictions.y_prob[rows], new.y_pred[rows]),
        seed=BOOTSTRAP_SEED,
    )
    tables = (
        figures_table(comparison, old_name, new_name, where=say("splits.valid")),
        mcnemar_table(comparison, old_name, new_name),
        changes_table(comparison, old_name, new_name),
    )
    return Before(old_name, len(rows), tables)
