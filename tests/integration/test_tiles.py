"""``fit --tiles``: strips with small defects, from training to a decision of a bundle."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit
from helpers.compare import assert_same_run
from helpers.interrupts import interrupted_after
from helpers.serving import line

from fastdefect.evaluation.predictions import read_predictions
from fastdefect.files import read_csv, write_csv
from fastdefect.run import Run

WIDTH, HEIGHT, DEFECT = 640, 32, 8


def strips(root: Path, n: int, seed: int, *, boxes: bool = False) -> Path:
    """Strips of which every second has a dark square."""
    root.mkdir()
    rows = []
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        photo = cv2.GaussianBlur(rng.normal(130, 12, (HEIGHT, WIDTH)), (0, 0), 1)
        x, y = int(rng.integers(0, WIDTH - DEFECT)), int(rng.integers(0, HEIGHT - DEFECT))
        if bad := number % 2:
            photo[y : y + DEFECT, x : x + DEFECT] = 20
        cv2.imwrite(str(root / f"{number}.png"), photo.clip(0, 255).astype(np.uint8))
        row = {"path": f"{number}.png", "label": "bad" if bad else "good"}
        box = {"x": x, "y": y, "w": DEFECT, "h": DEFECT} if bad else dict.fromkeys("xywh", "")
        rows.append(row | box if boxes else row)
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return root


def masked(data: Path) -> Path:
    """The photos of ``strips`` in folders of their classes, with masks instead of boxes."""
    root = data.parent / "masked"
    for row in read_csv(data / "labels.csv"):
        target = root / row["label"] / row["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / row["path"], target)
        if row["x"]:
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            x, y = int(row["x"]), int(row["y"])
            mask[y : y + DEFECT, x : x + DEFECT] = 255
            cv2.imwrite(str(target.with_name(f"{target.stem}_mask.png")), mask)
    return root


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A training on marked strips in tiles, chosen by the marks."""
    data = strips(tmp_path_factory.mktemp("tiles") / "strips", 32, 0, boxes=True)
    options = (
        "--image-size 32 --tiles auto --augment basic --parts none --test 0 --name tiled".split()
    )
    return run_fit(data, data.parent, *options)


def test_the_number_of_tiles_follows_the_marks_and_is_kept(tiled: FitResult) -> None:
    tiles = tiled.json("model.json")["preprocessing"]["tiles"]
    assert Run(tiled.folder).read_config().data.tiles == str(tiles)
    # Tiles up to 42 pixels wide become 32: a defect of 8 pixels has the 6 that are wanted.
    assert tiles == 18
    assert "--tiles auto: up to 18 tiles of 32 px of each photo, as 16 of 16 known" in tiled.output
    assert "Up to 18 tiles of 32 px of each photo, 8 photos a step." in tiled.output
    assert "No background swap: most tiles do not show the background." in tiled.output


def test_small_defects_in_new_strips_are_found(tiled: FitResult, tmp_path: Path) -> None:
    new = strips(tmp_path / "new", 24, 1)
    done = invoke("evaluate", tiled.folder, "--data", new)
    assert done.exit_code == 0, done.output
    (path,) = tiled.folder.glob("predictions-data-*.csv")
    found = read_predictions(path, ("bad", "good"), ("good",))
    order = np.argsort(-found.y_prob[:, 0])
    assert (found.y_true[order[:8]] == 0).all()


def test_a_head_alone_learns_from_masks_which_also_choose_the_tiles(tmp_path: Path) -> None:
    data = masked(strips(tmp_path / "strips", 32, 0, boxes=True))
    options = "--image-size 32 --tiles auto --tune head --parts none --test 0 --name head".split()
    headed = run_fit(data, tmp_path, *options)
    assert headed.json("model.json")["preprocessing"]["tiles"] == 18
    (row,) = read_csv(headed.folder / "history.csv")
    metrics = headed.json("metrics.json")["valid"]
    assert float(row["auc"]) == pytest.approx(metrics["auc"], abs=1e-6)
    assert "over folds of whole parts" in headed.output


def test_the_commands_of_a_run_take_photos_in_tiles(tiled: FitResult, tmp_path: Path) -> None:
    photo = tiled.folder.parent / "strips" / "1.png"
    for arguments in (
        ("stress", tiled.folder, "--only", "blur"),
        ("explain", tiled.folder, photo, "--out", tmp_path / "maps"),
        ("tta-eval", tiled.folder, "--views", "dihedral"),
        ("threshold", tiled.folder),
        ("predict", tiled.folder, photo, "--out", tmp_path / "rows.csv"),
    ):
        done = invoke(*arguments)
        assert done.exit_code == 0, done.output
    (picture,) = (tmp_path / "maps").glob("*.png")
    height, width = cv2.imread(str(picture)).shape[:2]
    assert width > 5 * height  # the strip, not its tiles
    (row,) = read_csv(tmp_path / "rows.csv")
    (marked,) = (r for r in read_csv(photo.parent / "labels.csv") if r["path"] == "1.png")
    (found,) = json.loads((tmp_path / "maps" / "explain.json").read_text())["groups"]["Photos"]
    assert found["tile"] == {n: int(row[f"tile_{n}"]) for n in ("x", "y", "width", "height")}
    middle = int(marked["x"]) + DEFECT / 2
    assert int(row["tile_x"]) < middle < int(row["tile_x"]) + int(row["tile_width"])


def test_a_run_in_tiles_is_compared_with_one_of_whole_photos(
    tiled: FitResult, tmp_path: Path
) -> None:
    options = "--image-size 32 --tiles none --tune head --parts none --test 0 --name whole".split()
    whole = run_fit(tiled.folder.parent / "strips", tmp_path, *options)
    done = invoke("compare", whole.folder, tiled.folder, "--out", tmp_path / "compared")
    assert done.exit_code == 0, done.output
    assert "escape rate" in done.output


FORMS = {
    "onnx": ((), 1e-4),
    "openvino": (("--format", "openvino"), 1e-3),
    "int8": (("--quantize", "int8", "--max-difference", "0.2", "--max-flips", "1"), 0.2),
}


def _has_vnni() -> bool:
    facts = Path("/proc/cpuinfo")
    return not facts.exists() or "vnni" in facts.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("fixture", ["tiled", "joint"])
def test_a_bundle_decides_as_the_run_and_serves(
    form: str, fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if form == "openvino":
        pytest.importorskip("openvino")
    if (form, fixture) == ("int8", "joint") and not _has_vnni():
        pytest.skip("export refuses this int8 network on a processor without VNNI")
    run: FitResult = request.getfixturevalue(fixture)
    options, close = FORMS[form]
    new, bundle = strips(tmp_path / "new", 8, 2), tmp_path / "tiny.fdb"
    done = invoke("export", run.folder, "--out", bundle, *options)
    assert done.exit_code == 0, done.output
    rows = []
    for name, model in (("run", run.folder), ("bundle", bundle)):
        table = tmp_path / f"{name}.csv"
        done = invoke("predict", model, new, "--out", table, "--fail-on", "never")
        assert done.exit_code == 0, done.output
        rows.append(read_csv(table))
    for one, other in zip(*rows, strict=True):
        assert float(one["p_defective"]) == pytest.approx(float(other["p_defective"]), abs=close)
        assert form == "int8" or one["tile_x"] == other["tile_x"]
        assert form == "int8" or one.get("rejected_by") == other.get("rejected_by")
    done = invoke("explain", bundle, new / "1.png", "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.output
    with line(tmp_path) as at:
        files = [("photo", ("1.png", (new / "1.png").read_bytes()))]
        (photo,) = at.client.post("/inspect", files=files).json()["photos"]
    assert str(photo["tile"]["x"]) == rows[1][1]["tile_x"]
    assert photo["probability"] == pytest.approx(float(rows[1][1]["p_defective"]), abs=1e-6)
    assert photo.get("rejected_by") == rows[1][1].get("rejected_by")


def test_tiles_of_background_are_left_out_in_the_run_and_later(tmp_path: Path) -> None:
    data = tmp_path / "parts"
    data.mkdir()
    rows = []
    for number in range(24):
        rng = np.random.default_rng(number)
        photo = np.full((160, 160), 200.0)
        x, y = rng.integers(40, 120, 2).tolist()
        cv2.circle(photo, (x, y), 36, 90.0, -1)
        cv2.circle(photo, (x, y), 12, 60.0, -1)
        if number % 2:
            cv2.circle(photo, (x + 20, y), 5, 20.0, -1)
        photo += rng.normal(0, 2, photo.shape)
        cv2.imwrite(str(data / f"{number}.png"), photo.clip(0, 255).astype(np.uint8))
        rows.append({"path": f"{number}.png", "label": "bad" if number % 2 else "good"})
    write_csv(data / "labels.csv", rows, ["path", "label"])
    options = "--image-size 32 --tiles 36 --tune head --parts none --test 0 --name table".split()
    fit = run_fit(data, tmp_path, *options)
    assert "Tiles that show background alone are left out" in fit.output
    stored = fit.json("model.json")["preprocessing"]["background"]
    assert f"{stored[2]:.4f}" in (fit.folder / "config.toml").read_text()
    assert Run(fit.folder).read_config().data.background == tuple(stored)
    done = invoke("predict", fit.folder, data, "--out", tmp_path / "rows.csv", "--fail-on", "never")
    assert done.exit_code == 0, done.output
    assert all(row["tile_x"] for row in read_csv(tmp_path / "rows.csv"))


def rows_of_defects(model: Path, new: Path, table: Path) -> dict[str, dict[str, str]]:
    """The rows of ``predict`` for marked photos, by file; the tile of each shows the defect."""
    done = invoke("predict", model, new, "--out", table, "--fail-on", "never")
    assert done.exit_code == 0, done.output
    rows = {Path(row["path"]).name: row for row in read_csv(table)}
    marked = [known for known in read_csv(new / "labels.csv") if known["x"]]
    for known in marked:
        row, middle = rows[known["path"]], int(known["x"]) + DEFECT / 2
        assert int(row["tile_x"]) <= middle <= int(row["tile_x"]) + int(row["tile_width"])
    return {known["path"]: rows[known["path"]] for known in marked}


def test_good_parts_alone_are_remembered_in_tiles(tmp_path: Path) -> None:
    data, new = strips(tmp_path / "strips", 32, 0), strips(tmp_path / "new", 8, 1, boxes=True)
    options = "--learn good --parts none --test 0 --image-size 32 --tiles 18 --name memory".split()
    fit = run_fit(data, tmp_path, *options)
    assert "tiles of 13 good photos" in fit.output
    assert rows_of_defects(fit.folder, new, tmp_path / "rows.csv")
    done = invoke("explain", fit.folder, new / "1.png", "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.output


JOINT = (
    "--learn both --turned no --parts none --test 0 --image-size 32 --tiles 18 --name joint"
).split()


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A classifier and a memory of the same strips in tiles."""
    data = strips(tmp_path_factory.mktemp("joint") / "strips", 32, 0)
    return run_fit(data, data.parent, *JOINT)


def test_a_joint_model_in_tiles_names_the_half_and_the_tile(
    joint: FitResult, tmp_path: Path
) -> None:
    new = strips(tmp_path / "new", 8, 1, boxes=True)
    assert "tiles of 13 good photos" in joint.output
    rows = rows_of_defects(joint.folder, new, tmp_path / "rows.csv")
    assert {row["rejected_by"] for row in rows.values()} <= {"memory", "both"}
    explain = ("explain", joint.folder, new / "1.png", "--out")
    for arguments, said in (
        (("evaluate", joint.folder, "--data", new), "By half of the joint model"),
        (("stress", joint.folder, "--only", "blur"), "blur"),
        ((*explain, tmp_path / "inside"), "Written"),
        ((*explain, tmp_path / "distance", "--method", "distance"), "Written"),
    ):
        done = invoke(*arguments)
        assert done.exit_code == 0, done.output
        assert said in done.output
    (found,) = json.loads((tmp_path / "distance" / "explain.json").read_text())["groups"]["Photos"]
    assert found["tile"]["x"] == int(rows["1.png"]["tile_x"])


def test_an_interrupted_joint_training_in_tiles_continues_to_the_same_model(
    joint: FitResult, tmp_path: Path
) -> None:
    data = joint.folder.parent / "strips"
    with interrupted_after(6):
        stopped = invoke("fit", data, "--runs", tmp_path, *TINY, *JOINT)
    assert stopped.exit_code == 130, stopped.output
    assert invoke("fit", "--resume", tmp_path / "joint").exit_code == 0
    assert_same_run(joint.folder, tmp_path / "joint")


def test_a_memory_of_photos_of_one_tile_is_that_without_tiles(tmp_path: Path) -> None:
    data = tmp_path / "small"
    for number in range(20):
        rng = np.random.default_rng(number)
        photo = cv2.GaussianBlur(rng.normal(130, 12, (32, 32)), (0, 0), 1)
        target = data / ("bad" if number % 5 == 0 else "good") / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        photo[8:14, 8:14] -= 90 * (number % 5 == 0)
        cv2.imwrite(str(target), photo.clip(0, 255).astype(np.uint8))
    found = []
    for tiles in ("none", "3"):
        options = f"--learn good --parts none --test 0 --image-size 32 --tiles {tiles}".split()
        fit = run_fit(data, tmp_path, *options, "--name", f"of-{tiles}")
        rows = read_csv(fit.folder / "predictions-valid.csv")
        found.append([float(row["p_defect"]) for row in rows])
    assert found[0] == pytest.approx(found[1], abs=1e-6)
