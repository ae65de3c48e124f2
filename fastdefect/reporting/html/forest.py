"""A forest plot as SVG: differences with their intervals, below each other on one axis.

A difference that can be told from chance is a filled point, any other a ring, so that the plot
reads without colour. Each name is above its line, so that the plot also fits a phone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from fastdefect.aliases import Interval
from fastdefect.reporting.html.charts import Axis, draw_svg, draw_text

_WIDTH, _LEFT, _RIGHT = 460, 14, 14
_ROW, _TOP, _BOTTOM = 38, 8, 44
_NAME, _LINE = 13, 26  # below the top of a row
_LONGEST = 42  # letters of a name
_ROOM = 0.04  # of the values' span, beyond them
_BEYOND = 3.0  # an interval this much wider than the others ends in an arrow


@dataclass(frozen=True)
class Effect:
    """A difference with its interval, if there is one.

    ``shown``: it can be told from chance. ``text`` is its value in words.
    """

    name: str
    value: float
    interval: Interval | None
    shown: bool
    text: str


def forest_chart(effects: Sequence[Effect], *, label: str, description: str) -> Markup:
    """The ``effects`` from top to bottom; ``label`` names the axis with its unit."""
    axis = _tight(Axis.of(label, ends := _ends(effects), form="{:+g}"), ends)
    height = _TOP + _ROW * len(effects) + _BOTTOM
    parts = [_axis(axis, height)]
    parts += [_row(effect, axis, _TOP + _ROW * number) for number, effect in enumerate(effects)]
    return draw_svg((_WIDTH, height), description, parts)


def _ends(effects: Sequence[Effect]) -> list[float]:
    """What the axis has to hold: all values, and intervals that are not far wider than usual."""
    values = [each.value for each in effects]
    widest = sorted(max(map(abs, each.interval)) for each in effects if each.interval is not None)
    usual = widest[len(widest) // 2] if widest else 0.0
    most = _BEYOND * max(usual, *map(abs, values))
    ends = [end for each in effects for end in each.interval or ()]
    return [*values, *(max(-most, min(most, end)) for end in ends)]


def _tight(axis: Axis, ends: Sequence[float]) -> Axis:
    """The axis without the space beyond the values, which its round ends may leave."""
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    room = _ROOM * (high - low) or 1.0
    low, high = max(axis.low, low - room), min(axis.high, high + room)
    ticks = tuple(tick for tick in axis.ticks if low <= tick[0] <= high)
    return replace(axis, low=low, high=high, ticks=ticks)


def _place(value: float, axis: Axis) -> float:
    across = (value - axis.low) / (axis.high - axis.low)
    return _LEFT + min(1.0, max(0.0, across)) * (_WIDTH - _LEFT - _RIGHT)


def _axis(axis: Axis, height: int) -> str:
    bottom = height - _BOTTOM
    parts = []
    for value, text in axis.ticks:
        x = _place(value, axis)
        kind = "mark" if abs(value) < 1e-12 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        anchor = "start" if x < 2 * _LEFT else "end" if x > _WIDTH - 2 * _RIGHT else "middle"
        parts.append(draw_text(x, bottom + 17, "0" if kind == "mark" else text, anchor))
    parts.append(
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    )
    parts.append(draw_text(_WIDTH / 2, height - 8, axis.label, "middle", "label"))
    return "".join(parts)


def _row(effect: Effect, axis: Axis, top: int) -> str:
    name = effect.name if len(effect.name) <= _LONGEST else f"{effect.name[: _LONGEST - 1]}…"
    y = top + _LINE
    colour = "vermilion" if effect.shown else "ink"
    parts = [
        draw_text(_LEFT, top + _NAME, name, "start", "label halo"),
        draw_text(_WIDTH - _RIGHT, top + _NAME, effect.text, "end", "label halo"),
    ]
    if effect.interval is not None:
        low, high = (_place(end, axis) for end in effect.interval)
        parts.append(
            f'<line class="line {colour}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
        )
        parts += [_end(end, axis, y, colour) for end in effect.interval]
    if math.isfinite(effect.value):
        kind = "dot" if effect.shown else "ring paper"
        x = _place(effect.value, axis)
        parts.append(f'<circle class="{kind} {colour}" cx="{x:.1f}" cy="{y}" r="5"/>')
    return "".join(parts)


def _end(end: float, axis: Axis, y: int, colour: str) -> str:
    """The end of an interval: a bar, or an arrow where it is beyond the axis."""
    x = _place(end, axis)
    if axis.low - 1e-12 <= end <= axis.high + 1e-12:
        return f'<line class="line {colour}" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 4}" y2="{y + 4}"/>'
    back = x + (6 if end < axis.low else -6)
    points = f"{back:.1f},{y - 4} {x:.1f},{y} {back:.1f},{y + 4}"
    return f'<polyline class="line {colour}" points="{points}"/>'
