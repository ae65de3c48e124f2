"""``compare`` as a user calls it, on runs that were never trained."""

import json
from pathlib import Path

import pytest
from helpers.cli import invoke
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import made_run, split_row
from markdown_it import MarkdownIt

import fastdefect.cli.compare  # noqa: F401 - the command registers itself

CASTINGS = castings_of(20, 2)
ROWS = [split_row(path, part) for path, _, part in CASTINGS]
RIGHT = {row["path"]: 0.9 if row["label"] == "defect" else 0.1 for row in ROWS}
# Parts 0, 2, ... 14 are passed before, part 16 after.
CAUGHT = [row["path"] for row in ROWS if row["label"] == "defect"][:16]
ESCAPED = "defect/16-1.png"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A run called before, that passes eight defective parts, and after, that passes another."""
    data = photo_folder(tmp_path / "photos", CASTINGS, "part")
    folder = tmp_path / "runs"
    made_run(folder, "before", ROWS, {**RIGHT, **dict.fromkeys(CAUGHT, 0.2)}, data=data)
    made_run(folder, "after", ROWS, {**RIGHT, ESCAPED: 0.3}, data=data)
    made_run(folder, "elsewhere", ROWS[2:], RIGHT, data=data)
    return folder


def _arguments(runs: Path, *more: str) -> list[str]:
    return ["compare", *more, "--runs", str(runs), "--out", str(runs.parent / "out")]


def test_tables_for_people(runs: Path) -> None:
    result = invoke(*_arguments(runs, "before", "after"))
    assert result.exit_code == 0, result.output
    assert "before -> after on validation: 40 photos of 20 parts" in result.output
    assert "tuned on these photos" in " ".join(result.output.split())
    lines = result.output.splitlines()
    (rate,) = [line for line in lines if "escape rate" in line]
    assert all(text in rate for text in ("80.00%", "5.00%", "-75.00 pts", "better"))
    (escape,) = [line for line in lines if "newly escapes" in line]
    assert ESCAPED in escape
    assert "part 16" in escape
    assert sum("newly caught" in line for line in lines) == 8
    out = runs.parent / "out"
    assert sorted(path.name for path in out.iterdir()) == ["changes.png", "compare.json"]


def test_json_is_what_is_written(runs: Path) -> None:
    result = invoke(*_arguments(runs, "before", "after", "--json"))
    assert result.exit_code == 0, result.output
    event = json.loads(result.stdout.splitlines()[-1])
    written = json.loads((runs.parent / "out" / "compare.json").read_text(encoding="utf-8"))
    assert event == {"event": "compare", **written}
    assert [run["name"] for run in written["runs"]] == ["before", "after"]
    (found,) = written["comparisons"]
    assert found["figures"]["escape_rate"]["verdict"] == "better"
    assert found["mcnemar"]["parts"]["became_right"] == 8
    assert found["changes"][0]["photos"][0]["path"] == ESCAPED


def test_beside_markdown_the_page_is_named_on_standard_error(runs: Path, tmp_path: Path) -> None:
    page = str(tmp_path / "page.html")
    result = invoke(*_arguments(runs, "before", "after", "--markdown", "--report", page))
    assert result.exit_code == 0, result.output
    assert f"Written: {page}" in result.stderr
    assert "Written" not in result.stdout


def test_markdown_is_nothing_but_markdown(runs: Path) -> None:
    result = invoke(*_arguments(runs, "before", "after", "--markdown"))
    assert result.exit_code == 0, result.output
    tokens = MarkdownIt("commonmark").enable("table").parse(result.stdout)
    kinds = [token.type for token in tokens if token.level == 0 and token.nesting == 1]
    assert kinds.count("heading_open") == kinds.count("table_open") == 5
    assert set(kinds) <= {"heading_open", "table_open", "paragraph_open"}
    shown = [token.content for token in tokens if token.type == "inline"]
    assert shown[0] == "before -> after on validation: 40 photos of 20 parts"
    assert ESCAPED in shown


def test_the_page_is_named_by_the_command(runs: Path) -> None:
    page = runs.parent / "page.html"
    given = ("before", "after", "--report", str(page), "--photos", "none", "--json")
    result = invoke(*_arguments(runs, *given))
    assert result.exit_code == 0, result.output
    event = json.loads(result.stdout.splitlines()[-1])
    assert event["report"] == str(page)
    text = page.read_text(encoding="utf-8")
    assert "after may ship by its escape rate, which is lower than that of before" in text
    assert "80.00% → 5.00%, difference -75.00 pts" in text
    assert "With 10 defective parts" in text


def test_a_page_of_another_kind_is_refused_before_the_work(runs: Path) -> None:
    result = invoke(*_arguments(runs, "before", "after", "--report", "page.pdf"))
    assert result.exit_code == 2
    assert "--report page.pdf: expected a file that ends in .html, .htm." in result.output
    assert not (runs.parent / "out").exists()


def test_a_run_with_constant_prediction_is_called_that(runs: Path) -> None:
    """Passing everything gives F1 0, rejecting everything 0.67: better, if it were a figure."""
    data = runs.parent / "photos"
    for name, p_defect in (("passes", 0.1), ("rejects", 0.9)):
        made_run(runs, name, ROWS, {row["path"]: p_defect for row in ROWS}, data=data)
    result = invoke(*_arguments(runs, "passes", "rejects", "--markdown"))
    assert result.exit_code == 0, result.output
    (f1,) = [line for line in result.stdout.splitlines() if line.startswith("| F1")]
    assert all(text in f1 for text in ("0.0000", "0.6667", "better"))
    assert "passes and rejects predict the same class for every photo" in result.stdout
    written = json.loads((runs.parent / "out" / "compare.json").read_text(encoding="utf-8"))
    assert written["comparisons"][0]["constant_prediction"] == {"before": "good", "after": "defect"}


def test_more_than_two_runs(runs: Path) -> None:
    result = invoke(*_arguments(runs, "before", "after", "before", "--json"))
    written = json.loads((runs.parent / "out" / "compare.json").read_text(encoding="utf-8"))
    assert result.exit_code == 0, result.output
    assert len(written["comparisons"]) == 2


def test_other_photos_are_refused(runs: Path) -> None:
    result = invoke(*_arguments(runs, "before", "elsewhere"))
    assert result.exit_code == 1
    assert "2 only in before (defect/0-0.png, defect/0-1.png)" in " ".join(result.output.split())
    assert not (runs.parent / "out").exists()


def test_wrong_usage(runs: Path) -> None:
    result = invoke(*_arguments(runs, "before"))
    assert result.exit_code == 2
    assert "compare needs two runs or more" in result.output
    result = invoke(*_arguments(runs, "before", "after", "--markdown", "--json"))
    assert result.exit_code == 2
    result = invoke(*_arguments(runs, "before", "nobody"))
    assert result.exit_code == 1
    assert "No run at nobody" in result.output
