"""Run folders, bundles and stores that earlier versions wrote; tests/earlier/README.md."""

import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from helpers.cli import invoke

from fastdefect.files import read_csv

EARLIER = Path(__file__).parents[1] / "earlier"
RUNS = ("run-a17aac2", "run-a0843aa", "run-a01e633")
SAME = 1e-5  # of a probability; the photos of these runs differ by 1e-3


def unpacked(name: str, folder: Path) -> Path:
    with zipfile.ZipFile(EARLIER / f"{name}.zip") as file:
        file.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("photos", tmp_path_factory.mktemp("moved")) / "photos"


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return unpacked("store-e09504a", tmp_path / "store")


def probabilities(path: Path) -> list[tuple[str, float]]:
    return [(row["path"], float(row["p_defect"])) for row in read_csv(path)]


def same(first: Path, second: Path) -> bool:
    pairs = zip(probabilities(first), probabilities(second), strict=True)
    return all(a == b and abs(p - q) < SAME for (a, p), (b, q) in pairs)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_gives_the_probabilities_that_its_version_wrote(
    name: str, photos: Path, tmp_path: Path
) -> None:
    run = unpacked(name, tmp_path / "run")
    for written in run.glob("predictions-valid*.csv"):
        shutil.copy(written, tmp_path)
    result = invoke("evaluate", run, "--data-root", photos)
    assert result.exit_code == 0, result.output
    # A run that decides by views has its predictions by views written anew.
    views = "-flips" if name == "run-a01e633" else ""
    again = f"predictions-valid{views}.csv"
    assert same(tmp_path / again, run / again)
    chosen = "escape rate of at most 50%" if (run / "operating_point.json").exists() else "probable"
    assert chosen in result.output


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_the_later_commands_take_a_run(name: str, photos: Path, tmp_path: Path) -> None:
    run = unpacked(name, tmp_path / "runs" / name)
    bundle = tmp_path / "model.fdb"
    for command in (
        ("threshold", run, "--data-root", photos, "--max-escape", "0.5"),
        ("stress", run, "--data-root", photos),
        ("label-check", run, "--data-root", photos),
        ("report", run, "--data-root", photos),
        ("export", run, "--data-root", photos, "--out", bundle),
        ("runs", "--runs", tmp_path / "runs"),
    ):
        result = invoke(*command)
        assert result.exit_code == 0, result.output + repr(result.exception)
    for model in (run, bundle):
        out = tmp_path / f"{model.stem}.csv"
        assert invoke("predict", model, photos / "photos", "--out", out).exit_code == 0
    assert same(tmp_path / f"{run.stem}.csv", tmp_path / "model.csv")


def test_a_bundle_decides_as_the_run_of_its_version(photos: Path, tmp_path: Path) -> None:
    run = unpacked("run-a01e633", tmp_path / "run")
    bundle = unpacked("bundle-a01e633", tmp_path) / "model.fdb"
    for name, model in (("of run", run), ("of bundle", bundle)):
        result = invoke("predict", model, photos / "photos", "--out", tmp_path / f"{name}.csv")
        assert result.exit_code == 0, result.output
    assert same(tmp_path / "of run.csv", tmp_path / "of bundle.csv")
    decisions = [
        [row["decision"] for row in read_csv(tmp_path / f"{name}.csv")]
        for name in ("of run", "of bundle")
    ]
    assert decisions[0] == decisions[1]
    assert len(set(decisions[0])) == 3


def test_the_answers_in_a_store_are_counted(line: Path) -> None:
    result = invoke("queue", "audit", line, "--json")
    assert result.exit_code == 0, result.output
    assert "10 parts, 5 shipped" in invoke("queue", "audit", line).output


def test_a_run_of_a_later_schema_names_the_remedy(tmp_path: Path) -> None:
    run = unpacked(RUNS[-1], tmp_path / "run")
    state = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**state, "schema": 2}), encoding="utf-8")
    result = invoke("evaluate", run)
    assert result.exit_code == 1
    told = " ".join(result.stderr.split())
    assert "expected schema 1, but got 2" in told
    assert "Use the version of fastdefect that wrote the run" in told


def test_a_store_of_a_later_schema_names_the_remedy(line: Path) -> None:
    with closing(sqlite3.connect(line / "line.sqlite3")) as database:
        database.execute("PRAGMA user_version = 2")
    result = invoke("queue", "audit", line)
    assert result.exit_code == 1
    told = " ".join(result.stderr.split())
    assert "expected a store of version 1, but it has version 2" in told
    assert "Install the fastdefect that wrote it, or a newer one." in told
