"""``fit`` and the commands around it, end to end on tiny rendered photos."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import TINY, TINY_TRAINING, FitResult, invoke, run_fit
from PIL import Image
from safetensors.numpy import load_file

from fastdefect.files import read_csv
from fastdefect.run_files import file_called

RUN_FILES = (
    "run.json config.toml split.csv findings.json findings.csv environment.json history.csv "
    "model.json model.safetensors checkpoint.safetensors metrics.json predictions-train.csv "
    "predictions-valid.csv curves.png confusion.png log.txt report.html"
).split()


def test_a_run_says_all_of_it_on_disk(trained: FitResult) -> None:
    for name in RUN_FILES:
        assert (trained.folder / name).stat().st_size > 0, name
    assert not [path.name for path in trained.folder.iterdir() if path.name.startswith(".")]
    assert all(file_called(path.name).contents for path in trained.folder.iterdir())
    assert f"Report: {trained.folder / 'report.html'}" in trained.output
    assert len(read_csv(trained.folder / "history.csv")) == 3
    assert trained.json("run.json")["status"] == "finished"
    model = trained.json("model.json")
    assert model["classes"] == ["defect", "good"]
    assert model["good"] == "good"
    assert model["weights"]["pretrained"] is False


def test_metrics_follow_from_the_predictions(trained: FitResult) -> None:
    for split in ("train", "valid"):
        rows = read_csv(trained.folder / f"predictions-{split}.csv")
        metrics = trained.json("metrics.json")[split]
        assert metrics["n"] == len(rows)
        defects = [row for row in rows if row["label"] == "defect"]
        escapes = [row for row in defects if row["predicted"] == "good"]
        assert metrics["escape_rate"] == len(escapes) / len(defects)
        right = sum(row["label"] == row["predicted"] for row in rows)
        assert metrics["accuracy"] == right / len(rows)
        for row in rows:
            assert float(row["p_defect"]) + float(row["p_good"]) == pytest.approx(1)


def test_the_best_epoch_is_the_model(trained: FitResult) -> None:
    state = trained.json("run.json")
    best = read_csv(trained.folder / "history.csv")[state["best_epoch"] - 1]
    metrics = trained.json("metrics.json")["valid"]
    for name in ("f1", "precision", "recall", "auc", "escape_rate", "overkill_rate"):
        assert float(best[name]) == pytest.approx(metrics[name], abs=1e-6), name
    assert float(best["valid_accuracy"]) == pytest.approx(metrics["accuracy"])
    assert float(best["gap"]) == pytest.approx(
        float(best["train_accuracy"]) - float(best["valid_accuracy"])
    )


def test_no_part_is_on_two_sides_and_the_test_is_sealed(trained: FitResult) -> None:
    sides: dict[str, set[str]] = {}
    for row in read_csv(trained.folder / "split.csv"):
        sides.setdefault(row["part"], set()).add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert {"train"} in sides.values()
    assert {"test"} in sides.values()
    assert "test" not in trained.json("metrics.json")
    assert not (trained.folder / "predictions-test.csv").exists()
    assert "test photos are sealed" in trained.output


def test_a_model_with_constant_prediction_is_called_that(trained: FitResult) -> None:
    predicted = {row["predicted"] for row in read_csv(trained.folder / "predictions-valid.csv")}
    assert ("classifies every validation photo" in trained.output) == (len(predicted) == 1)


@pytest.mark.slow
def test_config_of_a_run_repeats_it(trained: FitResult, tmp_path: Path) -> None:
    config = str(trained.folder / "config.toml")
    result = invoke("fit", "--config", config, "--runs", str(tmp_path))
    assert result.exit_code == 0, result.output
    again, first = load_file(tmp_path / "latest" / "model.safetensors"), trained.folder
    assert {k: v.tobytes() for k, v in again.items()} == {
        k: v.tobytes() for k, v in load_file(first / "model.safetensors").items()
    }


def test_json_events_are_lines_of_json(castings: Path, tmp_path: Path) -> None:
    result = invoke("fit", str(castings), "--runs", str(tmp_path), *TINY, "--epochs", "1", "--json")
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("epoch") == 1
    assert kinds[-1] == "fit"
    assert events[-1]["metrics"]["valid"]["n"] > 0
    batch = next(event for event in events if event["event"] == "batch")
    assert batch["images_per_second"] > 0
    assert batch["seconds_left"] >= 0


def test_quiet_prints_nothing(castings: Path, tmp_path: Path) -> None:
    result = invoke(
        "fit", str(castings), "--runs", str(tmp_path), *TINY, "--epochs", "1", "--quiet"
    )
    assert result.exit_code == 0
    assert result.output == ""


def test_targets_of_the_mission_and_of_the_user(castings: Path, tmp_path: Path) -> None:
    done = run_fit(
        castings, tmp_path, "--epochs", "1", "--targets", "mission",
        "--target", "f1=0", "--target", "escape_rate=1",
    )  # fmt: skip
    for text in ("previous", "61.69%", "77.01%", "75.00% to 85.00%", "met"):
        assert text in done.output
    assert ">= 0.0000" in done.output
    assert "<= 100.00%" in done.output


@pytest.mark.parametrize("balance", ["loss", "both", "none"])
def test_balance_is_told(castings: Path, tmp_path: Path, balance: str) -> None:
    done = run_fit(castings, tmp_path, "--epochs", "1", "--balance", balance)
    assert "Class weights n / (k n_c)" in done.output
    assert ("corrects twice" in done.output) == (balance == "both")


def test_unreadable_photos_are_counted_listed_and_left_out(castings: Path, tmp_path: Path) -> None:
    data = _class_folders(castings, tmp_path / "data", 24)
    (data / "good" / "empty.jpg").write_bytes(b"")
    (data / "good" / "text.jpg").write_text("no photo", encoding="utf-8")
    whole = next((data / "good").glob("part-*.jpg"))
    (data / "defect" / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    done = run_fit(data, tmp_path / "runs", "--epochs", "1", "--parts", "none")
    finding = next(f for f in done.json("findings.json") if f["kind"] == "unreadable")
    assert sorted(finding["paths"]) == ["defect/cut.jpg", "good/empty.jpg", "good/text.jpg"]
    assert finding["value"] == 3
    names = {row["path"] for row in read_csv(done.folder / "split.csv")}
    assert not names & set(finding["paths"])

    strict = invoke("fit", str(data), "--runs", str(tmp_path / "strict"), *TINY, "--strict")
    assert strict.exit_code == 1
    assert "empty.jpg" in strict.stderr
    assert not (tmp_path / "strict").exists()  # nothing half-written


def test_given_splits_are_respected(castings: Path, tmp_path: Path) -> None:
    data = _class_folders(castings, tmp_path / "plain")
    for label in ("good", "defect"):
        photos = sorted((data / label).iterdir())
        for split, some in (("train", photos[:15]), ("test", photos[15:])):
            folder = tmp_path / "given" / split / label
            folder.mkdir(parents=True)
            for photo in some:
                shutil.copy(photo, folder)
    done = run_fit(tmp_path / "given", tmp_path / "runs", "--epochs", "1", "--parts", "none")
    for row in read_csv(done.folder / "split.csv"):
        if row["path"].startswith("test/"):
            assert row["split"] == "test"
        else:
            assert row["split"] in ("train", "valid")


def test_many_classes_without_a_good_one(tmp_path: Path) -> None:
    data = tmp_path / "surfaces"
    rng = np.random.default_rng(0)
    for index, name in enumerate(("crazing", "rolled-in scale", "écaille")):
        (data / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 80, (40, 40)) + 70 * index
            Image.fromarray(pixels.astype(np.uint8)).save(data / name / f"{number}.png")
    alone = ("--epochs", "1", "--parts", "none")
    asked = invoke("fit", str(data), "--runs", str(tmp_path / "runs"), *TINY, *alone)
    assert asked.exit_code == 1
    for text in ("crazing", "rolled-in scale", "écaille", "--good"):
        assert text in asked.stderr

    done = run_fit(data, tmp_path / "runs", *alone, "--good", "none")
    metrics = done.json("metrics.json")["valid"]
    assert metrics["escape_rate"] is None
    assert set(metrics["per_class"]) == {"crazing", "rolled-in scale", "écaille"}
    header = (done.folder / "predictions-valid.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "path,label,predicted,p_crazing,p_rolled-in scale,p_écaille"

    done = run_fit(data, tmp_path / "runs", *alone, "--good", "crazing")
    assert done.json("metrics.json")["valid"]["escape_rate"] is not None


def test_weights_from_a_file(castings: Path, trained: FitResult, tmp_path: Path) -> None:
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(1)
    model = torchvision.models.mobilenet_v3_small(weights=None)
    state = dict(model.state_dict()) | {"stranger": torch.zeros(3)}
    save_file(state, tmp_path / "first.safetensors")
    done = run_fit(
        castings, tmp_path / "runs", "--epochs", "1", "--arch", "mobilenet_v3_small",
        "--weights", str(tmp_path / "first.safetensors"), "--freeze-epochs", "0",
    )  # fmt: skip
    assert "not matched: stranger" in done.output
    assert done.json("model.json")["weights"]["matched"] == len(model.features.state_dict())


def test_tta_eval_of_a_split(trained: FitResult, tmp_path: Path) -> None:
    run = _copy_of(trained, tmp_path)
    plain_before = (run / "predictions-valid.csv").read_bytes()
    outputs = []
    for _ in range(2):
        result = invoke("tta-eval", str(run), "--views", "dihedral", "--device", "cpu")
        assert result.exit_code == 0, result.output
        outputs.append((run / "predictions-valid-dihedral.csv").read_bytes())
    assert outputs[0] == outputs[1]
    assert outputs[0] != plain_before
    assert (run / "predictions-valid.csv").read_bytes() == plain_before
    assert "seconds per photo" in result.output

    opened = invoke("tta-eval", str(run), "--split", "test", "--device", "cpu")
    assert opened.exit_code == 0
    assert json.loads((run / "metrics.json").read_text())["test"]["n"] > 0
    assert (run / "predictions-test-flips.csv").exists()


def test_random_views_are_fastais_and_repeat(trained: FitResult, tmp_path: Path) -> None:
    run = _copy_of(trained, tmp_path)
    first, second = (
        invoke("tta-eval", str(run), "--views", "random:2", "--device", "cpu", "--json")
        for _ in range(2)
    )
    results = [json.loads(r.stdout.splitlines()[-1]) for r in (first, second)]
    assert results[0]["averaged"] == results[1]["averaged"]
    assert invoke("tta-eval", str(run), "--views", "seven").exit_code == 2
    rows = read_csv(run / "predictions-valid-random-2.csv")
    plain = read_csv(run / "predictions-valid.csv")
    assert [r["path"] for r in rows] == [r["path"] for r in plain]
    assert [r["p_good"] for r in rows] != [r["p_good"] for r in plain]


def test_tta_eval_of_other_photos(castings: Path, trained: FitResult, tmp_path: Path) -> None:
    run = _copy_of(trained, tmp_path)
    others = _class_folders(castings, tmp_path / "others", 24)
    shutil.rmtree(others / "defect")  # a shift that made no scrap
    every = ["--data", str(others), "--device", "cpu", "--include-trained"]
    result = invoke("tta-eval", str(run), *every)
    assert result.exit_code == 0, result.output + result.stderr
    rows = read_csv(run / "predictions-data.csv")
    assert len(rows) == len(list((others / "good").iterdir()))

    (others / "good").rename(others / "unknown")
    strange = invoke("tta-eval", str(run), "--data", str(others), "--device", "cpu")
    assert strange.exit_code == 1
    assert "unknown" in strange.stderr


def test_preview_shows_originals_beside_augmented(castings: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    result = invoke(
        "preview", str(castings), "--photos", "3", "--draws", "2", "--image-size", "64",
        "--out", str(out),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    with Image.open(out) as sheet:
        assert sheet.width > 3 * 64
        assert sheet.height > 3 * 64


@pytest.mark.slow
def test_lr_find_suggests_and_plots(castings: Path, tmp_path: Path) -> None:
    out = tmp_path / "lr.png"
    small = ("--image-size", "32", "--out", str(out))
    result = invoke("lr-find", str(castings), *TINY_TRAINING, *small)
    assert result.exit_code == 0, result.output
    assert "Suggested: --learning-rate" in result.output
    assert out.stat().st_size > 0
    assert not (Path.cwd() / "models").exists()


def test_sample_and_runs(trained: FitResult, tmp_path: Path) -> None:
    made = invoke("sample", str(tmp_path / "s"), "--n", "12", "--seed", "3", "--size", "64")
    assert made.exit_code == 0, made.output
    with (tmp_path / "s" / "labels.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 12
    again = invoke("sample", str(tmp_path / "s"), "--n", "12")
    assert again.exit_code == 1

    listed = invoke("runs", "--runs", str(trained.folder.parent))
    assert "three" in listed.output
    assert "small-cnn" in listed.output


@pytest.mark.parametrize(
    ("arguments", "code", "texts"),
    [
        (["fit", "nowhere"], 1, ["nowhere"]),
        (["fit", "--epochs", "0"], 2, ["--epochs"]),
        (["fit", "--valid", "0.6", "--test", "0.5"], 2, ["--valid 0.6"]),
        (["fit", "--target", "speed=1"], 2, ["speed=1"]),
        (["fit", "--resume", "nothing"], 1, ["nothing"]),
        (["tta-eval", "nothing"], 1, ["nothing"]),
        (["fit", "--config", "nothing.toml"], 2, ["nothing.toml"]),
    ],
)
def test_mistakes_are_told(
    arguments: list[str],
    code: int,
    texts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    for text in texts:
        assert text in result.stderr
    assert list(tmp_path.iterdir()) == []


def _class_folders(castings: Path, folder: Path, n: int = 45) -> Path:
    for row in read_csv(castings / "labels.csv")[:n]:
        (folder / row["label"]).mkdir(parents=True, exist_ok=True)
        shutil.copy(castings / row["path"], folder / row["label"])
    return folder


def _copy_of(trained: FitResult, folder: Path) -> Path:
    return Path(shutil.copytree(trained.folder, folder / "run"))


def test_a_run_that_diverges_names_the_batch_and_keeps_its_photos(
    castings: Path, tmp_path: Path
) -> None:
    result = invoke(
        "fit", castings, "--runs", tmp_path, *TINY, "--parts", "none", "--clip", "0",
        "--learning-rate", "1e30", "--optimizer", "sgd",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "Expected a finite loss, but that of batch 2 in epoch 1 is" in result.output
    assert "run.json lists all photos of the batch" in result.output
    state = json.loads((tmp_path / "latest" / "run.json").read_text())
    assert state["status"] == "diverged"
    assert len(state["photos"]) == 8
    assert all((castings / name).is_file() for name in state["photos"])
