"""A run after its photos were moved, and runs that continue another."""

import json
import shutil
from pathlib import Path

import pytest
from helpers.cli import TINY, FitResult, invoke
from helpers.compare import assert_same_run
from helpers.interrupts import interrupted_after, interrupted_in_the_second_fit

from fastdefect.files import read_csv


@pytest.mark.slow
def test_a_resume_after_a_move_is_the_same_to_the_bit(
    castings: Path, trained: FitResult, tmp_path: Path
) -> None:
    data, runs = tmp_path / "data", tmp_path / "runs"
    shutil.copytree(castings, data)
    with interrupted_after(4):
        assert invoke("fit", data, "--runs", runs, *TINY).exit_code == 130
    data.rename(tmp_path / "moved")
    (tmp_path / "moved" / "photos" / "new.jpg").write_bytes(b"no photo of the run")
    folder = str((runs / "latest").resolve())
    lost = invoke("fit", "--resume", folder)
    assert lost.exit_code == 1
    assert "--data-root DIR" in lost.stderr
    result = invoke("fit", "--resume", folder, "--data-root", tmp_path)
    assert result.exit_code == 0, result.output
    assert_same_run(trained.folder, Path(folder))


@pytest.mark.slow
def test_a_series_continues_after_a_move(castings: Path, tmp_path: Path) -> None:
    data, runs = tmp_path / "data", tmp_path / "runs"
    shutil.copytree(castings, data)
    one = [*TINY, "--epochs", "1", "--members", "2"]
    with interrupted_in_the_second_fit():
        assert invoke("fit", data, "--runs", runs, *one).exit_code == 130
    data.rename(tmp_path / "moved")
    folder = (runs / "latest").resolve()
    result = invoke("fit", "--resume", folder, "--data-root", tmp_path / "moved")
    assert result.exit_code == 0, result.output
    assert "1 of 2 trainings are finished and kept" in result.output
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["members"] == 2
    assert invoke("evaluate", folder).exit_code == 0


def test_data_root_needs_a_run(tmp_path: Path) -> None:
    result = invoke("fit", "--data-root", tmp_path)
    assert result.exit_code == 2
    assert "needs --resume" in result.stderr


@pytest.mark.slow
def test_evaluations_of_other_photos_keep_their_files(
    castings: Path, trained: FitResult, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    rows = read_csv(folder / "split.csv")
    for split in ("train", "test"):
        for row in [row for row in rows if row["split"] == split][:9]:
            (tmp_path / split / row["label"]).mkdir(parents=True, exist_ok=True)
            shutil.copy(castings / row["path"], tmp_path / split / row["label"])
    for split, flags in (("train", ["--include-trained"]), ("test", [])):
        result = invoke("evaluate", folder, "--data", tmp_path / split, *flags)
        assert result.exit_code == 0, result.output
    kept = sorted(path.name for path in folder.glob("evaluation-data-*.json"))
    assert [name.split("-")[2] for name in kept] == ["test", "train"]
    latest = (folder / "evaluation-data.json").read_bytes()
    assert latest == (folder / kept[0]).read_bytes()
    refused = invoke("evaluate", folder, "--data", tmp_path / "train")
    assert refused.exit_code == 1
    assert "--include-trained" in refused.stderr


def test_a_run_is_continued_on_more_photos_and_one_more_class(
    castings: Path, trained: FitResult, tmp_path: Path
) -> None:
    before = {row["sha256"]: row["split"] for row in read_csv(trained.folder / "split.csv")}
    data = tmp_path / "more"
    shutil.copytree(castings, data)
    rows = read_csv(data / "labels.csv")
    for number, row in enumerate(rows[:12]):  # other bytes, in four parts of a new class
        name = f"photos/new-{number}.jpg"
        (data / name).write_bytes((data / row["path"]).read_bytes() + bytes([number]))
        rows.append(dict.fromkeys(row, "") | {
            "path": name, "label": "scratch", "part": f"new {number // 3}"
        })  # fmt: skip
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    (data / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = ["--from", trained.folder, "--runs", tmp_path / "runs", "--epochs", "1"]
    result = invoke("fit", data, *arguments, "--parts", "csv")
    assert result.exit_code == 0, result.output
    folder = (tmp_path / "runs" / "latest").resolve()
    after = {row["sha256"]: row["split"] for row in read_csv(folder / "split.csv")}
    assert {digest: after[digest] for digest in before} == before
    assert {after[d] for d in after if d not in before} == {"train", "valid", "test"}
    assert "random for scratch" in result.output
    state = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert state["from_run"] == trained.folder.as_posix()
    assert {row["given_part"] for row in read_csv(folder / "split.csv")} >= {"new 0", "new 3"}
    earlier = {row["sha256"]: row["split"] for row in read_csv(folder / "earlier.csv")}
    assert earlier == before


def test_the_weights_alone_with_a_new_split(
    castings: Path, trained: FitResult, tmp_path: Path
) -> None:
    weights = ["--weights", trained.folder, "--arch", "auto", "--epochs", "1"]
    result = invoke("fit", castings, "--runs", tmp_path / "runs", *TINY, *weights, "--seed", "8")
    assert result.exit_code == 0, result.output
    assert "Weights: run three." in result.output
    assert "three was trained on" in result.output


def test_from_and_resume_exclude_each_other(trained: FitResult) -> None:
    result = invoke("fit", "--resume", trained.folder, "--from", trained.folder)
    assert result.exit_code == 2
    assert "--from" in result.stderr
