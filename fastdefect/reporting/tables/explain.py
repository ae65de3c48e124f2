"""The tables of ``explain``: the photos, and whether their maps are true."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastdefect.explain.checks import MOST_ALIKE, MapChecks
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import percent

if TYPE_CHECKING:
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
    if attention is not None:
        rows.append(("evidence on the part", attention_text(attention)))
    failures = "; ".join(checks.failures)
    caption = "The maps pass their checks."
    if failures:
        caption = f"The maps do not pass: {failures}."
    elif checks.likeness is None and not checks.pointing:
        caption = "The maps are not checked: this needs a defect that the model finds."
    return TableData(
        f"Are the maps true? {method}", ("check", "result"), tuple(rows), caption, marks
    )


def attention_text(attention: "Attention") -> str:
    """The share of the evidence on the part, with its interval."""
    within = ""
    if attention.interval:
        within = " ({:.0%} to {:.0%})".format(*attention.interval)
    unclear = f" ({attention.unclear} unclear)" if attention.unclear else ""
    return (
        f"{percent(attention.share, 0)}{within}, {attention.n} photos{unclear}; the part covers "
        f"{percent(attention.area, 0)}"
    )
