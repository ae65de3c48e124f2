"""``fastdefect evaluate``: measure every figure of a run's model, each with its interval."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.data.photos import DEFECT_COLUMN, PRODUCT_COLUMN, VIEW_COLUMN
from fastdefect.evaluation.by_half import ByHalf, DecidedByHalves, measure_halves
from fastdefect.evaluation.by_part import ByPart, measure_parts, products_of_parts
from fastdefect.evaluation.by_view import ByView, measure_views
from fastdefect.evaluation.decisions.calibration import reliability
from fastdefect.evaluation.decisions.operating_point import (
    CostCurve,
    Costs,
    ScoredPhotos,
    cost_curve,
)
from fastdefect.evaluation.decisions.sent import Sent, sent_to_people
from fastdefect.evaluation.defect_types import Columns, columns_of, escapes_by_type
from fastdefect.evaluation.evaluate import Evaluation
from fastdefect.evaluation.evaluate import evaluate as evaluate_predictions
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.products import DecidedPhotos, ProductFigures, figures_by_product
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.evaluation.unseen_types import UnseenTypes
from fastdefect.evaluation.views import parse_views
from fastdefect.events import OnEvent
from fastdefect.explain.target import choose_target
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.jobs.explaining.on_part import EvidenceOnPart, evidence_on_part
from fastdefect.jobs.trained.decision import by_unit, decision_for, stored_costs
from fastdefect.jobs.trained.labels import keep_predictions
from fastdefect.jobs.trained.model import load_model, read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.products import trained_by_product
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import settle_root
from fastdefect.jobs.training.sides import known_views
from fastdefect.jobs.unseen.measure import OfRun, measure_unseen
from fastdefect.jobs.unseen.trainings import train_without_types
from fastdefect.metrics import Metrics
from fastdefect.reporting.plots.evaluate import plot_evaluation
from fastdefect.reporting.plots.fit import plot_confusion
from fastdefect.reporting.tables.by_half import half_tables
from fastdefect.reporting.tables.by_part import part_tables, view_table
from fastdefect.reporting.tables.evaluate import evaluation_tables
from fastdefect.reporting.tables.explain import attention_table
from fastdefect.reporting.tables.fit import MeasuredOn
from fastdefect.reporting.tables.products import product_table
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.reporting.tables.tabled import Tabled
from fastdefect.reporting.tables.unseen import unseen_tables
from fastdefect.run import Run


@dataclass(frozen=True)
class EvaluationReport(Tabled):
    """The result of ``evaluate``.

    ``evaluation`` is of the calibrated probabilities and of the decisions by ``decision`` on
    photos, ``by_part`` of those on parts; None if it decides on photos. ``by_view`` has the figures
    of each view; None without different views. ``uncalibrated`` are the metrics of the same photos
    at temperature 1. ``by_type`` holds the escapes by column and value. ``sent`` is None without a
    review band, and ``on_part`` and ``unseen`` if they were not asked for. ``products`` is empty if
    no product is known. ``by_half`` has the figures of each half of a joint model.
    """

    run: Run
    split: str
    opening: int | None
    decision: DecisionRule
    evaluation: Evaluation
    by_part: ByPart | None
    by_view: ByView | None
    uncalibrated: Metrics
    by_type: dict[str, dict[str, Rate]]
    sent: Sent | None
    on_part: EvidenceOnPart | None
    files: tuple[Path, ...]
    unseen: UnseenTypes | None = None
    products: tuple[ProductFigures, ...] = ()
    by_half: ByHalf = field(default_factory=dict)

    @property
    def decided(self) -> Evaluation:
        """The figures of what is decided: those of the parts, or of the photos."""
        return self.evaluation if self.by_part is None else self.by_part.evaluation

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and the content of the run's file."""
        before = self.uncalibrated
        return {
            "run": str(self.run.folder),
            "split": self.split,
            "opening": self.opening,
            "decision": self.decision.as_json(),
            **self.evaluation.as_json(),
            "uncalibrated": {
                name: getattr(before, name) for name in ("log_loss", "brier", "calibration_error")
            },
            "by_type": {
                column: {value: rate.as_json() for value, rate in rates.items()}
                for column, rates in self.by_type.items()
            },
            "by_part": self.by_part.as_json() if self.by_part else None,
            "by_view": self.by_view.as_json() if self.by_view else None,
            "attention": self.on_part.as_json() if self.on_part else None,
            "sent": self.sent.as_json() if self.sent else None,
            **({"by_product": [each.as_json() for each in self.products]} if self.products else {}),
            **({"unseen_types": self.unseen.as_json()} if self.unseen else {}),
            **(
                {"by_half": {name: each.as_json() for name, each in self.by_half.items()}}
                if self.by_half
                else {}
            ),
            "files": [str(file) for file in self.files],
        }

    def tables(self) -> list[TableData]:
        """The figures of parts and of photos, of each view and type, and the evidence."""
        measured_on = MeasuredOn(self.split, self.opening)
        tables = []
        if self.by_part is not None:
            tables += part_tables(self.by_part, self.decision, measured_on=measured_on)
        tables += evaluation_tables(
            self.evaluation,
            self.uncalibrated,
            self.by_type if self.by_part is None else {},  # those of the parts are above
            self.decision,
            self.sent,
            measured_on=measured_on,
        )
        if self.by_half:
            tables += half_tables(self.by_half)
        if self.by_view is not None:
            tables.append(view_table(self.by_view))
        if self.products:
            tables.append(product_table(self.products, self.decision.unit))
        if self.on_part is not None:
            tables.append(attention_table(self.on_part.attention, self.on_part.method.title))
        return [*tables, *(unseen_tables(self.unseen) if self.unseen else ())]


def evaluate(
    run: Run,
    request: Request,
    *,
    attention: bool = False,
    unseen_types: bool = False,
    on_event: OnEvent,
) -> EvaluationReport:
    """Predict the photos of ``request`` and measure every figure.

    With ``attention`` the share of the evidence on the part is one of them, and with
    ``unseen_types`` the escapes of each type of defect by a training without it. Writes
    predictions, figures and plots into the run. Raises ``RunError`` if the run has no model or no
    such photos, ``UsageError`` for ``attention`` if its classes are not good and defective, and the
    errors of ``train_without_types``.
    """
    spec = read_spec(run)
    target = choose_target(spec.classes, spec.good_indices, None) if attention else None
    settle_root(run, request.data_root, request.sides, on_event)
    # Before the photos: a request without a decision must not open the test.
    decision = decision_for(run, request.threshold, request.views, request.device, on_event)
    decision = by_unit(run, decision, request, on_event)
    costs = stored_costs(run)
    without = train_without_types(run, on_event) if unseen_types else None
    photos = load_evaluation_photos(run, request, spec, what="evaluation", on_event=on_event)
    model = load_model(run, photos, request.device)
    predictions = model.predict(parse_views(decision.views)[0], on_event=on_event)
    report = _measure(run, photos, predictions, decision)
    report = replace(report, products=_by_product(run, photos, predictions, report))
    halves = None
    if spec.memory:
        halves = model.halves(parse_views(decision.views)[0], on_event=on_event)
        decided_by = DecidedByHalves(predictions, halves, decision, photos.parts, photos.products)
        report = replace(report, by_half=_by_half(run, photos, decided_by))
    if target is not None:
        decided = decision.decide(
            decision.calibrated(predictions.y_prob), predictions.good_indices, photos.products
        )
        found = evidence_on_part(model, target, predictions, decided, on_event)
        report = replace(report, on_part=found)
    if without is not None:
        of_run = OfRun(photos, predictions, decision, halves)
        found_unseen = measure_unseen(run, without, of_run, request, on_event)
        report = replace(report, unseen=found_unseen)
        for name in photos.names:
            run.write(f"unseen-{name}.json", found_unseen.as_json())
    keep_predictions(run, photos.names, predictions, decision.views, on_event)
    for name in photos.names:
        run.write(f"evaluation-{name}.json", report.as_json())
    _draw(report, predictions, costs)
    return report


def _measure(
    run: Run, photos: EvaluationPhotos, predictions: Predictions, decision: DecisionRule
) -> EvaluationReport:
    good = predictions.good_indices
    calibrated = decision.calibrated(predictions.y_prob)
    y_pred = decision.decide(calibrated, good, photos.products)
    said = replace(predictions, y_prob=calibrated)
    evaluation = evaluate_predictions(said, photos.parts, y_pred=y_pred, seed=BOOTSTRAP_SEED)
    columns, kinds = _types(run, photos)
    by_type, sent = {}, None
    if good:
        defective = ~is_good(predictions.y_true, good)
        passed = is_good(y_pred, good)
        by_type = escapes_by_type(passed, defective, photos.parts, columns, kinds=kinds)
        sent = sent_to_people(decision, defect_score(calibrated, good), defective, photos.parts)
    views = known_views(run)
    by_part = measure_parts(
        said, photos.shown, decision, known_views=views, columns=columns, kinds=kinds
    )
    return EvaluationReport(
        run,
        photos.split,
        photos.opening,
        decision,
        evaluation,
        by_part,
        measure_views(said, photos.shown, y_pred),
        predictions.metrics(),
        by_type,
        sent,
        None,
        (
            run.report_path("evaluation", photos.stem, ".json"),
            run.report_path("evaluation", photos.stem, ".png"),
            run.report_path("confusion", photos.stem, ".png"),
            run.predictions_path(photos.stem, decision.views),
        ),
    )


def _types(run: Run, photos: EvaluationPhotos) -> tuple[Columns, str | None]:
    """The columns that may have types of defect, and the one that lists them, if there is one."""
    columns = columns_of([dict(photo.columns) for photo in photos.photos])
    for own_table in (VIEW_COLUMN, PRODUCT_COLUMN):  # they are no types of defect
        columns.pop(own_table, None)
    return columns, DEFECT_COLUMN if run.read_config().data.one_defect else None


def _by_product(
    run: Run, photos: EvaluationPhotos, predictions: Predictions, report: EvaluationReport
) -> tuple[ProductFigures, ...]:
    """The figures of each product, of what is decided; empty without a known product.

    Also empty without a good class.
    """
    good, products = predictions.good_indices, photos.products
    if not good or not any(products):
        return ()
    if report.by_part is not None:
        return products_of_parts(report.by_part, trained_by_product(run))
    calibrated = report.decision.calibrated(predictions.y_prob)
    decided = DecidedPhotos(
        ~is_good(predictions.y_true, good),
        is_good(report.decision.decide(calibrated, good, products), good),
        defect_score(calibrated, good),
        np.array(photos.parts),
    )
    return figures_by_product(products, decided, trained_by_product(run))


def _by_half(run: Run, photos: EvaluationPhotos, decided: DecidedByHalves) -> ByHalf:
    """The figures of each half of a joint model."""
    columns, kinds = _types(run, photos)
    return measure_halves(decided, columns, kinds=kinds)


def _draw(report: EvaluationReport, predictions: Predictions, costs: Costs | None) -> None:
    """Plot ROC, precision and recall, mistakes and cost by threshold, reliability, confusion.

    All of them are of what is decided: photos, or parts.
    """
    calibrated = replace(predictions, y_prob=report.decision.calibrated(predictions.y_prob))
    sets = [("as predicted", predictions), ("calibrated", calibrated)]
    if report.by_part is not None:
        sets = [(f"parts ({report.by_part.rule})", report.by_part.predictions)]
    shown = sets[-1][1]
    classes, good = shown.classes, shown.good
    title = f"{report.run.name}, {report.split}: {len(shown.y_true)} {report.decision.unit}s"
    threshold = report.decision.threshold
    if threshold is None and good and len(classes) == 2:
        threshold = 0.5
    _, plot, confusion, _ = report.files
    plot_evaluation(
        plot,
        shown,
        title=title,
        threshold=threshold,
        costs=_cost_curve(shown, costs),
        reliability=[(name, reliability(each.y_true, each.y_prob)) for name, each in sets],
    )
    plot_confusion(
        report.decided.metrics.confusion,
        classes,
        confusion,
        title=title,
        good=good,
    )


def _cost_curve(shown: Predictions, costs: Costs | None) -> CostCurve | None:
    """The cost by threshold, if the operating point was chosen by cost."""
    good = shown.good_indices
    if costs is None or not good:
        return None
    defective = ~is_good(shown.y_true, good)
    if defective.all() or not defective.any():
        return None
    scored = ScoredPhotos(defective, defect_score(shown.y_prob, good), [""] * len(defective))
    return cost_curve(scored, costs)
