"""The figures by product as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastdefect.config import Unit
from fastdefect.evaluation.decisions.by_product import ProductPoint
from fastdefect.evaluation.products import ProductFigures, worst_of
from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.reporting.tables.fit import interval_text, metric_text, metric_title
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, listed


@dataclass(frozen=True)
class TrainedProduct:
    """The run of one product, its numbers of photos, and its figures on validation."""

    product: str
    name: str
    train: int
    valid: int
    figures: Mapping[str, float | None]

    def as_json(self) -> dict[str, Any]:
        """All values; the figures as in metrics.json."""
        return {**vars(self), "figures": dict(self.figures)}


def trained_table(products: Sequence[TrainedProduct]) -> TableData:
    """A row for each product with the figures of its own run."""
    shown = ("f1", "auc", "escape_rate", "overkill_rate")
    rows = [
        (
            each.product,
            str(each.train),
            str(each.valid),
            *(metric_text(name, each.figures.get(name)) for name in shown),
        )
        for each in products
    ]
    return TableData(
        "A run for each product, on its validation photos",
        ("product", "train", "valid", *(metric_title(name) for name in shown)),
        tuple(rows),
        "Compare them with one run of all products: fastdefect compare RUN_OF_ALL RUN.",
    )


def product_table(figures: Sequence[ProductFigures], unit: Unit = "photo") -> TableData:
    """A row for each product; the caption names the worst, and those that train lacks.

    ``unit`` is what the figures count.
    """
    rows = [
        (
            each.name,
            _measured(each, unit),
            _rate("escape_rate", each.escape),
            _rate("overkill_rate", each.overkill),
            _auc(each),
            "-" if each.trained is None else str(each.trained),
        )
        for each in figures
    ]
    columns = ("product", "measured", "escapes (95 %)", "overkills (95 %)", "AUC (95 %)", "trained")
    return TableData("By product", columns, tuple(rows), _caption(figures, unit))


def product_points_table(points: Sequence[ProductPoint]) -> TableData:
    """The threshold of each product, and its effect on what is decided of the product."""
    rows = [
        (
            each.product,
            f"{each.threshold:.6g}" if each.threshold <= 1 else "above 1",
            "its own" if each.own else f"the common one: {each.reason}",
            *_effect(each),
        )
        for each in points
    ]
    return TableData(
        "Thresholds by product",
        ("product", "threshold", "which", "escapes", "overkills"),
        tuple(rows),
        "A product that is not listed, or not known, is decided by the common threshold.",
    )


def _effect(point: ProductPoint) -> tuple[str, str]:
    tally = point.tally
    if tally is None:
        return "-", "-"
    return (
        f"{tally.escapes} of {tally.n_defective} ({tally.escape_rate:.2%})",
        f"{tally.overkills} of {tally.n_good} ({tally.overkill_rate:.2%})",
    )


def _measured(figures: ProductFigures, unit: Unit) -> str:
    parts = counted(figures.parts, "part")
    return parts if unit == "part" else f"{counted(figures.photos, 'photo')}, {parts}"


def _caption(figures: Sequence[ProductFigures], unit: Unit) -> str:
    texts = []
    worst = worst_of(figures)
    if worst is not None:
        texts.append(
            f"Most escapes: {worst.name}, {metric_text('escape_rate', worst.escape.value)} of its "
            f"defective {unit}s."
        )
    absent = [each.name for each in figures if each.trained == 0]
    if absent:
        names = absent[0] if len(absent) == 1 else listed(absent)
        texts.append(f"Train has no photo of {names}: the model has not seen this product.")
    return " ".join(texts)


def _rate(metric: str, rate: Rate) -> str:
    if not rate.photos:
        return "-"
    value, interval = metric_text(metric, rate.value), interval_text(metric, rate.interval)
    return f"{rate.count} of {rate.photos}, {value} ({interval})"


def _auc(figures: ProductFigures) -> str:
    text = metric_text("auc", figures.auc)
    if figures.auc_interval is None:
        return text
    return f"{text} ({interval_text('auc', figures.auc_interval)})"
