"""``predict`` with a run: its decisions are those of its own validation."""

import json
import shutil
from pathlib import Path

import pytest
from helpers.cli import FitResult, invoke

from fastdefect.files import read_csv


def test_a_run_decides_as_in_its_validation(
    trained: FitResult, castings: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "three")
    known = {row["path"]: row for row in read_csv(run / "predictions-valid.csv")}
    photos = [str(castings / name) for name in known]
    command = ("predict", str(run), *photos, "--device", "cpu")
    result = invoke(*command, "--out", str(tmp_path / "r.jsonl"))
    assert result.exit_code == 0, result.output + repr(result.exception)
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert len(rows) == len(known)
    for row, (name, expected) in zip(rows, known.items(), strict=True):
        assert row["path"] == str(castings / name)
        assert row["p_good"] == pytest.approx(float(expected["p_good"]), abs=1e-4)
        assert row["unlike"] is not None
    assert (run / "reference.safetensors").exists()
