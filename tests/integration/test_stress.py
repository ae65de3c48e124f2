"""``fastdefect stress`` on a tiny trained run."""

import json
import shutil
from pathlib import Path

import pytest
from helpers.cli import FitResult, invoke

from fastdefect.run import Run

OPTIONS = ("--device", "cpu", "--only", "brightness,blur")


@pytest.fixture
def run(trained: FitResult, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained.folder, tmp_path / "three"))


def test_undisturbed_it_decides_as_the_run_did(trained: FitResult, run: Run) -> None:
    result = invoke("stress", str(run.folder), *OPTIONS, "--threshold", "argmax", "--json")
    assert result.exit_code == 0, result.output
    closing = json.loads(result.stdout.splitlines()[-1])
    metrics = trained.json("metrics.json")["valid"]
    # The most probable class is the same at any temperature.
    for name in ("escapes", "overkills", "n_defective", "n_good"):
        assert closing["undisturbed"][name] == metrics[name]
    assert closing["n"] == closing["available"] == metrics["n"]
    assert closing["n_parts"] < closing["n"]
    assert [each["disturbance"] for each in closing["disturbances"]] == ["brightness", "blur"]
    kept = json.loads((run.folder / "stress-valid.json").read_text(encoding="utf-8"))
    assert {"event": "stress", **kept} == closing
    assert not (run.folder / "openings.json").exists()


def test_the_table_the_lines_and_the_plot(run: Run) -> None:
    arguments = ("stress", str(run.folder), *OPTIONS, "--photos", "4", "--max-flips", "0")
    first = invoke(*arguments)
    assert first.exit_code == 0, first.output
    for text in (
        "4 of 9 photos, drawn by class with seed 0",
        "Stress on valid: 4 of 9 photos",
        "undisturbed",
        "x0.5",
        "Limits: flips at most 0%",
        "brightness: ",
        "blur:       ",
        "stress-valid.png",
    ):
        assert text in first.output
    assert (run.folder / "stress-valid.png").stat().st_size > 0
    assert invoke(*arguments).output == first.output


def test_the_test_is_opened_and_a_usage_error_opens_nothing(run: Run) -> None:
    wrong = invoke("stress", str(run.folder), "--split", "test", "--only", "rain")
    assert wrong.exit_code == 2
    assert "colour temperature" in wrong.stderr
    assert run.read_openings() == []
    options = ("--split", "test", "--device", "cpu", "--only", "blur")
    opened = invoke("stress", str(run.folder), *options)
    assert opened.exit_code == 0, opened.output
    assert "test opened for the 1st time" in opened.output
    assert len(run.read_openings()) == 1
