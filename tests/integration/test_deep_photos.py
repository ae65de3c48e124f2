"""A run keeps the grey scale of its deep photos, and reads every later photo by it."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit
from helpers.compare import assert_same_run
from helpers.encode import encode
from helpers.interrupts import interrupted_after

OPTIONS = ("--parts", "none", "--epochs", "1")


def _render(folder: Path, n: int, highest: int) -> Path:
    for index in range(n):
        rng = np.random.default_rng(index)
        photo = rng.normal(1200, 100, (48, 48))
        if index % 2:
            cv2.line(photo, (5, 5), tuple(map(int, rng.integers(20, 45, 2))), highest, 2)
        path = folder / ("NG" if index % 2 else "OK") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(np.clip(photo, 0, None).astype(np.uint16), "PNG"))
    return folder


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _render(tmp_path_factory.mktemp("deep"), 24, 14000)


@pytest.fixture(scope="module")
def run(deep: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return run_fit(deep, tmp_path_factory.mktemp("runs"), *OPTIONS)


def _predictions(run: Path, name: str) -> str:
    return (run / name).read_text(encoding="utf-8")


def test_the_scale_is_told_once_and_kept(run: FitResult) -> None:
    told = "16383 is white in all of them (--white 16383); the highest value is 14000"
    assert run.output.replace("\n", " ").count(told) == 1
    assert "48 x 48 -> 64 x 64: 1.3 times larger" in run.output
    assert run.json("model.json")["white"] == 16383
    assert "white = 16383.0" in (run.folder / "config.toml").read_text(encoding="utf-8")
    assert "grey_scale" in {each["kind"] for each in run.json("findings.json")}


def test_resume_reads_the_scale_of_the_run(deep: Path, run: FitResult, tmp_path: Path) -> None:
    with interrupted_after(2):
        result = invoke("fit", str(deep), "--runs", str(tmp_path), *TINY, *OPTIONS)
        assert result.exit_code == 130, result.output
    stopped = (tmp_path / "latest").resolve()
    result = invoke("fit", "--resume", str(stopped))
    assert result.exit_code == 0, result.output
    assert_same_run(run.folder, stopped)


def test_photos_from_elsewhere_are_read_by_the_same_scale(
    deep: Path, run: FitResult, tmp_path: Path
) -> None:
    own = shutil.copytree(run.folder, tmp_path / "run")
    # Darker than what would choose the scale again: the same photos without the brightest.
    other = tmp_path / "other"
    for path in sorted(deep.glob("OK/*.png")):
        (other / "OK").mkdir(parents=True, exist_ok=True)
        (other / "OK" / path.name).write_bytes(path.read_bytes() + b"\0")
    result = invoke("evaluate", str(own), "--data", str(other), "--json")
    assert result.exit_code == 0, result.output
    assert "over_white" not in result.output
    valid = {line.split(",")[0] for line in _predictions(own, "predictions-valid.csv").split("\n")}
    rows = _predictions(own, "predictions-data.csv").splitlines()
    again = [line for line in rows if line.split(",")[0] in valid and line.startswith("OK/")]
    assert again
    kept = _predictions(own, "predictions-valid.csv").splitlines()
    for line in again:
        assert any(_close(line, one) for one in kept)

    brighter = _render(tmp_path / "brighter", 4, 30000)
    result = invoke("evaluate", str(own), "--data", str(brighter), "--json")
    assert result.exit_code == 0, result.output
    notes = [json.loads(line) for line in result.output.splitlines()]
    (over,) = [each["text"] for each in notes if "beyond 16383" in each.get("text", "")]
    assert "2 of 4 photos" in over
    assert "NG/" in over


def _close(line: str, other: str) -> bool:
    """Whether two rows are of one photo, with the same probabilities."""
    one, two = line.split(","), other.split(",")
    if one[0] != two[0]:
        return False
    numbers = [(a, b) for a, b in zip(one, two, strict=True) if "." in a and a[0].isdigit()]
    return all(abs(float(a) - float(b)) < 1e-5 for a, b in numbers if "/" not in a)


def test_8_bit_photos_for_a_model_of_deep_ones_are_a_warning(
    run: FitResult, tmp_path: Path
) -> None:
    own = shutil.copytree(run.folder, tmp_path / "run")
    for label in ("OK", "NG"):
        (tmp_path / "eight" / label).mkdir(parents=True)
        photo = np.random.default_rng(len(label)).integers(0, 255, (48, 48)).astype(np.uint8)
        photo[0, 0] = 9 if label == "OK" else 8
        (tmp_path / "eight" / label / "1.png").write_bytes(encode(photo, "PNG"))
    result = invoke("evaluate", str(own), "--data", str(tmp_path / "eight"), "--json")
    assert result.exit_code == 0, result.output
    assert "trained on photos of more than 8" in result.output


@pytest.mark.slow
def test_several_trainings_share_the_scale(deep: Path, tmp_path: Path) -> None:
    run = run_fit(deep, tmp_path, *OPTIONS, "--members", "2")
    assert run.json("model.json")["white"] == 16383
    for member in ("member-1", "member-2"):
        kept = json.loads((run.folder / member / "model.json").read_text(encoding="utf-8"))
        assert kept["white"] == 16383
    result = invoke("evaluate", str(run.folder))
    assert result.exit_code == 0, result.output
