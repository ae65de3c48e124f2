"""The table of a stress test, and the limit of each disturbance, as plain values."""

from collections.abc import Mapping, Sequence

from fastdefect.evaluation.robustness.stress import (
    Break,
    Limits,
    Mistakes,
    StressLine,
    StressPoint,
    StressReport,
    first_breaks,
)
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.reporting.tables.fit import metric_text, opened_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, percent

_Row = tuple[str, ...]


def stress_table(
    report: StressReport,
    limits: Limits,
    decision: DecisionRule,
    *,
    split: str,
    available: int,
    opening: int | None,
) -> TableData:
    """A row for each disturbance and strength, below the undisturbed photos.

    The first strength that exceeds a limit is marked, with the name of the limit. A strength that
    changes no photo has only dashes. If parts have several photos, the interval is over parts,
    because photos of one part are similar. ``available`` is the number of photos before the draw.
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
    """The common data of the rows of one table."""

    def __init__(self, report: StressReport, limits: Limits) -> None:
        self.limited = limits != Limits()
        self.alone = report.n_parts == report.n
        self.has_good = report.undisturbed.has_good
        self.already = limits.broken(0.0, report.undisturbed)
        # If the undisturbed photos exceed a limit, no strength is marked.
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
        """The rows of a disturbance, each with the limits that first break there.

        Only the first row has the name.
        """
        name = line.disturbance.name
        if not line.acts:
            return [(self._blank(name, "any"), ())]
        rows: list[tuple[_Row, tuple[str, ...]]] = []
        for number, point in enumerate(line.points):
            heading = "" if number else name
            strength = line.disturbance.strength_text(point.strength)
            if point.unchanged == point.flips.n:
                rows.append((self._blank(heading, strength), ()))
                continue
            broken = self.broken.get((name, point.strength), ())
            rows.append((self.row(heading, strength, point, point.mistakes, broken), broken))
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


def _caption(report: StressReport, limits: Limits, decision: DecisionRule) -> str:
    views = "" if decision.views == "none" else f", views: {decision.views}"
    sentences = [
        f"Decided by {decision.rule}{views}; a decision flips if it differs from undisturbed"
    ]
    if decision.has_band:
        sentences.append("Photos sent to review count as rejected")
    if report.n_parts < report.n:
        sentences.append("A part flips if any of its photos does")
    if any(point.unchanged == point.flips.n for line in report.lines for point in line.points):
        sentences.append("A dash: the disturbance does not change the photos, which proves nothing")
    if limits != Limits():
        sentences.append(
            f"Limits: {_limits(limits)}; compared with the observed shares, not with the ends of "
            "their intervals"
        )
    return ". ".join(sentences) + "."


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
    """The limit of each disturbance, one line each for both directions.

    ``blur: holds to 2 px, breaks at 3 px: flips 2.1%``. A single line if the undisturbed photos
    already exceed a limit, none without limits.
    """
    if limits == Limits():
        return []
    already = limits.broken(0.0, report.undisturbed)
    if already:
        shares = _shares(already, 0.0, report.undisturbed)
        return [f"The undisturbed photos already exceed a limit: {shares}."]
    width = max(len(line.disturbance.name) for line in report.lines) + 1
    found = first_breaks(report, limits)
    return [
        f"{line.disturbance.name + ':':{width}} {_how_far(line, found)}" for line in report.lines
    ]


def _how_far(line: StressLine, found: Sequence[Break]) -> str:
    if not line.acts:
        return "no effect on these photos"
    points = {point.strength: point for point in line.points}
    own = [each for each in found if each.disturbance.name == line.disturbance.name]
    return "; ".join(_in_one_direction(each, points) for each in own)


def _in_one_direction(found: Break, points: Mapping[float, StressPoint]) -> str:
    text = found.disturbance.strength_text
    if found.strength is None:
        return f"holds to {text(found.end)}, the strongest tried"
    at = points[found.strength]
    shares = _shares(found.broken, at.flips.share, at.mistakes)
    if found.held is None:
        return f"breaks at {text(found.strength)}, the weakest tried: {shares}"
    return f"holds to {text(found.held)}, breaks at {text(found.strength)}: {shares}"


def _shares(broken: Sequence[str], flips: float, mistakes: Mistakes) -> str:
    of = {
        "flips": percent(flips),
        "escape": metric_text("escape_rate", mistakes.escape_rate),
        "overkill": metric_text("overkill_rate", mistakes.overkill_rate),
    }
    return ", ".join(f"{name} {of[name]}" for name in broken)
