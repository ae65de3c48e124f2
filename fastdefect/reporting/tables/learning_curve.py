"""The table of a learning curve, and in a sentence what more parts would bring."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from fastdefect.aliases import Interval
from fastdefect.evaluation.learning_curve import Forecast, PowerLaw
from fastdefect.reporting.tables.fit import metric_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, percent

ERROR = "1 - F1"


@dataclass(frozen=True)
class CurvePoint:
    """One training of a learning curve, on ``parts`` and their ``photos``.

    ``share``: one in so many parts of train. Figures are on validation, shares from 0 to 1;
    ``error`` is 1 - F1, a rate without photos to count on is NaN. ``blind``: the model gives
    one answer to every photo.
    """

    name: str
    share: int
    parts: int
    photos: int
    error: float
    escape_rate: float
    overkill_rate: float
    blind: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True)
class Outlook:
    """The law through the trainings: what it says of all parts ``now`` and of ``twice`` them."""

    law: PowerLaw
    now: Forecast
    twice: Forecast


def learning_table(
    points: Sequence[CurvePoint], outlook: Outlook | None, *, valid_photos: int, valid_parts: int
) -> TableData:
    """A row for each share of the parts: the mean of its trainings, and their range."""
    rows = [
        _row([each for each in points if each.share == share])
        for share in sorted({each.share for each in points}, reverse=True)
    ]
    if outlook is not None:
        forecast = outlook.twice
        rows.append(
            (
                "twice, by the law",
                f"{forecast.n:,.0f}",
                "-",
                "-",
                percent(forecast.error),
                f"{_to(forecast.interval)} (95 %)",
                "-",
                "-",
            )
        )
    where = f"{counted(valid_photos, 'photo')} of {counted(valid_parts, 'part')}"
    return TableData(
        f"Learning curve: error is {ERROR} on validation, {where}",
        (
            *("of train", "parts", "photos", "trainings", "error, mean", "min to max"),
            *("escape rate", "overkill rate"),
        ),
        tuple(rows),
        "Every training had the same epochs, so those on fewer photos took fewer steps. Means "
        "over trainings; each repeat draws its parts and its seed anew.",
    )


def _row(points: Sequence[CurvePoint]) -> tuple[str, ...]:
    errors = [each.error for each in points]
    share = points[0].share
    return (
        "all" if share == 1 else f"1 in {share}",
        _count([each.parts for each in points]),
        _count([each.photos for each in points]),
        str(len(points)),
        percent(fmean(errors)),
        _to((min(errors), max(errors))),
        metric_text("escape_rate", fmean(each.escape_rate for each in points)),
        metric_text("overkill_rate", fmean(each.overkill_rate for each in points)),
    )


def outlook_lines(points: Sequence[CurvePoint], outlook: Outlook | None) -> list[str]:
    """The law, and what it says of twice the parts; why there is none, or little to it."""
    blind = sum(point.blind for point in points)
    if not blind:
        return _law_lines(outlook)
    return [
        *_law_lines(outlook),
        f"{blind} of {counted(len(points), 'training')} give one answer to every photo. Their "
        f"{ERROR} measures how many photos are defects, not what was learned: no law through "
        "them holds. Use pretrained --weights, more --epochs, or fewer --points.",
    ]


def _law_lines(outlook: Outlook | None) -> list[str]:
    if outlook is None:
        return [
            "No law yet: it takes trainings on three numbers of parts at least, of which one is "
            "no guess."
        ]
    law, now, twice = outlook.law, outlook.now, outlook.twice
    low, high = law.exponent_interval
    lines = [
        f"error = {law.scale:.3g} x parts ^ -{law.exponent:.2f} "
        f"(95 %: {low:.2f} to {high:.2f}, 0 being flat).",
        f"Twice the parts, {twice.n:,.0f} instead of {now.n:,.0f}: error from "
        f"{percent(now.error)} to {percent(twice.error)} "
        f"[{percent(twice.interval[0])}, {percent(twice.interval[1])}].",
    ]
    if law.flat:
        lines.append(
            "The law's interval holds a flat curve: these trainings don't show that more parts "
            "help."
        )
    return lines


def _count(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _to(ends: Interval) -> str:
    return f"{percent(ends[0])} to {percent(ends[1])}"
