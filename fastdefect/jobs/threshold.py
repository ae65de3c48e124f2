"""``fastdefect threshold``: choose an operating point and store it with the model."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fastdefect.config import PartRule
from fastdefect.errors import DataError, UsageError
from fastdefect.evaluation.by_part import part_facts
from fastdefect.evaluation.decisions.by_product import choose_by_product
from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.evaluation.decisions.guarantees import (
    Guarantee,
    guaranteed_max_escape,
    guaranteed_max_overkill,
)
from fastdefect.evaluation.decisions.operating_point import (
    OperatingPoint,
    ScoredPhotos,
    choose_by_cost,
    choose_by_f1,
    choose_by_max_escape,
    choose_by_max_overkill,
)
from fastdefect.evaluation.decisions.review_band import choose_band, load
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.choosing.report import ThresholdReport
from fastdefect.jobs.choosing.units import Units, units_of
from fastdefect.jobs.trained.decision import (
    Judged,
    fixed_views,
    judge_validation,
    part_rule_for,
    temperature_for,
)
from fastdefect.jobs.trained.good_point import good_point
from fastdefect.jobs.trained.labels import tell_old_labels
from fastdefect.jobs.trained.model import load_model, read_spec
from fastdefect.jobs.trained.photos import load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import settle_root
from fastdefect.jobs.training.sides import known_views
from fastdefect.run import Run
from fastdefect.text import counted, exact_percent
from fastdefect.training.learner import choose_device


def choose_threshold(
    run: Run,
    criteria: Criteria,
    request: Request,
    *,
    by_product: bool = False,
    on_event: OnEvent,
) -> ThresholdReport:
    """Choose the operating point on validation, or on the photos of ``data``, and store it.

    It is for decisions on photos, or on parts by a rule, as ``request`` asks for. ``by_product``:
    also a threshold for each product that has enough photos. The split and threshold of ``request``
    are not used. Raises ``DataError``, and stores nothing, if the photos can't support a guarantee.
    """
    _check(run, criteria, by_product=by_product)
    data, device = request.data, request.device
    choose_device(device)  # a missing device must not open a test among ``data``
    part_rule = part_rule_for(run, request)
    _check_learned(part_rule, criteria, request)
    settle_root(run, request.data_root, request.sides, on_event)
    name, fixed = fixed_views(run, request.views)
    validation = None
    # The temperature is fitted to these labels, too, whatever the threshold is chosen on.
    if data is None or part_rule == "stacking" or run.predictions_path("valid", name).exists():
        validation = judge_validation(run, name, device, on_event)
        tell_old_labels(run, validation.predictions, on_event)
    temperature = temperature_for(run, name, device, on_event)
    if data is None and validation is not None:
        judged = validation
    else:
        judged = _predict_others(run, request, fixed, on_event)
    units = units_of(judged, temperature, part_rule, validation)
    report = ThresholdReport(
        run,
        "",
        _source_text(judged, "validation" if data is None else str(data), part_rule),
        name,
        temperature,
        units.by_most_probable,
        None,
        None,
        None,
        None,
        run.path("operating_point.json"),
        part_rule,
        part_facts(judged.predictions, judged.shown, known_views(run)) if part_rule else None,
        stacking=units.learned,
        rules=units.rules,
    )
    if _only_overkill(criteria) and not units.has_defects:
        report = _choose_alone(report, criteria, judged, part_rule)
    else:
        report = _choose(report, criteria, units.scored)
    if by_product and report.alone is None:
        report = _with_products(report, criteria, units)
    for warning in _warnings(report, criteria, on_validation=data is None):
        on_event(Note(warning, "warning"))
    time = datetime.now(UTC).isoformat(timespec="seconds")
    run.write(
        "operating_point.json", {**report.as_json(), "time": time, "command": request.command}
    )
    return report


def _check(run: Run, criteria: Criteria, *, by_product: bool) -> None:
    criteria.check()
    if by_product and len(criteria.limits) > 1:
        raise UsageError(
            "--by-product chooses one threshold for each product, but both limits choose a review "
            "band.",
            "Give one of --max-escape and --max-overkill, or remove --by-product.",
        )
    if not read_spec(run).good:
        raise DataError(
            f"A threshold needs a good class, but {run.name} has none.",
            "Train with --good NAME.",
        )


def _check_learned(part_rule: PartRule | None, criteria: Criteria, request: Request) -> None:
    """A guarantee is for scores that do not depend on the parts that it is tested on."""
    if part_rule == "stacking" and criteria.confidence is not None and request.data is None:
        raise UsageError(
            "--part-rule stacking is learned from the validation parts, so that they can't support "
            "a guarantee.",
            "Give other parts to choose the threshold on (--data DIR), remove --confidence, or use "
            "--part-rule worst.",
        )


def _source_text(judged: Judged, name: str, part_rule: PartRule | None) -> str:
    photos = counted(len(judged.parts), "photo")
    parts = counted(len(set(judged.parts)), "part")
    if part_rule is None:
        return f"{name}: {photos} of {parts}"
    return f"{name}: {parts} of {photos}, each decided by its photos together ({part_rule})"


def _warnings(report: ThresholdReport, criteria: Criteria, *, on_validation: bool) -> list[str]:
    """The weaknesses of a choice that its figures do not show."""
    found = []
    if report.point is not None:
        tally = report.point.tally
        wrong = (tally.escapes, tally.overkills)
        constant = {(0, tally.n_good): "rejects", (tally.n_defective, 0): "passes"}
        if wrong in constant:
            found.append(
                f"This threshold {constant[wrong]} every {report.unit}: no threshold that "
                f"separates the {report.unit}s meets the criteria."
            )
    if report.band is not None:
        for promise in (report.band.escape, report.band.overkill):
            if promise is not None and not promise.supported:
                decided = "passed" if promise.mistake == "escape" else "rejected"
                found.append(
                    f"{_too_few(promise)}. No {report.unit} is {decided} without a person."
                )
    if criteria.confidence is not None and on_validation:
        found.append(
            "The best epoch and the temperature were also chosen on the validation photos, which "
            "weakens the guarantee. It holds in full on photos without such a choice: --data DIR."
        )
    return found


def _too_few(promise: Guarantee) -> str:
    kind = "defective" if promise.mistake == "escape" else "good"
    return (
        f"{counted(promise.n_parts, f'{kind} part')} can't support an {promise.mistake} rate of at "
        f"most {exact_percent(promise.limit)} with {exact_percent(promise.confidence)} confidence, "
        f"even if none were wrong: that takes {promise.parts_needed:,}, {promise.parts_more:,} more"
    )


def _predict_others(run: Run, request: Request, views: Any, on_event: OnEvent) -> Judged:
    photos = load_evaluation_photos(
        run, request, read_spec(run), what="choosing a threshold", on_event=on_event
    )
    predictions = load_model(run, photos, request.device).predict(views, on_event=on_event)
    return Judged(predictions, photos.shown)


def _only_overkill(criteria: Criteria) -> bool:
    """Whether good parts alone can meet the criteria."""
    return criteria.limits == (criteria.max_overkill,) and criteria.confidence is None


def _choose_alone(
    report: ThresholdReport, criteria: Criteria, judged: Judged, part_rule: PartRule | None
) -> ThresholdReport:
    if part_rule is not None:
        raise UsageError(
            "A threshold from good parts alone is for photos: a part is rejected if one of its "
            "photos is, which it counts already.",
            "Add --decide photo.",
        )
    alone = good_point(judged, report.temperature, criteria.max_overkill)
    return replace(report, said=alone.said, alone=alone)


def _choose(report: ThresholdReport, criteria: Criteria, photos: ScoredPhotos) -> ThresholdReport:
    costs = criteria.costs
    if costs is not None:
        said = (
            f"least cost, {costs.escape:g} an escape and {costs.overkill:g} an overkill, at "
            f"{exact_percent(costs.defect_rate)} defects"
        )
        return replace(report, said=said, point=choose_by_cost(photos, costs))
    if criteria.max_escape is not None and criteria.max_overkill is not None:
        return _choose_band(report, criteria, photos, criteria.max_escape, criteria.max_overkill)
    if criteria.max_escape is not None:
        return _choose_limit(
            report,
            criteria,
            photos,
            criteria.max_escape,
            choose_by_max_escape,
            guaranteed_max_escape,
        )
    if criteria.max_overkill is not None:
        return _choose_limit(
            report,
            criteria,
            photos,
            criteria.max_overkill,
            choose_by_max_overkill,
            guaranteed_max_overkill,
        )
    return replace(report, said="highest F1", point=choose_by_f1(photos))


def _with_products(report: ThresholdReport, criteria: Criteria, units: Units) -> ThresholdReport:
    """``report`` with a threshold for each product, by the same criteria."""
    if not any(units.products) or report.point is None:
        raise DataError(
            f"--by-product needs photos of known products, but {report.run.name} knows none.",
            "Train with --product-from REGEX, or with a column product in the CSV of the photos.",
        )

    def choose(of_product: ScoredPhotos) -> OperatingPoint:
        point = _choose(report, criteria, of_product).point
        if point is None:
            raise ValueError("Expected a threshold, not a review band")
        return point

    points = choose_by_product(units.scored, units.products, report.point.threshold, choose)
    if any(each.own for each in points):
        report = replace(report, said=f"{report.said}, by product")
    return replace(report, products=points)


def _choose_limit(
    report: ThresholdReport,
    criteria: Criteria,
    photos: ScoredPhotos,
    limit: float,
    without_confidence: Callable[[ScoredPhotos, float], OperatingPoint],
    with_confidence: Callable[[ScoredPhotos, float, float], Guarantee],
) -> ThresholdReport:
    if criteria.confidence is None:
        point = without_confidence(photos, limit)
        return replace(report, said=_limit_text(point, limit), point=point)
    promise = with_confidence(photos, limit, criteria.confidence)
    if promise.point is None:
        # Rounded up, so that a user who enters the printed limit gets a guarantee.
        tightest = math.ceil(promise.tightest_limit * 1e4) / 1e4
        raise DataError(
            f"{_too_few(promise)}.",
            f"These parts support {tightest:.2%} at best. Allow that, photograph more parts "
            "(--data DIR), or remove --confidence: then the limit holds on these photos only.",
        )
    said = _limit_text(promise.point, limit)
    said += f" on unseen parts, with {exact_percent(criteria.confidence)} confidence"
    return replace(report, said=said, point=promise.point, promise=promise)


def _limit_text(point: OperatingPoint, limit: float) -> str:
    return f"{point.rule.removeprefix('max-')} rate of at most {exact_percent(limit)}"


def _choose_band(
    report: ThresholdReport,
    criteria: Criteria,
    photos: ScoredPhotos,
    max_escape: float,
    max_overkill: float,
) -> ThresholdReport:
    band = choose_band(photos, max_escape, max_overkill, criteria.confidence)
    said = (
        f"escapes at most {exact_percent(max_escape)} and overkill at most "
        f"{exact_percent(max_overkill)}, people between"
    )
    if criteria.confidence is not None:
        said += f", on unseen parts with {exact_percent(criteria.confidence)} confidence"
    sent = None
    if criteria.parts_per_day is not None and criteria.defect_rate is not None:
        sent = load(band, criteria.defect_rate, criteria.parts_per_day)
    return replace(report, said=said, band=band, load=sent)
