"""The table of a stress test, and how far each disturbance may go, as plain values."""

from collections.abc import Mapping, Sequence

from fastdefect.evaluation.decisions.decide import Decision
from fastdefect.evaluation.robustness.stress import (
    Break,
    Limits,
    Mistakes,
    StressLine,
    StressPoint,
    StressReport,
    first_breaks,
)
from fastdefect.reporting.tables.fit import metric_text, opened_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, percent

_Row = tuple[str, ...]


def stress_table(
    report: StressReport,
    limits: Limits,
    decision: Decision,
    *,
    split: str,
    available: int,
    opening: int | None,
) -> TableData:
    """A row for each disturbance and strength, under the undisturbed photos.

    The first strength that breaks a limit is marked and says which. A strength that leaves all
    photos as they are has only dashes. Where parts have several photos, the interval is that of
    the parts, as photos of one part are alike. ``available`` photos there were to draw from.
    """
    cells = _Cells(report, limits)
    rows: list[_Row] = [cells.row("undisturbed", "-", None, report.undisturbed, cells.already)]
    marks = {0: "bad"} if cells.already else {}
    for line in report.lines:
        for row, breaks in cells.of_line(line):
            if breaks:
                marks[len(rows)] = "bad"
            rows.append(row)
    taken = f"{report.n} of {available}" if report.n < available else str(report.n)
    photos = "photo" if available == 1 else "photos"
    title = (
        f"Stress on {split}: {taken} {photos} of {counted(report.n_parts, 'part')}"
        f"{opened_text(opening)}"
    )
    return TableData(title, cells.columns, tuple(rows), _caption(report, limits, decision), marks)


class _Cells:
    """What the rows of one table have in common."""

    def __init__(self, report: StressReport, limits: Limits) -> None:
        self.limited = limits != Limits()
        self.alone = report.n_parts == report.n
        self.has_good = report.undisturbed.has_good
        self.already = limits.broken(0.0, report.undisturbed)
        # A limit that is broken from the start breaks nowhere.
        self.broken = {
            (each.disturbance.name, each.strength): each.broken
            for each in first_breaks(report, limits)
            if each.strength is not None and not self.already
        }

    @property
    def columns(self) -> _Row:
        sure = "95 % interval" if self.alone else "parts with a flip (95 %)"
        rates = ("escape rate", "overkill rate") if self.has_good else ()
        return ("disturbance", "strength", "flips", sure, *rates, *self._if_limited("breaks"))

    def of_line(self, line: StressLine) -> list[tuple[_Row, tuple[str, ...]]]:
        """Its rows, each with the limits that first break there; its name on the first alone."""
        name = line.disturbance.name
        if not line.acts:
            return [(self._blank(name, "any"), ())]
        rows: list[tuple[_Row, tuple[str, ...]]] = []
        for number, point in enumerate(line.points):
            heading = "" if number else name
            said = line.disturbance.said(point.strength)
            if point.unchanged == point.flips.n:
                rows.append((self._blank(heading, said), ()))
                continue
            broken = self.broken.get((name, point.strength), ())
            rows.append((self.row(heading, said, point, point.mistakes, broken), broken))
        return rows

    def row(
        self,
        name: str,
        strength: str,
        point: StressPoint | None,
        mistakes: Mistakes,
        broken: Sequence[str],
    ) -> _Row:
        flips = ("-", "-") if point is None else (_flips(point), self._interval(point))
        rates = _rates(mistakes) if self.has_good else ()
        return (name, strength, *flips, *rates, *self._if_limited(", ".join(broken)))

    def _blank(self, name: str, strength: str) -> _Row:
        return (name, strength, *("-" for _ in self.columns[2:]))

    def _interval(self, point: StressPoint) -> str:
        of = point.flips if self.alone else point.parts
        if of.interval is None:
            return "-"
        span = " to ".join(map(percent, of.interval))
        return span if self.alone else f"{of.flips} of {of.n} ({span})"

    def _if_limited(self, text: str) -> _Row:
        return (text,) if self.limited else ()


def _flips(point: StressPoint) -> str:
    return f"{percent(point.flips.share)} ({point.flips.flips} of {point.flips.n})"


def _rates(mistakes: Mistakes) -> _Row:
    return (
        _rate("escape_rate", mistakes.escape_rate, mistakes.escapes, mistakes.n_defective),
        _rate("overkill_rate", mistakes.overkill_rate, mistakes.overkills, mistakes.n_good),
    )


def _rate(name: str, value: float, count: int, total: int) -> str:
    text = metric_text(name, value)
    return text if text == "-" else f"{text} ({count} of {total})"


def _caption(report: StressReport, limits: Limits, decision: Decision) -> str:
    views = "" if decision.views == "none" else f", views: {decision.views}"
    said = [
        f"Decided by {decision.rule}{views}; a decision flips if it is another than undisturbed"
    ]
    if decision.has_band:
        said.append("What is sent to people counts as rejected")
    if report.n_parts < report.n:
        said.append("A part flips as soon as one of its photos does")
    if any(point.unchanged == point.flips.n for line in report.lines for point in line.points):
        said.append("A dash: the photos stay as they are, which proves nothing")
    if limits != Limits():
        said.append(
            f"Limits: {_limits(limits)}; it is the shares seen that are held against them, not "
            "the ends of their intervals"
        )
    return ". ".join(said) + "."


def _limits(limits: Limits) -> str:
    named = {
        "flips": limits.max_flips,
        "escape": limits.max_escape,
        "overkill": limits.max_overkill,
    }
    return ", ".join(
        f"{name} at most {100 * most:g}%" for name, most in named.items() if most is not None
    )


def break_lines(report: StressReport, limits: Limits) -> list[str]:
    """How far each disturbance may go, a line each, both directions in it.

    ``blur: holds to 2 px, breaks at 3 px: flips 2.1%``. One line in all where the undisturbed
    photos break a limit already, none without limits.
    """
    if limits == Limits():
        return []
    already = limits.broken(0.0, report.undisturbed)
    if already:
        shares = _shares(already, 0.0, report.undisturbed)
        return [f"The undisturbed photos break a limit already: {shares}."]
    width = max(len(line.disturbance.name) for line in report.lines) + 1
    found = first_breaks(report, limits)
    return [
        f"{line.disturbance.name + ':':{width}} {_how_far(line, found)}" for line in report.lines
    ]


def _how_far(line: StressLine, found: Sequence[Break]) -> str:
    if not line.acts:
        return "leaves these photos as they are"
    points = {point.strength: point for point in line.points}
    own = [each for each in found if each.disturbance.name == line.disturbance.name]
    return "; ".join(_in_one_direction(each, points) for each in own)


def _in_one_direction(found: Break, points: Mapping[float, StressPoint]) -> str:
    said = found.disturbance.said
    if found.strength is None:
        return f"holds to {said(found.end)}, the strongest tried"
    at = points[found.strength]
    shares = _shares(found.broken, at.flips.share, at.mistakes)
    if found.held is None:
        return f"breaks at {said(found.strength)}, the weakest tried: {shares}"
    return f"holds to {said(found.held)}, breaks at {said(found.strength)}: {shares}"


def _shares(broken: Sequence[str], flips: float, mistakes: Mistakes) -> str:
    of = {
        "flips": percent(flips),
        "escape": metric_text("escape_rate", mistakes.escape_rate),
        "overkill": metric_text("overkill_rate", mistakes.overkill_rate),
    }
    return ", ".join(f"{name} {of[name]}" for name in broken)
