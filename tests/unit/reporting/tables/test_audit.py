"""The table of an audit: each finding readable."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from fastdefect.console import draw
from fastdefect.data.findings import Finding
from fastdefect.reporting.tables.audit import findings_table

LEAK = Finding(
    "leak",
    "error",
    "12 of 96 test photos (12.5%) show parts that are trained or tuned on too, so that the "
    "figures there are too good: test/ok/cast_ok_0_1015.jpeg and 11 more.",
    0.125,
    None,
    tuple(f"test/ok/{i}.jpeg" for i in range(12)),
)
SHORTCUT = Finding(
    "shortcut",
    "error",
    "The class can be told from the border alone: AUC 0.93 [0.91, 0.95], with shuffled labels "
    "0.50 [0.45, 0.55]. Crop or mask the bench, or train with --light.",
    0.93,
    (0.91, 0.95),
)
IMBALANCE = Finding("imbalance", "warning", "ok has 90 photos, crack only 18: 5.0 to 1.", 5.0)
ANIMATED = Finding("animated", "info", "1 photo is of several.", 1, None, ("ok/1.gif",))

# ---- the table


def test_findings_stand_gravest_first_with_photos_and_figure() -> None:
    table = findings_table([ANIMATED, IMBALANCE, LEAK, SHORTCUT])
    assert table.rows == (
        (f"!! error: leak\n{LEAK.message}\n", "12", "12.5% of test"),
        (f"!! error: shortcut\n{SHORTCUT.message}\n", "-", "AUC 0.93\n[0.91, 0.95]"),
        (f"! warning: imbalance\n{IMBALANCE.message}\n", "-", "5.0 to 1"),
        (f"info: animated\n{ANIMATED.message}", "1", "-"),
    )
    assert table.caption == "2 errors, 1 warning, 1 info."
    assert table.marks == {0: "bad", 1: "bad"}


@pytest.mark.parametrize(
    ("kind", "value", "paths", "figure"),
    [
        ("leak", 1.0, 1, "100.0% of test"),  # also where the share is as much as the photos
        ("leak", None, 3, "-"),  # no test split, only validation leaks
        ("label_conflict", 2, 5, "2"),
        ("duplicate", 5, 5, "-"),  # the photos again
        ("same_part", 12345, 7, "12,345"),
        ("small_class", 0.5, 0, "0.50"),
        ("imbalance", 3.25, 0, "3.2 to 1"),
        ("shortcut", float("nan"), 0, "-"),
    ],
)
def test_each_figure_is_written_in_the_form_of_its_kind(
    kind: str, value: float | None, paths: int, figure: str
) -> None:
    names = tuple(f"{i}.png" for i in range(paths))
    ((_, photos, shown),) = findings_table([Finding(kind, "error", "", value, None, names)]).rows
    assert shown == figure
    assert photos == (str(paths) if paths else "-")


def test_folders_are_not_counted_as_photos() -> None:
    finding = Finding("empty_class", "warning", "Folders", 2, None, ("a", "b"))
    assert findings_table([finding]).rows[0][1] == "-"


def test_no_findings_are_reported() -> None:
    table = findings_table([])
    assert (table.rows, table.empty) == ((), "No findings.")
    assert not table.marks


def test_names_that_cant_be_printed_can_stand_in_it() -> None:
    finding = Finding("blank", "warning", "1 photo: a\x1b[31m\n\udcff.png.", 1, None, ("x",))
    ((said, _, _),) = findings_table([finding]).rows
    assert said == "! warning: blank\n1 photo: a?[31m??.png."
    said.encode("utf-8")


def shown(findings: Sequence[Finding], width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(draw(findings_table(findings)))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_it_reads_well_in_a_terminal(width: int) -> None:
    lines = shown([LEAK, SHORTCUT, IMBALANCE, ANIMATED], width)
    assert all(len(line) <= width for line in lines)
    words = " ".join(lines).split()
    # No word and no figure is broken, and the messages fill the room that there is.
    for finding in (LEAK, SHORTCUT, IMBALANCE):
        assert set(finding.message.split()) <= set(words)
    text = "\n".join(lines)
    for whole in ("!! error: leak", "12.5% of test", "AUC 0.93 │", "[0.91, 0.95] │"):
        assert whole in text
    assert len(lines) <= {80: 25, 120: 21}[width]
