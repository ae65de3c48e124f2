"""``fit --tiles``: strips with small defects, from training to a decision of a bundle."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.cli import FitResult, invoke, run_fit

from fastdefect.evaluation.predictions import read_predictions
from fastdefect.files import read_csv
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


def test_small_defects_in_new_strips_are_found(tiled: FitResult, tmp_path: Path) -> None:
    new = strips(tmp_path / "new", 24, 1)
    done = invoke("evaluate", tiled.folder, "--data", new)
    assert done.exit_code == 0, done.output
    (path,) = tiled.folder.glob("predictions-data-*.csv")
    found = read_predictions(path, ("bad", "good"), ("good",))
    order = np.argsort(-found.y_prob[:, 0])
    assert (found.y_true[order[:8]] == 0).all()


def test_a_head_alone_learns_from_the_labels_of_photos(tmp_path: Path) -> None:
    data = strips(tmp_path / "strips", 32, 0)
    options = "--image-size 32 --tiles 18 --tune head --parts none --test 0 --name head".split()
    headed = run_fit(data, tmp_path, *options)
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
    ):
        done = invoke(*arguments)
        assert done.exit_code == 0, done.output
    (picture,) = (tmp_path / "maps").glob("*.png")
    height, width = cv2.imread(str(picture)).shape[:2]
    assert width > 5 * height  # the strip, not its tiles


@pytest.mark.slow
def test_a_bundle_decides_as_the_run(tiled: FitResult, tmp_path: Path) -> None:
    new, bundle = strips(tmp_path / "new", 8, 2), tmp_path / "model.fdb"
    assert invoke("export", tiled.folder, "--out", bundle).exit_code == 0
    rows = []
    for name, model in (("run", tiled.folder), ("bundle", bundle)):
        done = invoke("predict", model, new, "--out", tmp_path / f"{name}.csv")
        assert done.exit_code == 0, done.output
        rows.append(read_csv(tmp_path / f"{name}.csv"))
    for one, other in zip(*rows, strict=True):
        assert one["decision"] == other["decision"]
        assert float(one["p_defective"]) == pytest.approx(float(other["p_defective"]), abs=1e-4)
    done = invoke("explain", bundle, new / "1.png", "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.output
