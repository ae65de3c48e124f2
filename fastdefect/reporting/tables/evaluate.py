"""The tables of evaluate, threshold and gate as plain values."""

from collections.abc import Mapping, Sequence

from fastdefect.config import Unit
from fastdefect.evaluation.decisions.operating_point import OperatingPoint, Tally
from fastdefect.evaluation.decisions.review_band import Band, Load
from fastdefect.evaluation.decisions.sent import Sent
from fastdefect.evaluation.evaluate import Estimate, Evaluation
from fastdefect.evaluation.gate import Check
from fastdefect.evaluation.statistics.rates import Rate, parts_needed
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.metrics import Metrics
from fastdefect.reporting.tables.fit import (
    GOOD_CONFUSED,
    MeasuredOn,
    interval_text,
    metric_text,
    metric_title,
    opened_text,
)
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted

_CLAIMED = (0.01, 0.001)  # typical escape rates to prove


def evaluation_tables(
    evaluation: Evaluation,
    uncalibrated: Metrics,
    by_type: Mapping[str, Mapping[str, Rate]],
    decision: DecisionRule,
    sent: Sent | None,
    *,
    measured_on: MeasuredOn,
) -> list[TableData]:
    """All figures, then by class, by type of defect, calibration, and the photos sent to people.

    ``uncalibrated`` are the metrics at temperature 1, ``by_type`` the escape rates by column and
    value.
    """
    tables = [_figures(evaluation, decision, sent, measured_on)]
    if len(evaluation.per_class) > 2:
        tables.append(_classes(evaluation))
    tables += [types_table(column, rates) for column, rates in by_type.items()]
    tables.append(_calibration(uncalibrated, evaluation, decision.temperature))
    if sent is not None:
        tables.append(people_table(sent))
    return tables


def figure_rows(evaluation: Evaluation, *, unit: Unit = "photo") -> list[tuple[str, ...]]:
    """A row for each metric: title, value, interval and count. ``unit`` is what was evaluated."""
    counts = {"escape_rate": evaluation.escape, "overkill_rate": evaluation.overkill}
    rows: list[tuple[str, ...]] = [
        (
            metric_title(name),
            metric_text(name, estimate.value),
            interval_text(name, estimate.interval),
            _counts(counts.get(name), unit),
        )
        for name, estimate in evaluation.estimates.items()
    ]
    if (confused := evaluation.good_confused) is not None:
        interval = interval_text("overkill_rate", confused.interval)
        share = metric_text("overkill_rate", confused.value)
        rows.insert(len(counts), (GOOD_CONFUSED, share, interval, _counts(confused, unit)))
    return rows


def _figures(
    evaluation: Evaluation, decision: DecisionRule, sent: Sent | None, measured_on: MeasuredOn
) -> TableData:
    title = (
        f"{measured_on.split}: {counted(evaluation.metrics.n, 'photo')} of "
        f"{counted(evaluation.n_parts, 'part')}{opened_text(measured_on.opening)}"
    )
    note = f"Decided by {decision.rule}"
    if decision.unit == "part":
        note += ", each photo as a part of its own"
    if decision.views != "none":
        note += f", views: {decision.views}"
    if sent is not None:
        note += "; photos sent to review count as rejected here"
    if evaluation.metrics.defect is None:
        note += (
            ". F1, precision, recall, specificity, AUC and average precision are macro averages "
            "over the classes"
        )
    return TableData(
        title,
        ("metric", "value", "95 % interval", "count"),
        tuple(figure_rows(evaluation)),
        note + ".",
    )


def _counts(rate: Rate | None, unit: Unit = "photo") -> str:
    if rate is None:
        return ""
    if unit == "part":
        return f"{rate.count} of {counted(rate.parts, 'part')}"
    return f"{rate.count} of {counted(rate.photos, 'photo')}, {counted(rate.parts, 'part')}"


def _classes(evaluation: Evaluation) -> TableData:
    def cell(name: str, estimate: Estimate) -> str:
        text = metric_text(name, estimate.value)
        return text if text == "-" else f"{text} ({interval_text(name, estimate.interval)})"

    rows = [
        (
            name,
            *(cell(figure, getattr(of, figure)) for figure in ("precision", "recall", "f1")),
            str(of.photos),
            str(of.parts),
        )
        for name, of in evaluation.per_class.items()
    ]
    return TableData(
        "By class",
        ("class", "precision (95 %)", "recall (95 %)", "F1 (95 %)", "photos", "parts"),
        tuple(rows),
    )


def types_table(column: str, rates: Mapping[str, Rate], *, unit: Unit = "photo") -> TableData:
    """The escapes of each value of a column, of photos or parts."""
    rows = [
        (
            value,
            metric_text("escape_rate", rate.value),
            interval_text("escape_rate", rate.interval),
            _counts(rate, unit),
        )
        for value, rate in rates.items()
    ]
    title = f"Escapes by {column}" + (", of parts" if unit == "part" else "")
    return TableData(title, (column, "escape rate", "95 % interval", "count"), tuple(rows))


def _calibration(before: Metrics, evaluation: Evaluation, temperature: float) -> TableData:
    after = evaluation.metrics
    rows = [
        (metric_title(name), *(metric_text(name, getattr(of, name)) for of in (before, after)))
        for name in ("log_loss", "brier", "calibration_error")
    ]
    if temperature == 1:
        note = "At temperature 1 the probabilities do not change."
    else:
        tendency = "underconfident" if temperature < 1 else "overconfident"
        note = (
            f"The temperature fitted on validation is {temperature:.2f}: the model is {tendency}."
        )
    return TableData("Calibration", ("metric", "as predicted", "calibrated"), tuple(rows), note)


def people_table(sent: Sent, *, unit: Unit = "photo") -> TableData:
    """The photos, or parts, that a review band sends to people."""
    rows = [
        (
            name,
            metric_text("escape_rate", rate.value),
            interval_text("escape_rate", rate.interval),
            _counts(rate, unit),
        )
        for name, rate in (
            (f"defective {unit}s sent to review", sent.defective),
            (f"good {unit}s sent to review", sent.good),
            ("escapes without review", sent.escape),
            ("overkill without review", sent.overkill),
        )
    ]
    title = "OK, review, reject" + (", by part" if unit == "part" else "")
    return TableData(title, ("share", "value", "95 % interval", "count"), tuple(rows))


def claim_lines(evaluation: Evaluation) -> list[str]:
    """What the escapes prove, and the number of parts for a stronger claim."""
    claim = evaluation.escape_claim
    if claim is None:
        return []
    share = f"{claim.confidence:.0%}"
    lines = [
        f"{claim.hits} of {counted(claim.parts, 'defective part')} escaped: the escape rate is at "
        f"most {claim.at_most:.2%} (one-sided, {share} confidence, each part one trial)."
    ]
    for rate in _CLAIMED:
        if claim.at_most > rate:
            needed = parts_needed(rate, claim.confidence, claim.hits)
            few = "no more escapes" if claim.hits else "no escape"
            lines.append(
                f"A claim of at most {rate:.1%} needs {needed:,} defective parts with {few}."
            )
    return lines


def threshold_table(before: Tally, chosen: OperatingPoint, *, said: str, source: str) -> TableData:
    """The most probable class beside the chosen threshold, on the photos it was chosen on.

    ``said`` describes the rule, ``source`` the photos or parts.
    """
    tallies = (before, chosen.tally)
    rows: list[tuple[str, ...]] = [
        ("threshold", "-", _threshold_text(chosen.threshold)),
        *(
            (metric_title(name), *(metric_text(name, getattr(tally, name)) for tally in tallies))
            for name in ("escape_rate", "overkill_rate", "f1")
        ),
        ("escapes", *(f"{tally.escapes} of {tally.n_defective}" for tally in tallies)),
        ("overkills", *(f"{tally.overkills} of {tally.n_good}" for tally in tallies)),
    ]
    return TableData(
        f"Operating point: {said}",
        ("metric", "most probable class", "chosen"),
        tuple(rows),
        f"On {source}, where it was chosen; other photos usually give slightly worse results.",
    )


def _threshold_text(threshold: float) -> str:
    """Thresholds are close to 0 and 1: with four decimals, 0.00003 would look like 0."""
    return f"{threshold:.6g}" if threshold <= 1 else "above 1"


def band_table(band: Band, load: Load | None, *, said: str, source: str) -> TableData:
    """The review band: the effect of each threshold, and the number of parts to review."""
    tally = band.tally
    wrong = tally.wrong
    rows = [
        ("OK below score", _threshold_text(band.low)),
        ("reject from score", _threshold_text(band.high)),
        (
            "escapes without review",
            f"{wrong.escapes} of {wrong.n_defective} ({wrong.escape_rate:.2%})",
        ),
        (
            "overkill without review",
            f"{wrong.overkills} of {wrong.n_good} ({wrong.overkill_rate:.2%})",
        ),
        ("defective sent to review", f"{tally.defective_in_band} ({tally.defective_share:.1%})"),
        ("good sent to review", f"{tally.good_in_band} ({tally.good_share:.1%})"),
    ]
    if load is not None:
        rows += [
            (f"share to review at {load.defect_rate:.1%} defects", f"{load.share:.1%}"),
            (
                f"to review, of {load.parts_per_day:,} parts a day",
                f"{load.expected:,.0f} (95 % of days: {load.low:,} to {load.high:,})",
            ),
        ]
    return TableData(
        f"Operating point: {said}",
        ("metric", "value"),
        tuple(rows),
        f"On {source}, where it was chosen; other photos usually give slightly worse results.",
    )


def gate_table(checks: Sequence[Check], *, at: str, unit: Unit = "photo") -> TableData:
    """Each metric of photos or parts, its limit, and whether the limit holds."""
    rows = [
        (
            metric_title(check.metric),
            f"{'<=' if check.at_most else '>='} {metric_text(check.metric, check.limit)}",
            metric_text(check.metric, check.estimate.value),
            interval_text(check.metric, check.estimate.interval),
            "holds" if check.holds else "FAILS",
        )
        for check in checks
    ]
    judged = (
        "the value" if at == "point" else "the bad end of the 95 % interval; without one it fails"
    )
    return TableData(
        "Gate",
        ("metric", "limit", "value", "95 % interval", "verdict"),
        tuple(rows),
        f"Over {unit}s, judged by {judged}." if unit == "part" else f"Judged by {judged}.",
    )
