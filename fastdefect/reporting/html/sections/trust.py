"""How far the probabilities, the decisions and the labels can be trusted."""

from collections.abc import Mapping
from typing import Any

from fastdefect.evaluation.decisions.calibration import reliability
from fastdefect.reporting.html.charts import Axis, Series, line_chart
from fastdefect.reporting.html.facts import Measured, RunFacts
from fastdefect.reporting.html.page import Block, Chart, Grid, Heading, Missing, Row, Words
from fastdefect.reporting.html.sections.judgement import evaluate_first
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.fit import metric_text, metric_title
from fastdefect.reporting.tables.table_data import TableData

_MOST_LABELS = 40
_ERRORS = ("log_loss", "brier", "calibration_error")


def calibration(facts: RunFacts) -> tuple[Block, ...]:
    """The reliability before and after the temperature, and the errors of the probabilities."""
    if not facts.measured or facts.rule is None:
        return (evaluate_first(facts),)
    known = facts.calibration.get(facts.rule.views)
    t = facts.rule.temperature
    lines: list[Block] = [Words(say("calibration.intro"))]
    if t == 1:
        lines.append(Words(say("calibration.temperature_one")))
    else:
        tendency = say("calibration.under" if t < 1 else "calibration.over")
        n = known.get("n", "the") if known else "the"
        lines.append(Words(say("calibration.temperature", value=t, n=n, tendency=tendency)))
    if known and known.get("bounded"):
        lines.append(Words(say("calibration.bounded"), "warning"))
    charts = tuple(_reliability(each) for each in facts.measured)
    return (*lines, Row(charts), *(Grid(_errors(each)) for each in facts.measured))


def _reliability(measured: Measured) -> Chart:
    raw, calibrated = measured.decided.raw, measured.decided.predictions
    before = reliability(raw.y_true, raw.y_prob)
    after = reliability(calibrated.y_true, calibrated.y_prob)
    lowest = min(1 / len(calibrated.classes), *(each.confidence for each in (*before, *after)))
    x = Axis(
        say("calibration.confidence"),
        lowest,
        1.0,
        tuple((n / 10, f"{10 * n}%") for n in range(11) if n / 10 >= lowest),
    )
    series = (
        Series("", ((lowest, lowest), (1.0, 1.0)), "ink", "2 4"),
        Series(
            say("calibration.before"),
            tuple((each.confidence, each.share) for each in before),
            "blue",
            marker="ring",
            joined=False,
        ),
        Series(
            say("calibration.after"),
            tuple((each.confidence, each.share) for each in after),
            "vermilion",
            marker="dot",
            joined=False,
            bars=tuple(each.interval for each in after),
        ),
    )
    split = say(f"splits.{measured.split}")
    svg = line_chart(
        x,
        Axis.shares(say("calibration.share")),
        series,
        description=say("calibration.text", split=split),
    )
    return Chart(say("calibration.title", split=split), svg)


def _errors(measured: Measured) -> TableData:
    after = measured.evaluation.estimates
    rows = []
    for name in _ERRORS:
        ends = after[name].interval
        interval = "-" if ends is None else " to ".join(metric_text(name, end) for end in ends)
        before = metric_text(name, getattr(measured.uncalibrated, name))
        rows.append((metric_title(name), before, metric_text(name, after[name].value), interval))
    return TableData(
        f"{say('calibration.table')}, {say(f'splits.{measured.split}')}",
        ("metric", say("calibration.before"), say("calibration.after"), "95 % interval"),
        tuple(rows),
    )


def stress(facts: RunFacts) -> tuple[Block, ...]:
    """The effect of each disturbance, if it was measured."""
    if not facts.stress:
        return (Missing(say("stress.missing"), f"fastdefect stress {facts.command}"),)
    return tuple(
        block for split, of in facts.stress.items() for block in _stressed(facts, split, of)
    )


def _stressed(facts: RunFacts, split: str, content: Mapping[str, Any]) -> list[Block]:
    intro = say(
        "stress.intro",
        n=content["n"],
        available=content["available"],
        split=say(f"splits.{split}"),
        parts=content["n_parts"],
    )
    blocks: list[Block] = [Words(intro)]
    rule = content.get("decision", {})
    if facts.rule is not None and rule != facts.rule.as_json():
        blocks.append(Words(say("stress.older", rule=rule.get("rule", "-")), "warning"))
    lines = content["disturbances"]
    blocks.append(Row(tuple(_stress_chart(line) for line in lines)))
    rows = tuple(row for line in lines for row in _stress_rows(line))
    table = TableData(say("stress.table"), tuple(say("stress.columns").split("|")), rows)
    return [*blocks, Grid(table, folded=True)]


def _stress_chart(line: Mapping[str, Any]) -> Chart:
    points = sorted(line["points"], key=lambda point: point["strength"])
    nan = float("nan")

    def of(name: str) -> tuple[tuple[float, float], ...]:
        return tuple(
            (p["strength"], nan if (value := p.get(name)) is None else value) for p in points
        )

    series = (
        Series(
            say("stress.flips"),
            tuple((p["strength"], p["flips"]["share"]) for p in points),
            "ink",
            marker="dot",
        ),
        Series(say("stress.escape"), of("escape_rate"), "vermilion", "6 3"),
        Series(say("stress.overkill"), of("overkill_rate"), "blue", "2 3"),
    )
    name, unit = str(line["disturbance"]), str(line.get("unit") or "")
    x = Axis.of(f"{name} ({unit})" if unit else name, [p["strength"] for p in points], zero=False)
    svg = line_chart(
        x,
        Axis.shares(say("stress.share")),
        series,
        description=say("stress.chart_text", name=name),
        marks=() if line.get("identity") is None else _inside(x, line["identity"]),
    )
    return Chart(name, svg)


def _inside(axis: Axis, value: float) -> tuple[float, ...]:
    return (value,) if axis.low <= value <= axis.high else ()


def _stress_rows(line: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for point in line["points"]:
        flips = point["flips"]
        ends = flips.get("interval")
        rows.append(
            (
                str(line["disturbance"]),
                f"{point['strength']:g} {line.get('unit') or ''}".strip(),
                f"{flips['share']:.1%} ({flips['flips']} of {flips['n']})",
                "-" if not ends else f"{ends[0]:.1%} to {ends[1]:.1%}",
                metric_text("escape_rate", point.get("escape_rate")),
                metric_text("overkill_rate", point.get("overkill_rate")),
            )
        )
    return rows


def labels(facts: RunFacts) -> tuple[Block, ...]:
    """The labels that are probably wrong."""
    valid = facts.measured_on("valid") or facts.measured_on("oof")
    if valid is None and not facts.has_model:
        return (evaluate_first(facts),)
    if valid is None:
        text = say("labels.missing")
        return (Missing(text, f"fastdefect label-check {facts.command}"),)
    names, classes = valid.decided.raw.names, valid.decided.raw.classes
    if not facts.suspects:
        return (Words(say("labels.none", all=len(names))),)
    rows = tuple(
        (
            names[each.index],
            classes[each.label],
            classes[each.suggested],
            f"{each.confidence:.3f}",
            each.part,
            f"{each.part_suspects} of {each.part_photos}",
        )
        for each in facts.suspects[:_MOST_LABELS]
    )
    intro = say("labels.intro", n=len(facts.suspects), all=len(names))
    if facts.is_out_of_fold:
        intro += f" {say('labels.oof')}"
    table = TableData(say("labels.table"), tuple(say("labels.columns").split("|")), rows)
    more = Missing(say("labels.more"), f"fastdefect label-check {facts.command}")
    return (Words(intro), Grid(table), *([more] if facts.has_model else []))


def before(facts: RunFacts) -> tuple[Block, ...]:
    """The run that this one continues, on the photos that both held out."""
    earlier, command = facts.before, f"fastdefect compare OTHER_RUN {facts.command}"
    if earlier is None:
        return (Missing(say("before.none"), command),)
    if earlier.reason:
        text = say(f"before.{earlier.reason}", name=earlier.name, folder=earlier.name)
        return (Missing(text, f"fastdefect compare {earlier.name} {facts.command}"),)
    intro = say("before.intro", name=earlier.name, n=earlier.n)
    first, *others = earlier.tables
    return (
        Words(intro),
        Grid(first),
        *(block for table in others for block in (Heading(table.title), Grid(table))),
    )
