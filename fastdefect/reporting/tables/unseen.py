"""The escapes of types of defect that a training has not seen, as tables."""

from statistics import fmean

from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.evaluation.unseen_types import TypeFigures, UnseenType, UnseenTypes
from fastdefect.reporting.tables.fit import interval_text, metric_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted

_MEAN = "mean"


def unseen_tables(found: UnseenTypes) -> list[TableData]:
    """By the decision rule, with the AUC; then at P(defect) = 0.5. A row for each type.

    For a joint model also by each of its halves.
    """
    means = found.means()

    def mean(of: str, name: str) -> str:
        metric = "auc" if name == "auc" else "escape_rate"
        return metric_text(metric, means[of][name]) if of in means else "-"

    rows = [
        (
            each.name,
            _photos(each),
            *(_escape(of.escape if of else None) for of in (each.unseen, each.known)),
            *(_auc(of) for of in (each.unseen, each.known)),
        )
        for each in found.types
    ]
    half = [
        (
            each.name,
            _photos(each),
            *(_escape(of.at_half if of else None) for of in (each.unseen, each.known)),
        )
        for each in found.types
    ]
    if means:
        of_both = ("unseen", "known")
        escapes = (mean(of, "escape") for of in of_both)
        rows.append((_MEAN, "", *escapes, *(mean(of, "auc") for of in of_both)))
        half.append((_MEAN, "", *(mean(of, "escape_at_half") for of in of_both)))
    escape = ("escapes, type not seen (95 %)", "escapes, type seen (95 %)")
    auc = ("AUC, not seen (95 %)", "AUC, seen (95 %)")
    return [
        TableData(
            f"Types not seen in training, {found.split}",
            (found.column, "photos", *escape, *auc),
            tuple(rows),
            _caption(found),
        ),
        TableData(
            "Types not seen in training, at P(defect) = 0.5",
            (found.column, "photos", *escape),
            tuple(half),
        ),
        *_by_half(found),
    ]


def _by_half(found: UnseenTypes) -> list[TableData]:
    """The escapes of each half of a joint model, of types that it has not seen."""
    unseen = [(each, each.unseen) for each in found.types if each.unseen and each.unseen.by_half]
    if not unseen:
        return []
    halves = tuple(unseen[0][1].by_half)
    rows = [
        (
            each.name,
            _photos(each),
            *(_escape(figures.by_half[half]) for half in halves),
            _escape(figures.escape),
        )
        for each, figures in unseen
    ]
    rates = [[*(figures.by_half[half] for half in halves), figures.escape] for _, figures in unseen]
    means = [fmean(rate.value for rate in column) for column in zip(*rates, strict=True)]
    rows.append((_MEAN, "", *(metric_text("escape_rate", mean) for mean in means)))
    return [
        TableData(
            "Types not seen in training, escapes by half",
            (found.column, "photos", *(f"{half} alone (95 %)" for half in halves), "either (95 %)"),
            tuple(rows),
            "The memory knows good parts alone, so that no type is known to it.",
        )
    ]


def _caption(found: UnseenTypes) -> str:
    if found.of_good:
        return (
            "The run has learned from good parts alone: it has seen no type. Decided by "
            f"{found.rule}; AUC against {counted(found.good, 'good photo')}."
        )
    text = (
        "Not seen: a training with the settings of the run, without the photos of the type and "
        f"without the training photos of its parts. Seen: the run. Decided by {found.rule}; AUC "
        f"against {counted(found.good, 'good photo')}."
    )
    spare = [each.name for each in found.types if each.scored_on == "train"]
    if spare:
        text += (
            f" {found.split} has no photo of {', '.join(spare)}: these are training photos of the "
            "run, so that only the training without them can be measured."
        )
        text += " The mean is of the other types." if found.compared else ""
    if found.one_of > 1:
        text += f" The run averages {found.one_of} networks, a training without a type is of one."
    return text


def _photos(each: UnseenType) -> str:
    figures = each.unseen or each.known
    if figures is None:
        return "diverged"
    where = ", of train" if each.scored_on == "train" else ""
    parts = counted(figures.escape.parts, "part")
    return f"{counted(figures.escape.photos, 'photo')}, {parts}{where}"


def _escape(rate: Rate | None) -> str:
    if rate is None:
        return "-"
    value = metric_text("escape_rate", rate.value)
    return f"{value} ({interval_text('escape_rate', rate.interval)})"


def _auc(figures: TypeFigures | None) -> str:
    if figures is None:
        return "-"
    text = metric_text("auc", figures.auc)
    if figures.auc_interval is None:
        return text
    return f"{text} ({interval_text('auc', figures.auc_interval)})"
