"""``fastdefect threshold``: choose how a run decides, and keep it beside the model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastdefect.config import Device
from fastdefect.data.wording import counted
from fastdefect.errors import DataError, UsageError
from fastdefect.evaluation.band import Band, Load, choose_band, load
from fastdefect.evaluation.calibration import apply_temperature
from fastdefect.evaluation.decisions import defect_score
from fastdefect.evaluation.guarantees import (
    Guarantee,
    guaranteed_max_escape,
    guaranteed_max_overkill,
)
from fastdefect.evaluation.operating_point import (
    Costs,
    OperatingPoint,
    ScoredPhotos,
    Tally,
    choose_by_cost,
    choose_by_f1,
    choose_by_max_escape,
    choose_by_max_overkill,
)
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.decision import Judged, fixed_views, judge_validation, temperature_for
from fastdefect.jobs.evaluation_photos import load_evaluation_photos
from fastdefect.jobs.trained_model import load_model, read_spec
from fastdefect.run import Run


@dataclass(frozen=True)
class Wish:
    """What the threshold is to be chosen by; with nothing given, by the highest F1.

    ``cost_escape`` and ``cost_overkill`` in any one currency, with the line's own
    ``defect_rate``. The limits are shares. ``confidence``, if given, asks that they hold on
    unseen parts. Both limits together make a band with people in it. ``parts_per_day`` tells
    what those people get to see.
    """

    cost_escape: float | None = None
    cost_overkill: float | None = None
    defect_rate: float | None = None
    max_escape: float | None = None
    max_overkill: float | None = None
    confidence: float | None = None
    parts_per_day: int | None = None

    @property
    def costs(self) -> Costs | None:
        """The costs, if they are what it is chosen by; raises ``UsageError`` for half of them."""
        given = (self.cost_escape, self.cost_overkill)
        if given == (None, None):
            return None
        if self.cost_escape is None or self.cost_overkill is None or self.defect_rate is None:
            raise UsageError(
                "Choosing by cost needs --cost-escape, --cost-overkill and --defect-rate.",
                "The defect rate is the line's own, such as --defect-rate 0.02: photos are "
                "mostly collected with far more defects than that.",
            )
        if not any(given):
            raise UsageError("Both costs are 0.", "Give at least one of them a cost.")
        if self.max_escape is not None or self.max_overkill is not None:
            raise UsageError(
                "Choose by cost or by limits, not by both.",
                "Leave out the costs, or --max-escape and --max-overkill.",
            )
        return Costs(self.cost_escape, self.cost_overkill, self.defect_rate)

    def check(self) -> None:
        """Raises ``UsageError`` if parts of it contradict one another."""
        limits = (self.max_escape, self.max_overkill)
        if self.costs is None and self.confidence is not None and limits == (None, None):
            raise UsageError(
                "--confidence needs a limit to be confident of.",
                "Add --max-escape, --max-overkill, or both.",
            )
        if self.costs is not None and self.confidence is not None:
            raise UsageError("--confidence goes with limits, not with costs.")
        if self.parts_per_day is not None and (None in limits or self.defect_rate is None):
            raise UsageError(
                "--parts-per-day tells how many parts people must look at, so it goes with "
                "--max-escape, --max-overkill and --defect-rate."
            )
        if self.confidence is not None and 0 in limits:
            raise UsageError(
                "No number of parts proves a rate of 0.", "Give a limit above 0, such as 0.01."
            )


@dataclass(frozen=True)
class ThresholdReport:
    """What was chosen, and what the most probable class does (``before``) for comparison.

    Either ``point`` or ``band`` is there. ``said`` and ``source`` tell in words by what rule
    and on what photos. ``promise`` is there if the point's limit is guaranteed.
    """

    run: Run
    said: str
    source: str
    views: str
    temperature: float
    before: Tally
    point: OperatingPoint | None
    promise: Guarantee | None
    band: Band | None
    load: Load | None
    path: Path

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and what the run keeps."""
        chosen: dict[str, Any] = self.point.as_json() if self.point else {}
        if self.band is not None:
            chosen = {"rule": "band", "settings": {}, "threshold": self.band.low}
            chosen["tally"] = self.band.tally.as_json()
        return {
            "run": str(self.run.folder),
            **chosen,
            "high": self.band.high if self.band else None,
            "said": self.said,
            "chosen_on": self.source,
            "views": self.views,
            "temperature": self.temperature,
            "promise": self.promise.as_json() if self.promise else None,
            "band": self.band.as_json() if self.band else None,
            "load": self.load.as_json() if self.load else None,
        }


def choose_threshold(
    run: Run,
    wish: Wish,
    *,
    data: Path | None,
    views: str,
    device: Device,
    command: str,
    on_event: OnEvent,
) -> ThresholdReport:
    """Choose the operating point on validation, or on the photos of ``data``, and keep it.

    Raises ``DataError``, and keeps nothing, where the photos can't support a promise.
    """
    wish.check()
    spec = read_spec(run)
    if spec.good is None:
        raise DataError(
            f"{run.name} has no good class: nothing is passed, so there is no threshold.",
            "Train with --good NAME.",
        )
    name, fixed = fixed_views(run, views)
    temperature = temperature_for(run, name, device, on_event)
    if data is None:
        judged, where = judge_validation(run, name, device, on_event), "validation"
    else:
        judged = _judge_others(run, data, fixed, device, command, on_event)
        where = data.name
    photos = _scored(judged, temperature)
    source = (
        f"{where}: {counted(len(photos.score), 'photo')} of "
        f"{counted(len(set(judged.parts)), 'part')}"
    )
    report = ThresholdReport(
        run,
        "",
        source,
        name,
        temperature,
        _by_most_probable(judged),
        None,
        None,
        None,
        None,
        run.operating_point_path,
    )
    report = _choose(report, wish, photos)
    if wish.confidence is not None and data is None:
        on_event(
            Note(
                "The validation photos have chosen the best epoch and the temperature, too, which "
                "weakens the promise. Photos that nothing was chosen on keep it whole: --data DIR.",
                "warning",
            )
        )
    time = datetime.now(UTC).isoformat(timespec="seconds")
    run.write_operating_point({**report.as_json(), "time": time, "command": command})
    return report


def _judge_others(
    run: Run, data: Path, views: Any, device: Device, command: str, on_event: OnEvent
) -> Judged:
    spec = read_spec(run)
    photos = load_evaluation_photos(
        run,
        split="valid",
        data=data,
        classes=spec.classes,
        good=spec.good,
        command=command,
        what="choosing a threshold",
        on_event=on_event,
    )
    predictions = load_model(run, photos, device).predict(views, on_event=on_event)
    return Judged(predictions, tuple(photos.parts))


def _scored(judged: Judged, temperature: float) -> ScoredPhotos:
    predictions = judged.predictions
    good = predictions.classes.index(str(predictions.good))
    calibrated = apply_temperature(predictions.y_prob, temperature)
    return ScoredPhotos(predictions.y_true != good, defect_score(calibrated, good), judged.parts)


def _by_most_probable(judged: Judged) -> Tally:
    metrics = judged.predictions.metrics()
    return Tally(metrics.escapes, metrics.n_defective, metrics.overkills, metrics.n_good)


def _choose(report: ThresholdReport, wish: Wish, photos: ScoredPhotos) -> ThresholdReport:
    costs = wish.costs
    if costs is not None:
        said = (
            f"least cost, {costs.escape:g} an escape and {costs.overkill:g} an overkill, at "
            f"{costs.defect_rate:.2%} defects"
        )
        return replace(report, said=said, point=choose_by_cost(photos, costs))
    if wish.max_escape is not None and wish.max_overkill is not None:
        return _choose_band(report, wish, photos, wish.max_escape, wish.max_overkill)
    if wish.max_escape is not None:
        return _choose_limit(
            report, wish, photos, wish.max_escape, choose_by_max_escape, guaranteed_max_escape
        )
    if wish.max_overkill is not None:
        return _choose_limit(
            report, wish, photos, wish.max_overkill, choose_by_max_overkill, guaranteed_max_overkill
        )
    return replace(report, said="highest F1", point=choose_by_f1(photos))


def _choose_limit(
    report: ThresholdReport,
    wish: Wish,
    photos: ScoredPhotos,
    limit: float,
    plainly: Callable[[ScoredPhotos, float], OperatingPoint],
    surely: Callable[[ScoredPhotos, float, float], Guarantee],
) -> ThresholdReport:
    if wish.confidence is None:
        point = plainly(photos, limit)
        return replace(report, said=_limit_text(point, limit), point=point)
    promise = surely(photos, limit, wish.confidence)
    if promise.point is None:
        raise DataError(
            f"{counted(promise.n_parts, 'part')} can't support an {promise.mistake} rate of at "
            f"most {limit:.2%} with {wish.confidence:.0%} confidence, even if none were wrong: "
            f"that takes {promise.parts_needed:,}, {promise.parts_more:,} more.",
            f"So many support {promise.tightest_limit:.2%} at best. Allow that, photograph more "
            "parts (--data DIR), or leave out --confidence: then the limit holds on these photos.",
        )
    said = _limit_text(promise.point, limit)
    said += f" on unseen parts, with {wish.confidence:.0%} confidence"
    return replace(report, said=said, point=promise.point, promise=promise)


def _limit_text(point: OperatingPoint, limit: float) -> str:
    return f"{point.rule.removeprefix('max-')} rate of at most {limit:.2%}"


def _choose_band(
    report: ThresholdReport,
    wish: Wish,
    photos: ScoredPhotos,
    max_escape: float,
    max_overkill: float,
) -> ThresholdReport:
    band = choose_band(photos, max_escape, max_overkill, wish.confidence)
    said = (
        f"escapes at most {max_escape:.2%} and overkill at most {max_overkill:.2%}, people between"
    )
    if wish.confidence is not None:
        said += f", on unseen parts with {wish.confidence:.0%} confidence"
    sent = None
    if wish.parts_per_day is not None and wish.defect_rate is not None:
        sent = load(band, wish.defect_rate, wish.parts_per_day)
    return replace(report, said=said, band=band, load=sent)
