"""The figures of the halves of a joint model as tables."""

from fastdefect.evaluation.by_half import ByHalf
from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.reporting.tables.fit import interval_text, metric_text, metric_title
from fastdefect.reporting.tables.table_data import TableData


def half_tables(of: ByHalf) -> list[TableData]:
    """Each half alone and the decision by either; then their escapes by type of defect."""
    rows = [
        (
            name,
            rate_text("escape_rate", each.escape),
            rate_text("overkill_rate", each.overkill),
            _auc(each.auc, each.auc_interval),
        )
        for name, each in of.items()
    ]
    titles = (*(metric_title(name) for name in ("escape_rate", "overkill_rate")), "AUC")
    figures = TableData(
        "By half of the joint model",
        ("rejected by", *(f"{title} (95 %)" for title in titles)),
        tuple(rows),
        "The memory knows good parts alone. A photo is rejected if either half rejects it.",
    )
    (first, *_) = of.values()
    return [figures, *(_types(of, column) for column in first.by_type)]


def _types(of: ByHalf, column: str) -> TableData:
    (first, *_) = of.values()
    rows = [
        (
            value,
            str(rate.photos),
            *(_count("escape_rate", each.by_type[column][value]) for each in of.values()),
        )
        for value, rate in first.by_type[column].items()
    ]
    return TableData(
        f"Escapes by {column} and half",
        (column, "photos", *of),
        tuple(rows),
    )


def rate_text(metric: str, rate: Rate) -> str:
    """The value, its interval and its count."""
    if not rate.photos:
        return "-"
    value, interval = metric_text(metric, rate.value), interval_text(metric, rate.interval)
    return f"{value} ({interval}), {rate.count} of {rate.photos}"


def _count(metric: str, rate: Rate) -> str:
    return f"{metric_text(metric, rate.value)}, {rate.count}" if rate.photos else "-"


def _auc(value: float, interval: tuple[float, float] | None) -> str:
    text = metric_text("auc", value)
    return text if interval is None else f"{text} ({interval_text('auc', interval)})"
