"""One decision a part, end to end on a tiny trained run: ``threshold``, ``evaluate``, ``gate``."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import FitResult, invoke, run_fit
from helpers.folders import photo_folder
from helpers.on_runs import THREE, closing, command, predictions_of

from fastdefect.files import read_csv
from fastdefect.inference.decision_rule import apply_temperature
from fastdefect.run import Run


@pytest.fixture(scope="module")
def by_part(surfaces: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose threshold is for parts."""
    run = Run(shutil.copytree(surfaces.folder, tmp_path_factory.mktemp("parts") / "many"))
    command("threshold", run, "--decide", "part", "--part-rule", "mean", "--max-escape", "0.3")
    return run


def test_a_threshold_for_parts_is_used_by_evaluate_from_then_on(by_part: Run) -> None:
    found = closing("evaluate", by_part)
    assert found["decision"]["part_rule"] == "mean"
    parts = found["by_part"]
    assert parts["part_rule"] == "mean"
    assert parts["metrics"]["n"] == parts["n_parts"] == found["n_parts"]
    assert found["metrics"]["n"] == 2 * parts["metrics"]["n"]
    assert parts["escape"]["value"] <= 0.3
    assert parts["facts"]["missing"] == {"left": 0, "top": 0}
    assert parts["facts"]["given"] == parts["n_parts"]
    assert [view["view"] for view in found["by_view"]["views"]] == ["left", "top"]
    assert "view" not in found["by_type"]
    # By hand: the mean over the photos of each part, from the stored predictions.
    said = predictions_of(by_part, f"predictions-valid{_views(found)}.csv", THREE)
    part_of = {row["path"]: row["part"] for row in read_csv(by_part.path("split.csv"))}
    y_prob = apply_temperature(said.y_prob, found["decision"]["temperature"])
    scores: dict[str, list[float]] = {}
    for name, score in zip(said.names, 1 - y_prob[:, 1], strict=True):
        scores.setdefault(part_of[name], []).append(score)
    passed = [p for p, s in scores.items() if np.mean(s) < found["decision"]["threshold"]]
    assert parts["escape"]["count"] == sum(not part.startswith("fine") for part in passed)


def _views(found: dict[str, Any]) -> str:
    views = found["decision"]["views"]
    return "" if views == "none" else f"-{views}"


def test_both_tables_are_shown_and_the_photos_can_be_asked_for(by_part: Run) -> None:
    text = command("evaluate", by_part).stdout
    assert text.index("valid, by part: ") < text.index("valid: ")
    assert "The score of a part is the mean score of its photos (mean)." in text
    assert "By view, each photo decided alone" in text
    photos = command("evaluate", by_part, "--decide", "photo")
    assert "by part" not in photos.stdout.replace("decisions by part", "")
    assert "was chosen for decisions by part (mean)" in photos.output + photos.stderr


def test_a_gate_checks_the_parts(by_part: Run, tmp_path: Path) -> None:
    found = closing("gate", by_part, "--max-escape", "0.3", "--junit", str(tmp_path / "g.xml"))
    assert (found["unit"], found["part_rule"], found["passed"]) == ("part", "mean", True)
    assert 'name="decided" value="part (mean)"' in (tmp_path / "g.xml").read_text("utf-8")
    by_photo = closing("gate", by_part, "--min", "f1=0", "--decide", "photo")
    assert by_photo["unit"] == "photo"


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with enough parts in validation to learn a rule for parts, which decides."""
    folder = tmp_path_factory.mktemp("stacked")
    rows = [
        (f"{label}-{part}-{view}.png", label, f"{label} {part}", view, side, product)
        for label in ("crack", "fine")
        for part in range(26)
        for view in ("left", "top")
        for side in ["train" if part < 4 else "valid"]
        for product in [("axle", "cover")[part % 2]]
    ]
    photo_folder(folder / "photos", rows, "part", "view", "split", "product")
    options = ("--good", "fine", "--epochs", "1", "--test", "0", "--image-size", "32")
    run = Run(run_fit(folder / "photos", folder / "runs", "--name", "stacked", *options).folder)
    asked = ("--decide", "part", "--part-rule", "stacking", "--max-escape", "0.5", "--by-product")
    shown = command("threshold", run, *asked).stdout
    assert "Rules for parts, by how well they rank the parts" in shown
    assert "Thresholds by product" in shown
    return run


def _predicted(model: Path, run: Run, out: Path) -> list[dict[str, str]]:
    photos = run.read_config().data.data
    result = invoke("predict", str(model), str(photos / "photos.csv"), "--out", str(out))
    assert result.exit_code in (0, 1), result.output
    return [row for row in read_csv(out) if int(row["part"].split()[1]) >= 4]  # of validation


def test_the_learned_rule_decides_in_evaluate_and_predict_alike(
    stacked: Run, tmp_path: Path
) -> None:
    found = closing("evaluate", stacked)
    assert found["decision"]["stacking"]["views"][0]["view"] == "left"
    parts = found["by_part"]
    assert (parts["part_rule"], parts["n_parts"]) == ("stacking", 44)
    assert sum(each["parts"] for each in found["by_product"]) == 44
    rows = _predicted(stacked.folder, stacked, tmp_path / "parts.csv")
    assert {row["part_rule"] for row in rows} == {"stacking"}
    rejected = {row["part"] for row in rows if row["decision"] == "reject"}
    bad = {row["part"] for row in rows if row["part"].startswith("crack")}
    assert len(bad - rejected) == parts["escape"]["count"]
    assert len(rejected - bad) == parts["overkill"]["count"]
    text = command("evaluate", stacked).stdout
    assert "Stacking was learned from these parts" in " ".join(text.split())
    assert invoke("report", str(stacked.folder), "--photos", "none").exit_code == 0
    assert "(stacking)" in stacked.path("report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_bundle_decides_by_the_learned_rule_as_its_run(stacked: Run, tmp_path: Path) -> None:
    exported = invoke("export", str(stacked.folder), "--out", str(tmp_path / "m.fdb"))
    assert exported.exit_code == 0, exported.output
    of_run, of_bundle = (
        _predicted(model, stacked, tmp_path / f"{number}.csv")
        for number, model in enumerate((stacked.folder, tmp_path / "m.fdb"))
    )
    for row, other in zip(of_run, of_bundle, strict=True):
        assert (row["part"], row["decision"]) == (other["part"], other["decision"])
        assert float(row["p_defective"]) == pytest.approx(float(other["p_defective"]), abs=1e-4)
    kept = json.loads(stacked.path("operating_point.json").read_text(encoding="utf-8"))
    assert kept["stacking"]["weights"]
