"""The tables of ``explain``: the photos, and whether their maps are true."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastdefect.explain.checks import MOST_ALIKE, MapChecks
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, percent

if TYPE_CHECKING:
    from fastdefect.aliases import Interval
    from fastdefect.explain.attention import Attention

_ROWS = 15

Row = Mapping[str, Any]


def explain_tables(
    groups: Sequence[tuple[str, Sequence[Row]]],
    checks: MapChecks | None,
    attention: "Attention | None",
    *,
    method: str,
    target: str,
) -> list[TableData]:
    """A table of the photos of each group, as in the JSON, and one of the checks."""
    tables = [_photos(title, rows, target) for title, rows in groups]
    if checks is not None:
        tables.append(checks_table(checks, attention, method))
    return tables


def _photos(title: str, rows: Sequence[Row], target: str) -> TableData:
    more = f", the first {_ROWS} of {len(rows)}" if len(rows) > _ROWS else ""
    return TableData(
        f"{title}{more}",
        ("photo", "label", "decided", "P(defect)", "where", "log odds lost", "elsewhere"),
        tuple(
            (
                row["path"],
                row["label"] or "-",
                row["decided"],
                f"{row['p_defect']:.3f}",
                row["where"],
                f"{row['log_odds_lost']:+.2f}",
                f"{row['log_odds_lost_elsewhere']:+.2f}",
            )
            for row in rows[:_ROWS]
        ),
        f"Where the evidence for {target} is; what the log odds lose if this place, or the same "
        "shape elsewhere, is hidden. Marked rows lose more elsewhere.",
        {i: "bad" for i, row in enumerate(rows[:_ROWS]) if not row["confirmed"]},
    )


def checks_table(checks: MapChecks, attention: "Attention | None", method: str) -> TableData:
    """Whether the maps are true, and how much of the evidence is on the part."""
    rows: list[tuple[str, str]] = []
    marks: dict[int, str] = {}
    if checks.likeness is not None:
        marks[len(rows)] = "good" if checks.likeness <= MOST_ALIKE else "bad"
        rows.append(
            (
                f"rank correlation with maps of random weights, {checks.n_alike} photos",
                f"{checks.likeness:.2f} (at most {MOST_ALIKE})",
            )
        )
    for name, game in checks.pointing.items():
        what = "hits of the marked defect" if name == "map" else f"hits of a map of {name}"
        rows.append((what, f"{game.hits} of {game.n}, {percent(game.mass, 0)} of the evidence"))
    rows.append(("places that count more than others", f"{checks.confirmed} of {checks.n_removed}"))
    if attention is not None and (attention.share is not None or attention.unclear):
        rows.append(("evidence on the part", attention_text(attention)))
    failures = "; ".join(checks.failures)
    caption = "The maps pass their checks."
    if failures:
        caption = f"The maps do not pass: {failures}."
    elif checks.likeness is None and not checks.pointing:
        caption = "The maps are not checked: this needs a photo of a defect that is rejected."
    return TableData(
        f"Are the maps true? {method}", ("check", "result"), tuple(rows), caption, marks
    )


def attention_text(attention: "Attention") -> str:
    """The share of the evidence on the part, with its interval, or why it can't be told."""
    if attention.share is None or attention.area is None:
        return f"can't be told: {attention.reason}"
    within = ""
    if attention.interval:
        within = " ({:.0%} to {:.0%})".format(*attention.interval)
    unclear = f" ({attention.unclear} unclear)" if attention.unclear else ""
    photos = counted(attention.n, "photo")
    return (
        f"{percent(attention.share, 0)}{within}, {photos}{unclear}; the part covers "
        f"{percent(attention.area, 0)}"
    )


def attention_table(attention: "Attention", method: str) -> TableData:
    """The share of the evidence on the part beside the share of the photo that the part covers."""
    title, columns = "Evidence on the part", ("figure", "value", "95 % interval", "count")
    if attention.share is None or attention.area is None:
        rows = [("share of the evidence on the part", "-", "-", "")]
        return TableData(title, columns, tuple(rows), f"It can't be told: {attention.reason}.")
    count = f"{counted(attention.n, 'photo')} of {counted(attention.parts, 'part')}"
    if attention.unclear:
        count += f" ({attention.unclear} unclear)"
    interval = "-"
    if attention.interval is not None:
        interval = "{:.0%} to {:.0%}".format(*attention.interval)
    verdict, mark = _verdict(attention.interval, attention.area)
    return TableData(
        title,
        columns,
        (
            ("share of the evidence on the part", percent(attention.share, 0), interval, count),
            ("share of the photo that the part covers", percent(attention.area, 0), "", ""),
        ),
        f"Heat maps of {method}, of defective photos that are rejected. A map without any "
        f"preference has the share that the part covers. {verdict} fastdefect explain draws these "
        "maps and checks them.",
        {0: mark} if mark else {},
    )


def _verdict(interval: "Interval | None", area: float) -> tuple[str, str]:
    """What the interval proves, and the mark of its row."""
    if interval is None:
        return "Too few parts for an interval: nothing is proved.", ""
    if interval[0] > area:
        return "More of the evidence is on the part than without preference.", "good"
    if interval[1] < area:
        return "Less of it is on the part than without preference: a sign of a shortcut.", "bad"
    return "The interval contains this share: no preference for the part is proved.", ""
