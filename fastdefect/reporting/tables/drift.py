"""The tables of drift: the quantities of a day, or a row for each of several days."""

from collections.abc import Iterable

from fastdefect.evaluation.drift import DayReport, DriftReport
from fastdefect.evaluation.drift_findings import Finding
from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import careful_percent, counted, exact_percent, number_text, percent

_COLUMNS = ("quantity", "validation", "day", "day is higher", "p-value", "found from", "verdict")


def drift_tables(report: DriftReport) -> list[TableData]:
    """The table of one day with all quantities, or that of several days."""
    if len(report.days) == 1:
        return [_day_table(report, report.days[0])]
    return [_days_table(report)]


def _day_table(report: DriftReport, day: DayReport) -> TableData:
    rejected = ("rejected", _rate(report.rejected), _rate(day.rejected), "", "", "", "not tested")
    return TableData(
        f"{day.name} against validation: {_size(day)}, {_size(report)}",
        _COLUMNS,
        (*(_row(finding) for finding in day.findings), rejected),
        caption=_caption(report, day),
        marks=_marks(finding.verdict == "drift" for finding in day.findings),
    )


def _days_table(report: DriftReport) -> TableData:
    titles = [finding.title for finding in report.days[0].findings]
    return TableData(
        f"{counted(len(report.days), 'file')} against validation: {_size(report)}",
        ("file", "parts", "rejected", "unlike", *(f"p: {title}" for title in titles), "verdict"),
        tuple(
            (
                day.name,
                str(day.parts),
                percent(day.rejected.value),
                str(day.unlike),
                *(_p_value(finding) for finding in day.findings),
                "drift" if day.drifted else "not shown" if day.tested else "too few parts",
            )
            for day in report.days
        ),
        caption="p-values are corrected for all tests of this table. "
        f"Drift is p <= {exact_percent(report.alpha)}.",
        marks=_marks(day.drifted for day in report.days),
    )


def _row(finding: Finding) -> tuple[str, ...]:
    return (
        finding.title,
        number_text(finding.known, "{:.3g}"),
        number_text(finding.new, "{:.3g}"),
        "-" if finding.share is None else percent(finding.share),
        _p_value(finding),
        "-" if finding.detectable is None else _found_from(finding.detectable),
        finding.verdict,
    )


def _found_from(detectable: float) -> str:
    return percent(detectable) if detectable < 1 else "more parts"


def _p_value(finding: Finding) -> str:
    return "-" if finding.p_value is None else f"{finding.p_value:.2g}"


def _rate(rate: Rate) -> str:
    if rate.interval is None:
        return "-"
    low, high = rate.interval
    return f"{percent(rate.value)} ({percent(low)} to {percent(high)})"


def _size(of: DayReport | DriftReport) -> str:
    return f"{counted(of.photos, 'photo')} of {counted(of.parts, 'part')}"


def _caption(report: DriftReport, day: DayReport) -> str:
    return (
        "Medians of photos. Day is higher: in this share of pairs the photo of the day has the "
        "higher value; 50% is no change. Found from: the share that is found in 80 % of cases. "
        f"Drift is p <= {exact_percent(report.alpha)}. Unlike the training photos: {day.unlike} "
        f"({careful_percent(day.unlike / day.photos)}); unreadable: {day.unreadable}."
    )


def _marks(bad: Iterable[bool]) -> dict[int, str]:
    return {number: "bad" for number, is_bad in enumerate(bad) if is_bad}
