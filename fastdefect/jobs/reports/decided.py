"""The decisions of a run on the photos of its splits, from its stored predictions."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fastdefect.data.photos import DEFECT_COLUMN, PRODUCT_COLUMN, VIEW_COLUMN
from fastdefect.data.splitting.found import Row
from fastdefect.errors import RunError
from fastdefect.evaluation.by_half import EITHER, ByHalf, HalfFigures
from fastdefect.evaluation.by_part import ByPart, Shown, measure_parts, products_of_parts
from fastdefect.evaluation.decisions.sent import sent_to_people
from fastdefect.evaluation.defect_types import columns_of, escapes_by_type
from fastdefect.evaluation.evaluate import evaluate
from fastdefect.evaluation.predictions import read_predictions
from fastdefect.evaluation.products import DecidedPhotos, ProductFigures, figures_by_product
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.events import silent
from fastdefect.files import finite, typed
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.reports.run_record import read_or
from fastdefect.jobs.trained.decision import decision_for
from fastdefect.jobs.trained.model import read_spec
from fastdefect.jobs.trained.products import products_for
from fastdefect.jobs.training.sides import shown_by, views_among
from fastdefect.reporting.html.facts import Decided, Making, Measured
from fastdefect.run import Run, RunKind
from fastdefect.training.learner import ModelSpec

Columns = Mapping[str, Mapping[str, str]]


def making_of(run: Run) -> Making:
    """How the networks of a run were trained."""
    kind = run.read_kind()
    if kind == RunKind.CROSS_VALIDATION:
        return "folds"
    if kind != RunKind.ENSEMBLE:
        return "one"
    return "members" if run.read_config().training.final in ("none", "auto") else "final"


def spec_of(run: Run) -> ModelSpec:
    """The description of the run's model, or of the networks of a cross-validation."""
    if making_of(run) != "folds":
        return read_spec(run)
    run.require_trained()
    return ModelSpec.from_json(run.fold(1).read("model.json"))


def rows_of(run: Run) -> list[dict[str, str]]:
    """The rows of split.csv, with the ``fold`` of photos that were held out in turn."""
    if not run.path("folds.csv").exists():
        return run.read("split.csv") if run.path("split.csv").exists() else []
    folds = run.read("folds.csv")
    if not run.path("split.csv").exists():
        return folds
    fold_of = {row["path"]: row["fold"] for row in folds}
    return [{**row, "fold": fold_of.get(row["path"], "")} for row in run.read("split.csv")]


def rule_of(run: Run, spec: ModelSpec) -> DecisionRule | None:
    """The rule by which the run decides; None without stored predictions of validation.

    Nothing is predicted, and the sealed test is not opened.
    """
    if making_of(run) == "folds":
        known = run.predictions_path("oof").exists()
        return DecisionRule("none", 1.0, None, None, "the most probable class") if known else None
    views = run.read("operating_point.json").get("views", spec.views)
    if not run.predictions_path("valid", str(views)).exists():
        return None
    return decision_for(run, "stored", None, "cpu", silent)


def decided_splits(
    run: Run, spec: ModelSpec, rule: DecisionRule, part_of: Mapping[str, str]
) -> list[Decided]:
    """Train, valid and test, as far as there are predictions with the views of the rule.

    The test is included only if ``evaluate --split test`` opened it. A cross-validation has ``oof``
    instead: all photos in folds, each predicted by the network that was trained without it.
    """
    opened = run.report_path("evaluation", "test", ".json").exists()
    splits = ("train", "valid", "test", "oof") if opened else ("train", "valid", "oof")
    return [
        _decided(run, spec, rule, split, part_of)
        for split in splits
        if run.predictions_path(split, rule.views).exists()
    ]


def _decided(
    run: Run, spec: ModelSpec, rule: DecisionRule, split: str, part_of: Mapping[str, str]
) -> Decided:
    raw = read_predictions(run.predictions_path(split, rule.views), spec.classes, spec.good)
    good = raw.good_indices
    calibrated = rule.calibrated(raw.y_prob)
    products = products_for(run, raw.names) if rule.products else ()
    return Decided(
        split,
        raw,
        replace(raw, y_prob=calibrated),
        tuple(part_of.get(name, name) for name in raw.names),
        tuple(rule.verdicts(calibrated, good, products)),
        rule.decide(calibrated, good, products),
    )


def measured(
    decided: Decided, rule: DecisionRule, columns: Columns, rows: Sequence[Row], *, joined: bool
) -> Measured:
    """All figures of held-out photos, as ``fastdefect evaluate`` measures them.

    ``columns`` holds the other columns of the data by photo, and ``rows`` are those of
    ``split.csv``. ``joined``: all defects are one class.
    """
    good, parts = decided.raw.good_indices, decided.parts
    evaluation = evaluate(decided.predictions, parts, y_pred=decided.y_pred, seed=BOOTSTRAP_SEED)
    by_type, sent = {}, None
    of_types = columns_of([columns.get(name, {}) for name in decided.raw.names])
    of_types.pop(PRODUCT_COLUMN, None)  # which is no type of defect
    kinds = DEFECT_COLUMN if joined else None
    if good:
        passed = is_good(decided.y_pred, good)
        by_type = escapes_by_type(passed, decided.defective, parts, of_types, kinds=kinds)
        sent = sent_to_people(rule, decided.score, decided.defective, parts)
    found = Measured(
        decided,
        evaluation,
        decided.raw.metrics(),
        by_type,
        sent,
        products=_by_product(decided, rows) if good else (),
    )
    by_part = measure_parts(
        decided.predictions,
        shown_by(rows, decided.raw.names) if rule.part_rule else Shown.unknown(parts),
        rule,
        known_views=views_among(rows),
        columns={name: values for name, values in of_types.items() if name != VIEW_COLUMN},
        kinds=kinds,
    )
    return found if by_part is None else _with_parts(found, by_part, rule, _trained(rows))


def _by_product(decided: Decided, rows: Sequence[Row]) -> tuple[ProductFigures, ...]:
    """The figures of each product in the split; empty if none is known."""
    known = {row["path"]: row[PRODUCT_COLUMN] for row in rows if row.get(PRODUCT_COLUMN)}
    photos = DecidedPhotos(
        decided.defective,
        is_good(decided.y_pred, decided.raw.good_indices),
        decided.score,
        np.array(decided.parts),
    )
    products = [known.get(name) for name in decided.raw.names]
    return figures_by_product(products, photos, _trained(rows))


def _trained(rows: Sequence[Row]) -> Counter[str]:
    """The number of training photos of each product."""
    return Counter(
        row[PRODUCT_COLUMN]
        for row in rows
        if row.get(PRODUCT_COLUMN) and (row["split"] == "train" or row.get("fold"))
    )


def _with_parts(
    photos: Measured, by_part: ByPart, rule: DecisionRule, trained: Counter[str]
) -> Measured:
    """With the decisions on the parts, as if each were one photo."""
    said = by_part.predictions
    verdicts = tuple(rule.verdicts(said.y_prob, said.good_indices, by_part.products))
    of_parts = Decided(photos.split, said, said, said.names, verdicts, by_part.y_pred)
    products = products_of_parts(by_part, trained)
    return replace(photos, by_part=by_part, of_parts=of_parts, products=products)


def halves_of(run: Run, found: Measured, rule: DecisionRule) -> ByHalf:
    """The figures of each half of a joint model that ``evaluate`` left in the run.

    Empty without them, and if ``rule`` or the labels have changed since. Raises ``RunError`` if
    they are damaged.
    """
    path = run.report_path("evaluation", found.split, ".json")
    content = read_or(run, path.name, {})
    try:
        by_half = {
            name: HalfFigures.from_json(of) for name, of in content.get("by_half", {}).items()
        }
        decided = content["decision"] if by_half else {}
        if not by_half or decided != json.loads(json.dumps(finite(rule.as_json()))):
            return {}
        either = by_half[EITHER]
    except (AttributeError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is damaged: {error!r}.",
            f"Write it again with: fastdefect evaluate {typed(run.folder)} --split {found.split}",
        ) from error
    passed = is_good(found.decided.y_pred, found.decided.raw.good_indices)
    defective = found.decided.defective
    now = [(passed & defective).sum(), defective.sum(), (~passed & ~defective).sum()]
    then = [either.escape.count, either.escape.photos, either.overkill.count]
    return by_half if now == then else {}


def kind_column(of: Sequence[Measured]) -> str | None:
    """The column with the types of defect: the first one that groups the defects."""
    names = (column for each in of for column in each.by_type)
    return next((column for column in names if column != VIEW_COLUMN), None)
