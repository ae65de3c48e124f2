"""Charts as SVG, made of plain values: lines, points with intervals, and strips of photos.

Colours are those of Okabe and Ito, which colour-blind readers can distinguish. They are classes of
the style sheet, so that a chart follows the light and the dark scheme. Each line also has its own
dash, and each chart a description for screen readers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

Colour = Literal["ink", "blue", "vermilion", "green", "orange", "sky"]

_WIDTH, _HEIGHT = 420, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 24, 30, 44
_STRIP_WIDTH, _STRIP_HEIGHT = 560, 220
LOGIT_END = 7.0  # scores beyond 0.0009 and 0.9991 are drawn at the ends
_SCORES = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
_GOLDEN = 0.618033988749895


@dataclass(frozen=True)
class Axis:
    """An axis from ``low`` to ``high`` with a label that has the unit, and its ticks."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    @classmethod
    def of(
        cls, label: str, values: Sequence[float], form: str = "{:g}", zero: bool = True
    ) -> "Axis":
        """An axis with round ticks that holds the finite ``values``, and 0 if ``zero``."""
        known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(known), max(known)
        low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
        high = high if high > low else low + 1
        step = _round_step(high - low)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        last = max(last, first + 1)
        ticks = tuple((n * step, form.format(n * step)) for n in range(first, last + 1))
        return cls(label, first * step, last * step, ticks)

    @classmethod
    def counts(cls, label: str, last: int) -> "Axis":
        """An axis of whole numbers from 1 to ``last``."""
        step = max(1, math.ceil(_round_step(max(last, 2) - 1)))
        ticks = list(range(step, last + 1, step))
        ticks = ticks if 1 in ticks else [1, *ticks]
        return cls(label, 1.0, float(max(last, 2)), tuple((float(n), str(n)) for n in ticks))

    @classmethod
    def shares(cls, label: str) -> "Axis":
        """An axis from 0 to 100 %."""
        ticks = tuple((n / 5, f"{20 * n}%") for n in range(6))
        return cls(label, 0.0, 1.0, ticks)


@dataclass(frozen=True)
class Series:
    """A named line through ``points`` (x, y); NaN is left out.

    ``bars`` holds the interval of each point, or is empty. ``marker`` draws the points themselves;
    ``joined`` is False for points without a line.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    colour: Colour = "ink"
    dash: str = ""
    marker: Literal["", "dot", "ring"] = ""
    joined: bool = True
    bars: tuple[tuple[float, float], ...] = ()


def line_chart(
    x: Axis, y: Axis, series: Sequence[Series], *, description: str, marks: Sequence[float] = ()
) -> Markup:
    """Lines in one frame, with a legend above. ``marks`` are vertical lines at values of x."""
    frame = _Frame(x, y)
    parts = [frame.axes(), *(frame.mark(at) for at in marks)]
    parts += [frame.series(each) for each in series]
    return draw_svg((_WIDTH, _HEIGHT), description, [*parts, _legend(series)])


def strip_chart(
    bands: Sequence[tuple[str, Colour, Sequence[float]]], *, label: str, description: str
) -> Markup:
    """A point for each score, each group in its own band, on a logit scale of the score.

    The script moves the lines of the two thresholds (classes ``low`` and ``high``) and the band
    between them. The scale is linear in the logit, because most scores are close to 0 or 1.
    """
    x = Axis(label, -LOGIT_END, LOGIT_END, tuple((logit(s), f"{s:g}") for s in _SCORES))
    frame = _Frame(x, Axis("", 0, len(bands), ()), _STRIP_WIDTH, _STRIP_HEIGHT)
    parts = [frame.axes()]
    for row, (name, colour, scores) in enumerate(bands):
        upper = len(bands) - row
        parts.append(frame.caption(name, upper - 0.1))
        for number, score in enumerate(scores, start=1):
            height = upper - 0.28 - 0.62 * (number * _GOLDEN % 1)
            parts.append(frame.dot(logit(score), height, colour))
    top, bottom = frame.place(0, len(bands))[1], frame.place(0, 0)[1]
    parts.append(
        f'<rect class="between" x="0" y="{top:.1f}" width="0" height="{bottom - top:.1f}"/>'
        f'<line class="low" x1="0" x2="0" y1="{top:.1f}" y2="{bottom:.1f}"/>'
        f'<line class="high" x1="0" x2="0" y1="{top:.1f}" y2="{bottom:.1f}"/>'
    )
    scale = f"{_LEFT},{_STRIP_WIDTH - _RIGHT},{LOGIT_END:g}"
    return draw_svg((_STRIP_WIDTH, _STRIP_HEIGHT), description, parts, scale)


def logit(score: float) -> float:
    """The logit of a score, at most ``LOGIT_END`` away from 0."""
    if score <= 0 or score >= 1:
        return -LOGIT_END if score <= 0 else LOGIT_END
    return max(-LOGIT_END, min(LOGIT_END, math.log(score / (1 - score))))


class _Frame:
    """The place of values in the picture."""

    def __init__(self, x: Axis, y: Axis, width: int = _WIDTH, height: int = _HEIGHT) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x.low) / (self.x.high - self.x.low)
        up = (y - self.y.low) / (self.y.high - self.y.low)
        return (
            _LEFT + across * (self.width - _LEFT - _RIGHT),
            self.height - _BOTTOM - up * (self.height - _TOP - _BOTTOM),
        )

    def axes(self) -> str:
        left, bottom = self.place(self.x.low, self.y.low)
        right, top = self.place(self.x.high, self.y.high)
        parts = []
        for value, text in self.y.ticks:
            y = self.place(0, value)[1]
            parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(draw_text(left - 6, y + 4, text, "end"))
        for value, text in self.x.ticks:
            x = self.place(value, 0)[0]
            parts.append(
                f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>'
            )
            parts.append(draw_text(x, bottom + 17, text, "middle"))
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        parts.append(
            draw_text((left + right) / 2, self.height - 8, self.x.label, "middle", "label")
        )
        if self.y.label:
            middle = (top + bottom) / 2
            turn = f' transform="rotate(-90 12 {middle:.1f})"'
            parts.append(draw_text(12, middle, self.y.label, "middle", "label", turn))
        return "".join(parts)

    def mark(self, at: float) -> str:
        (x, bottom), (_, top) = self.place(at, self.y.low), self.place(at, self.y.high)
        return f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'

    def series(self, series: Series) -> str:
        parts = [self._bar(series, n) for n in range(len(series.bars))]
        pieces: list[list[str]] = [[]]
        for x, y in series.points:
            if math.isfinite(y):
                pieces[-1].append("{:.1f},{:.1f}".format(*self.place(x, y)))
            elif pieces[-1]:
                pieces.append([])
        dash = f' stroke-dasharray="{series.dash}"' if series.dash else ""
        parts += [
            f'<polyline class="line {series.colour}" points="{" ".join(piece)}"{dash}/>'
            for piece in pieces
            if len(piece) > 1 and series.joined
        ]
        marker = series.marker or ("dot" if len(series.points) == 1 else "")
        if marker:
            parts += [
                self.dot(x, y, series.colour, marker) for x, y in series.points if math.isfinite(y)
            ]
        return "".join(parts)

    def _bar(self, series: Series, number: int) -> str:
        x = series.points[number][0]
        (at, bottom), (_, top) = (self.place(x, end) for end in series.bars[number])
        return (
            f'<line class="line bar {series.colour}" x1="{at:.1f}" x2="{at:.1f}" '
            f'y1="{bottom:.1f}" y2="{top:.1f}"/>'
        )

    def dot(self, x: float, y: float, colour: Colour, marker: str = "dot") -> str:
        across, down = self.place(x, y)
        return f'<circle class="{marker} {colour}" cx="{across:.1f}" cy="{down:.1f}" r="3"/>'

    def caption(self, text: str, y: float) -> str:
        return draw_text(_LEFT + 2, self.place(0, y)[1] + 4, text, "start", "label")


def _legend(series: Sequence[Series]) -> str:
    named = [each for each in series if each.name]
    parts, x = [], float(_LEFT)
    for each in named:
        dash = f' stroke-dasharray="{each.dash}"' if each.dash else ""
        if each.joined:
            parts.append(
                f'<line class="line {each.colour}" x1="{x:.0f}" x2="{x + 22:.0f}" '
                f'y1="13" y2="13"{dash}/>'
            )
        if each.marker:
            parts.append(
                f'<circle class="{each.marker} {each.colour}" cx="{x + 11:.0f}" cy="13" r="3"/>'
            )
        parts.append(draw_text(x + 27, 17, each.name, "start"))
        x += 27 + 6.6 * len(each.name) + 16
    return "".join(parts)


def draw_text(
    x: float, y: float, text: str, anchor: str, kind: str = "tick", more: str = ""
) -> str:
    """A text of a chart; ``kind`` is its class of the style sheet."""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>'
        f"{escape(text)}</text>"
    )


def draw_svg(
    size: tuple[int, int], description: str, parts: Sequence[str], scale: str = ""
) -> Markup:
    """A chart; ``description`` is what a screen reader says, and ``scale`` is for the script."""
    data = f' data-scale="{scale}"' if scale else ""
    return Markup(
        f'<svg viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{escape(description)}"'
        f"{data}>{''.join(parts)}</svg>"
    )


def _round_step(span: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that gives about five ticks."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
