"""Charts as SVG: right places, no NaN, escaped texts."""

import math
import xml.etree.ElementTree as ET

import pytest

from fastdefect.reporting.html.charts import Axis, Series, line_chart, logit, strip_chart

_TAG = "{http://www.w3.org/2000/svg}"


def _parsed(svg: str) -> ET.Element:
    return ET.fromstring(str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def _all(svg: str, tag: str, kind: str) -> list[ET.Element]:
    found = _parsed(svg).iter(_TAG + tag)
    return [each for each in found if kind in each.get("class", "").split()]


def test_a_line_passes_through_its_points_and_breaks_at_nan() -> None:
    points = ((1.0, 0.0), (2.0, 1.0), (3.0, math.nan), (4.0, 0.5), (5.0, 0.5))
    svg = line_chart(
        Axis.counts("epoch", 5), Axis.shares("share"), (Series("a", points),), description="d"
    )
    pieces = _all(svg, "polyline", "line")
    assert [len(each.get("points", "").split()) for each in pieces] == [2, 2]
    (x0, y0), (x1, y1) = (
        tuple(map(float, pair.split(","))) for pair in pieces[0].get("points", "").split()
    )
    assert x0 < x1
    assert y0 > y1
    assert "nan" not in svg.lower()


def test_texts_are_escaped_and_the_description_is_the_label() -> None:
    hostile = '</svg><script>alert("1")</script>&'
    svg = line_chart(
        Axis.counts(hostile, 2),
        Axis.shares(hostile),
        (Series(hostile, ((1.0, 0.5),)),),
        description=hostile,
    )
    assert "<script" not in svg
    root = _parsed(svg)
    assert root.get("aria-label") == hostile
    assert root.get("role") == "img"
    assert hostile in [each.text for each in root.iter(_TAG + "text")]


def test_a_single_point_is_drawn() -> None:
    svg = line_chart(
        Axis.counts("epoch", 1), Axis.shares("s"), (Series("a", ((1.0, 0.5),)),), description="d"
    )
    assert len(_all(svg, "circle", "dot")) == 1


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([0.1, 0.93], 0, 1), ([-8, -2], -8, 0), ([], 0, 1), ([math.nan, 3.0], 0, 3), ([0.0], 0, 1)],
)
def test_an_axis_has_round_ticks_around_the_values_and_zero(
    values: list[float], low: float, high: float
) -> None:
    axis = Axis.of("y", values)
    assert (axis.low, axis.high) == (low, high)
    assert axis.ticks[0][0] == low
    assert axis.ticks[-1][0] == pytest.approx(high)


@pytest.mark.parametrize(("last", "ticks"), [(1, "1"), (3, "1 2 3"), (25, "1 5 10 15 20 25")])
def test_epochs_are_whole_numbers(last: int, ticks: str) -> None:
    assert " ".join(text for _, text in Axis.counts("epoch", last).ticks) == ticks


def test_a_strip_has_a_point_for_each_score_in_the_band_of_its_group() -> None:
    svg = strip_chart(
        (("bad", "vermilion", [0.9, 1.0]), ("fine", "blue", [0.0, 0.5])), label="p", description="d"
    )
    bad, fine = _all(svg, "circle", "vermilion"), _all(svg, "circle", "blue")
    assert max(float(each.get("cy", "")) for each in bad) < min(
        float(each.get("cy", "")) for each in fine
    )
    left, right, end = map(float, _parsed(svg).get("data-scale", "").split(","))
    places = sorted(float(each.get("cx", "")) for each in (*bad, *fine))
    expected = [left + (logit(p) + end) / (2 * end) * (right - left) for p in (0.0, 0.5, 0.9, 1.0)]
    assert places == pytest.approx(expected, abs=0.06)
