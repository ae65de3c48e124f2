"""``predict`` with a run: its decisions are those of its own validation."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import FitResult, invoke

from fastdefect.files import read_csv
from fastdefect.inference.decision_rule import apply_temperature


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
    raw = [[float(row["p_defect"]), float(row["p_good"])] for row in known.values()]
    expected = apply_temperature(np.array(raw), trained.json("calibration.json")["none"]["value"])
    assert [row["path"] for row in rows] == photos
    assert [row["p_good"] for row in rows] == pytest.approx(expected[:, 1].tolist(), abs=1e-4)
    assert all(row["unlike"] is not None for row in rows)
    assert (run / "reference.safetensors").exists()
