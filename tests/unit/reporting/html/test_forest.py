"""A forest plot reads without colour, and says what it shows."""

import re

import pytest

from fastdefect.reporting.html.forest import Effect, forest_chart

TOLD = Effect("old & new", 4.0, (2.0, 6.0), True, "+4.0 better")
OPEN = Effect("MixUp", -1.0, (-3.0, 1.0), False, "-1.0 no difference shown")
ALONE = Effect("one seed", 2.0, None, False, "+2.0 one seed")


def _chart(*effects: Effect) -> str:
    return str(forest_chart(effects, label="points", description="What it shows"))


def _circles(chart: str) -> list[tuple[str, float]]:
    return [
        (kind, float(x))
        for kind, x in re.findall(r'<circle class="(\w+)[^"]*" cx="([\d.]+)"', chart)
    ]


def test_a_difference_that_is_told_is_filled_and_any_other_a_ring() -> None:
    chart = _chart(TOLD, OPEN, ALONE)
    assert [kind for kind, _ in _circles(chart)] == ["dot", "ring", "ring"]
    told, unsure, alone = (x for _, x in _circles(chart))
    assert unsure < alone < told


def test_each_effect_has_its_name_value_and_interval() -> None:
    chart = _chart(TOLD, OPEN, ALONE)
    for text in ("old &amp; new", "+4.0 better", "MixUp", "one seed", "points"):
        assert f">{text}</text>" in chart
    lines = re.findall(
        r'<line class="line \w+" x1="([\d.]+)" x2="([\d.]+)" y1="(\d+)" y2="\3"/>', chart
    )
    assert len(lines) == 2
    assert 'aria-label="What it shows"' in chart
    assert 'role="img"' in chart


def test_the_zero_is_marked() -> None:
    chart = _chart(TOLD, OPEN)
    (zero,) = re.findall(r'<line class="mark" x1="([\d.]+)"', chart)
    assert f'x="{zero}"' in chart
    assert ">0</text>" in chart


def test_a_very_wide_interval_ends_in_an_arrow_and_leaves_room_for_the_others() -> None:
    wide = Effect("wide", 1.0, (-400.0, 402.0), False, "+1.0")
    chart = _chart(TOLD, OPEN, ALONE, wide)
    assert chart.count("<polyline") == 2
    told, unsure, *_ = (x for _, x in _circles(chart))
    assert told - unsure > 40
    assert _chart(TOLD, OPEN).count("<polyline") == 0


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_one_effect_alone_has_an_axis_with_zero(value: float) -> None:
    chart = _chart(Effect("a", value, None, False, ""))
    ((_, x),) = _circles(chart)
    assert 14 <= x <= 446
    assert ">0</text>" in chart
