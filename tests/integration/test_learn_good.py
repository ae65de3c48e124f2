"""``fit --learn good``: a run without a defect in train, and the commands that take it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import FitResult, invoke, run_fit
from helpers.compare import assert_same_run
from safetensors.torch import load_file

from fastdefect.files import read_csv

OPTIONS = ("--learn", "good", "--name", "memory")


@pytest.fixture(scope="module")
def learned(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A memory on the features of random weights; tests that write to it take a copy."""
    return run_fit(castings, tmp_path_factory.mktemp("learned"), *OPTIONS)


@pytest.fixture
def copy(learned: FitResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned.folder, tmp_path / "runs" / "memory"))


def test_it_is_a_whole_run_of_one_epoch(learned: FitResult) -> None:
    assert learned.json("run.json")["status"] == "finished"
    model = learned.json("model.json")
    assert (model["head"], model["classes"], model["views"]) == (
        "memory",
        ["defect", "good"],
        "none",
    )
    (row,) = read_csv(learned.folder / "history.csv")
    metrics = learned.json("metrics.json")
    assert float(row["auc"]) == pytest.approx(metrics["valid"]["auc"], abs=1e-6)
    for text in ("stays frozen", "A memory of", "all else is a defect"):
        assert text in learned.output, text


def test_train_has_no_defect(learned: FitResult) -> None:
    sides = {(row["split"], row["label"]) for row in read_csv(learned.folder / "split.csv")}
    assert ("train", "defect") not in sides
    assert {("train", "good"), ("valid", "good"), ("valid", "defect")} <= sides


def test_the_memory_is_of_train_only_and_the_same_twice(
    castings: Path, learned: FitResult, tmp_path: Path
) -> None:
    again = run_fit(castings, tmp_path, *OPTIONS)
    assert_same_run(learned.folder, again.folder)
    state = load_file(learned.folder / "model.safetensors")
    memory = state["1.0.depths.0.memory"]
    assert len(memory) == int(state["1.0.depths.0.sizes"].sum())
    assert np.isfinite(memory.numpy()).all()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("evaluate",), "escape rate"),
        (("explain", "--method", "auto"), "distance to the places of good parts"),
        (("threshold", "--max-overkill", "0.2"), "overkill rate of at most 20%"),
        (("evaluate", "--unseen-types"), "it has seen no type"),
        (("explain", "--method", "hires-cam"), "--method hires-cam is for models not trained"),
    ],
)
def test_commands_take_it(copy: Path, command: tuple[str, ...], said: str) -> None:
    name, *flags = command
    result = invoke(name, str(copy), *flags)
    assert said in " ".join((result.output + result.stderr).split()), result.output


def test_its_bundle_decides_alike(copy: Path, castings: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "model.fdb"
    result = invoke("export", str(copy), "--out", str(bundle))
    assert result.exit_code == 0, result.output
    rows = {}
    for model in (copy, bundle):
        table = tmp_path / f"{model.name}.csv"
        assert invoke("predict", str(model), str(castings), "--out", str(table)).exit_code == 0
        rows[model.suffix] = read_csv(table)
    for mine, theirs in zip(rows[""], rows[".fdb"], strict=True):
        assert mine["decision"] == theirs["decision"]
        assert float(mine["p_defective"]) == pytest.approx(float(theirs["p_defective"]), abs=1e-3)


def test_good_photos_alone_are_enough(castings: Path, tmp_path: Path) -> None:
    """A run without any defect is resumed, gets a threshold and decides on a defect."""
    good = [row for row in read_csv(castings / "labels.csv") if row["label"] == "good"]
    (tmp_path / "only" / "good").mkdir(parents=True)
    for row in good:
        shutil.copy(castings / row["path"], tmp_path / "only" / "good")
    fit = run_fit(tmp_path / "only", tmp_path / "runs", *OPTIONS, "--parts", "none", "--test", "0")
    assert "a conformal threshold" in " ".join(fit.output.split())
    assert fit.json("model.json")["classes"] == ["defect", "good"]
    again = invoke("fit", "--resume", str(fit.folder))
    assert again.exit_code == 0, again.output
    assert "refer to the defect" in again.output
    chosen = invoke("threshold", str(fit.folder), "--max-overkill", "0.5")
    assert chosen.exit_code == 0, chosen.output
    assert "a conformal threshold" in " ".join(chosen.output.split())
    table = tmp_path / "rows.csv"
    assert invoke("predict", str(fit.folder), str(castings), "--out", str(table)).exit_code == 0
    assert {row["decision"] for row in read_csv(table)} <= {"OK", "look", "reject"}
