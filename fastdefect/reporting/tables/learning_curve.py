"""The table of a learning curve, and the expected benefit of more parts in a sentence."""

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

    ``share`` is 4 for a training on one part in 4. Metrics are on validation, shares from 0 to 1.
    ``error`` is 1 - F1; a rate without photos is NaN. ``blind`` means that the model predicts the
    same class for every photo.
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
    """The law fitted to the trainings, with forecasts for all parts ``now`` and ``twice`` them."""

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
                "twice (forecast)",
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
        "All trainings have the same number of epochs, so those on fewer photos have fewer steps. "
        "Values are means over trainings; each repeat draws new parts and a new seed.",
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
    """The law and its forecast for twice the parts, or the reason why there is none."""
    constant = sum(point.blind for point in points)
    if not constant:
        return _law_lines(outlook)
    return [
        *_law_lines(outlook),
        f"{constant} of {counted(len(points), 'training')} predict the same class for every "
        f"photo. Their {ERROR} depends only on the share of defects, so the law is not valid. Use "
        "pretrained --weights, more --epochs, or fewer --points.",
    ]


def _law_lines(outlook: Outlook | None) -> list[str]:
    if outlook is None:
        return ["No law yet: the fit needs trainings on at least three numbers of parts."]
    law, now, twice = outlook.law, outlook.now, outlook.twice
    low, high = law.exponent_interval
    lines = [
        f"error = {law.scale:.3g} x parts ^ -{law.exponent:.2f} "
        f"(95 %: {low:.2f} to {high:.2f}; 0 is flat).",
        f"Twice the parts, {twice.n:,.0f} instead of {now.n:,.0f}: error from "
        f"{percent(now.error)} to {percent(twice.error)} "
        f"[{percent(twice.interval[0])}, {percent(twice.interval[1])}].",
    ]
    if law.flat:
        lines.append(
            "The interval includes a flat curve: these trainings do not show that more parts help."
        )
    return lines


def _count(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _to(ends: Interval) -> str:
    return f"{percent(ends[0])} to {percent(ends[1])}"
