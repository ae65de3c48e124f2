"""``fit --learn both``: a classifier and a memory in one run, and the commands that take it."""

import shutil
from pathlib import Path

import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit
from helpers.compare import assert_same_run
from helpers.interrupts import interrupted_after
from safetensors.torch import load_file

from fastdefect.files import read_csv

OPTIONS = ("--learn", "both", "--name", "joint")


@pytest.fixture(scope="module")
def learned(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Both halves are poor, as their weights are random; tests that write to it take a copy."""
    return run_fit(castings, tmp_path_factory.mktemp("both"), *OPTIONS)


@pytest.fixture
def copy(learned: FitResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned.folder, tmp_path / "runs" / "joint"))


def test_the_run_holds_both_halves(learned: FitResult) -> None:
    assert learned.json("run.json")["status"] == "finished"
    model = learned.json("model.json")
    assert (model["memory"], model["views"]) == (True, "none")
    halves = {name.split(".")[0] for name in load_file(learned.folder / "model.safetensors")}
    assert halves == {"classifier", "memory", "temperature"}
    assert learned.json("calibration.json")["none"]["value"] == 1
    point = learned.json("operating_point.json")
    assert (point["rule"], point["threshold"]) == ("joint", 0.5)
    wrong = {name: found["overkills"] for name, found in point["tally"].items()}
    assert wrong["either"] <= wrong["classifier"] + wrong["memory"]
    for text in ("A memory of", "Rejected on validation", "the memory alone rejects a new good"):
        assert text in " ".join(learned.output.split()), text


def test_an_interrupted_training_continues_to_the_same_model(
    castings: Path, learned: FitResult, tmp_path: Path
) -> None:
    with interrupted_after(12):
        stopped = invoke("fit", str(castings), "--runs", str(tmp_path), *TINY, *OPTIONS)
    assert stopped.exit_code == 130, stopped.output
    folder = tmp_path / "joint"
    for _ in range(2):  # the second time it is finished, and only reported again
        result = invoke("fit", "--resume", str(folder))
        assert result.exit_code == 0, result.output
        assert_same_run(learned.folder, folder)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("evaluate",), "By half of the joint model"),
        (("explain",), "HiRes-CAM"),
        (("explain", "--method", "distance"), "distance to the places of good parts"),
        (("threshold", "--max-overkill", "0.3"), "overkill rate of at most 30%"),
        (("stress", "--only", "blur"), "blur"),
    ],
)
def test_commands_take_it(copy: Path, command: tuple[str, ...], said: str) -> None:
    name, *flags = command
    result = invoke(name, str(copy), *flags)
    assert said in " ".join((result.output + result.stderr).split()), result.output


@pytest.mark.slow
def test_its_bundle_decides_alike_and_names_the_half(
    copy: Path, castings: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "model.fdb"
    result = invoke("export", str(copy), "--out", str(bundle))
    assert result.exit_code == 0, result.output
    rows = {}
    for model in (copy, bundle):
        table = tmp_path / f"{model.name}.csv"
        assert invoke("predict", str(model), str(castings), "--out", str(table)).exit_code == 0
        rows[model.suffix] = read_csv(table)
    for mine, theirs in zip(rows[""], rows[".fdb"], strict=True):
        assert (mine["decision"], mine["rejected_by"]) == (
            theirs["decision"],
            theirs["rejected_by"],
        )
        rejected = float(mine["p_defective"]) >= 0.5
        assert (mine["rejected_by"] in ("classifier", "memory", "both")) == rejected
