"""``fit --view-input``: a run whose network takes the camera, and the commands that take it."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from helpers.benchmarks import load
from helpers.cli import FitResult, invoke, run_fit

from fastdefect.files import read_csv
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import Inspector

SETTINGS = (
    *("--arch", "efficientnet-lite0", "--weights", "auto", "--tune", "head"),
    *("--view-input", "--valid", "0.3"),
)
benchmark = load("view_input")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 parts with a photo of each camera; what is normal in one is a defect in the other."""
    path: Path = benchmark.render(tmp_path_factory.mktemp("cameras"), 40)
    return path


@pytest.fixture(scope="module")
def learned(table: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return run_fit(table, tmp_path_factory.mktemp("runs"), *SETTINGS, "--name", "viewed")


@pytest.fixture
def copy(learned: FitResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned.folder, tmp_path / "runs" / "viewed"))


def output(*arguments: object) -> str:
    result = invoke(*map(str, arguments))
    assert result.exit_code == 0, result.output + repr(result.exception)
    return " ".join(result.output.split())


def test_the_run_knows_its_views(learned: FitResult) -> None:
    assert learned.json("model.json")["preprocessing"]["view_input"] == ["side", "top"]
    assert "The view is an input of the network. Photos of train: side" in learned.output
    assert learned.json("metrics.json")["valid"]["auc"] > 0.95
    assert "view_input = true" in (learned.folder / "config.toml").read_text()


def test_without_its_view_a_photo_tells_nothing(table: Path, tmp_path: Path) -> None:
    plain = [each for each in SETTINGS if each != "--view-input"]
    found = run_fit(table, tmp_path, *plain)
    assert found.json("metrics.json")["valid"]["auc"] < 0.8


def test_evaluations_give_the_network_the_view(copy: Path) -> None:
    before = read_csv(copy / "predictions-valid.csv")
    (copy / "predictions-valid.csv").unlink()
    assert "By view" in output("evaluate", copy)
    after = read_csv(copy / "predictions-valid.csv")
    for old, new in zip(before, after, strict=True):
        assert float(new["p_defect"]) == pytest.approx(float(old["p_defect"]), abs=1e-5)
    stressed = output("stress", copy, "--only", "brightness", "--photos", "8")
    assert "escape rate" in stressed
    assert "AUC" in output("tta-eval", copy, "--views", "mirror")
    assert "AUC" in output("tta-eval", copy, "--views", "random:1")
    assert "HiRes-CAM" in output("explain", copy)


def without_views(table: Path, folder: Path) -> Path:
    """The same photos and labels, with a view for the first part alone."""
    rows = read_csv(table)
    copied = Path(shutil.copytree(table.parent, folder / "unknown")) / "photos.csv"
    with copied.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "view": row["view"] * (i < 2)} for i, row in enumerate(rows))
    return copied


def test_photos_without_a_view_are_counted(copy: Path, table: Path, tmp_path: Path) -> None:
    unknown = without_views(table, tmp_path)
    said = output("evaluate", copy, "--data", unknown, "--include-trained")
    assert "78 of 80 photos have no view that the network knows (side, top)" in said
    out = tmp_path / "out.csv"
    said = output("predict", copy, unknown, "--out", out)
    assert "78 of 80 photos have no view that the network knows (side, top)" in said
    out = tmp_path / "by_name.csv"
    by_name = output("predict", copy, unknown, "--view-from", r"_(side|top)", "--out", out)
    assert "no view" not in by_name
    wrong = [row for row in read_csv(out) if (row["label"] == "defect") != _is_bad(row["path"])]
    assert len(wrong) <= 4


def test_named_photos_are_explained_by_the_view_in_their_path(
    copy: Path, table: Path, tmp_path: Path
) -> None:
    explain = ("explain", copy, table.parent / "p001_side.png", "--out", tmp_path / "maps")
    assert "1 of 1 photo has no view" in output(*explain)
    assert "no view" not in output(*explain, "--view-from", r"_(side|top)")
    figures = json.loads((tmp_path / "maps" / "explain.json").read_text())
    (photo,) = figures["groups"]["Photos"]
    assert (photo["view"], photo["decided"]) == ("side", "reject")
    refused = invoke("explain", str(copy), "--view-from", "side")
    assert refused.exit_code == 2
    assert "but no photos are named" in " ".join(refused.output.split())


def _is_bad(path: str) -> bool:
    return int(Path(path).name[1:4]) % 2 == 1


@pytest.mark.slow
def test_a_bundle_decides_as_the_run_with_the_view(copy: Path, table: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.fdb"
    output("export", copy, "--out", path, "--examples", "3")
    card = read_bundle(path).card
    assert (card.schema_version, card.network.view_input) == (2, ("side", "top"))
    (form,) = card.check["forms"]  # type: ignore[misc]
    assert form["flips"] == 0  # type: ignore[index, call-overload]
    inspector = Inspector(path)
    assert inspector.self_test() == pytest.approx(0, abs=1e-6)
    photo = table.parent / "p001_side.png"
    assert inspector.inspect(photo, view="side").decision == "reject"
    assert inspector.inspect(photo, view="top").decision == "OK"
    output("predict", path, table, "--out", tmp_path / "bundle.csv")
    output("predict", copy, table, "--out", tmp_path / "run.csv")
    for ours, theirs in zip(
        *(read_csv(tmp_path / f"{name}.csv") for name in ("bundle", "run")), strict=True
    ):
        assert ours["decision"] == theirs["decision"]
        assert ours["view"] == theirs["view"]
    shown = json.loads(output("show", photo, "--model", path, "--json").splitlines()[-1])
    assert shown["decided"]


@pytest.mark.slow
def test_networks_of_folds_and_seeds_and_a_second_training_take_the_view(
    table: Path, tmp_path: Path
) -> None:
    tuned = ("--arch", "efficientnet-lite0", "--weights", "auto", "--view-input", "--valid", "0.3")
    for options in (
        ("--final", "folds", "--folds", "2", "--epochs", "2"),
        ("--members", "2", "--epochs", "2"),
    ):
        found = run_fit(table, tmp_path, *tuned, *options, "--name", options[0].strip("-"))
        assert found.json("metrics.json")["valid"]["auc"] > 0.9
        assert "HiRes-CAM" in output("explain", found.folder)
    earlier = tmp_path / "members"
    said = output(
        *("fit", "--from", earlier, "--runs", tmp_path, "--name", "child", "--epochs", "1"),
    )
    assert "The head begins as that of members" in said


@pytest.mark.slow
def test_the_benchmark_shows_the_gain(tmp_path: Path) -> None:
    found = benchmark.measure(tmp_path, benchmark.SETS["alike"], 60, 1, 4)
    assert found["with"] > 0.95
    assert found["head"] > 0.95
    assert found["without"] < 0.7
