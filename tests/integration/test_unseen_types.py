"""``evaluate --unseen-types`` end to end: trainings without a type, kept in the run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Result, invoke, run_fit
from helpers.folders import photo_folder

from fastdefect.files import read_csv
from fastdefect.jobs.series.series import SeriesReport
from fastdefect.jobs.unseen import trainings
from fastdefect.run import Run, RunStatus


def _evaluate(run: Run, *options: str, code: int = 0) -> Result:
    result = invoke(
        "evaluate", str(run.folder), "--device", "cpu", "--unseen-types", "--json", *options
    )
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


def _closing(result: Result) -> dict[str, Any]:
    last: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return last


KINDS = ("burr", "crack")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Any]:
    """A run with one class of defects, whose types are in a column, and what it prints.

    Some parts show a type on one photo, and are good on the other.
    """
    folder = tmp_path_factory.mktemp("kinds")
    run = _fit_kinds(folder)
    return run, _closing(_evaluate(run))


def _fit_kinds(folder: Path, *flags: str) -> Run:
    rows = [
        (f"{part}-{shot}.png", *label_and_kind, f"part {part}")
        for part in range(24)
        for shot in range(2)
        for label_and_kind in [("ok", "") if part % 3 == 0 or shot > part % 4 else
                               ("bad", KINDS[part % 2])]
    ]  # fmt: skip
    photo_folder(folder / "photos", rows, "defect", "part")
    options = ("--good", "ok", "--epochs", "1", "--image-size", "32", "--test", "0.2")
    fit = run_fit(folder / "photos", folder / "runs", "--valid", "0.3", *options, *flags)
    return Run(fit.folder)


def _sides(run: Run) -> dict[str, dict[str, str]]:
    return {row["path"]: row for row in read_csv(run.path("split.csv"))}


def test_a_training_without_a_type_has_neither_its_photos_nor_its_parts(
    measured: tuple[Run, Any],
) -> None:
    run, closing = measured
    table = run.read_config().data.data / "photos.csv"
    kind_of = {row["path"]: row["defect"] for row in read_csv(table)}
    found = closing["unseen_types"]
    assert found["column"] == "defect"
    assert [each["name"] for each in found["types"]] == list(KINDS)
    for each in found["types"]:
        own = run.member("unseen-types").member(f"without-{each['name']}")
        before, after = _sides(run), _sides(own)
        of_type = {name for name, kind in kind_of.items() if kind == each["name"]}
        parts = {before[name]["part"] for name in of_type}
        for name, row in after.items():
            if name in of_type:
                assert row["split"] in ("unused", "test")
            elif row["split"] == "train":
                assert row["part"] not in parts
        lost = {name for name in after if before[name]["split"] != after[name]["split"]}
        assert each["left_out"] == len(lost)
        assert own.read_config().training == run.read_config().training


def test_finished_trainings_are_kept_and_serve_the_test(measured: tuple[Run, Any]) -> None:
    run, closing = measured
    times = {m.name: m.path("model.safetensors").stat().st_mtime_ns for m in _members(run)}
    again = _evaluate(run)
    assert "nothing to train" in again.stdout
    assert _closing(again)["unseen_types"] == closing["unseen_types"]
    assert run.read("unseen-valid.json") == closing["unseen_types"]
    assert _closing(_evaluate(run, "--split", "test"))["opening"] == 1
    assert len(run.read_openings()) == 1
    assert times == {m.name: m.path("model.safetensors").stat().st_mtime_ns for m in _members(run)}
    assert run.members() == []  # the series inside is no network of the run


def test_the_report_has_a_section(measured: tuple[Run, Any]) -> None:
    run, _ = measured
    assert invoke("report", str(run.folder), "--photos", "none").exit_code == 0
    text = run.path("report.html").read_text(encoding="utf-8")
    assert "Types of defect not seen in training" in text
    run.write("unseen-valid.json", {"types": []})
    broken = invoke("report", str(run.folder), "--photos", "none")
    assert broken.exit_code == 1
    assert "Write it again with: fastdefect evaluate" in broken.stderr


def _members(run: Run) -> list[Run]:
    return run.member("unseen-types").members()


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of three classes; all photos of the dents are in train."""
    folder = tmp_path_factory.mktemp("surfaces")
    rows = [
        (
            f"{label}-{part}-{shot}.png",
            label,
            f"{label} {part}",
            "train" if part else "valid",
            "" if label == "fine" else label,
        )
        for label in ("Crack", "crack-2", "fine", "dent")
        for part in range(4)
        for shot in range(2)
        if part or label != "dent"
    ]
    photo_folder(folder / "photos", rows, "part", "split", "kind")
    options = ("--good", "fine", "--epochs", "1", "--image-size", "32", "--test", "0")
    return Run(run_fit(folder / "photos", folder / "runs", "--name", "many", *options).folder)


def test_a_class_that_is_left_out_is_no_class_of_the_training(surfaces: Run) -> None:
    closing = _closing(_evaluate(surfaces))
    types = {t["name"]: t for t in closing["unseen_types"]["types"]}
    assert list(types) == ["Crack", "crack-2", "dent"]
    for name in types:
        own = surfaces.member("unseen-types").member(f"without-{name}")
        assert set(own.read("model.json")["classes"]) == {"Crack", "crack-2", "fine", "dent"} - {
            name
        }
        assert name not in {row["label"] for row in _sides(own).values()}
    assert (types["dent"]["scored_on"], types["dent"]["known"]) == ("train", None)
    assert types["dent"]["unseen"]["escape"]["photos"] == 6
    assert types["Crack"]["unseen"]["escape"]["photos"] == 2
    for name in ("Crack", "crack-2"):  # the run itself, as in its own table
        assert types[name]["known"]["escape"] == closing["by_type"]["kind"][name]


def test_an_interrupted_series_is_continued_by_the_same_command(
    surfaces: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(surfaces.member("unseen-types").member("without-dent").folder)
    with monkeypatch.context() as patch:

        def stopped(series: Any, budget: Any) -> SeriesReport:
            left = tuple(series.members[-1:])
            return SeriesReport(series.parent, RunStatus.INTERRUPTED, (), (), left, 90.0)

        patch.setattr(trainings, "run_series", stopped)
        result = _evaluate(surfaces, code=130)
    assert "remaining, about 2 min: without-dent. Nothing was measured." in result.stderr
    assert f"fastdefect evaluate {surfaces.folder} --unseen-types" in result.stderr
    assert "2 of 3 trainings are finished and kept" in _evaluate(surfaces).stdout


def test_what_can_not_be_left_out_is_refused(
    surfaces: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(shutil.copytree(surfaces.folder, tmp_path / "copy"))
    config = run.path("config.toml").read_text(encoding="utf-8")
    run.path("config.toml").write_text(
        config.replace('weights = "none"', f'weights = "{surfaces.folder.as_posix()}"'), "utf-8"
    )
    assert "may have seen the types" in _evaluate(run, code=2).stderr
    model = run.read("model.json")
    run.path("config.toml").write_text(config, "utf-8")
    run.write("model.json", {**model, "good": None})
    assert "need a good class" in _evaluate(run, code=1).stderr


def test_a_run_of_good_parts_alone_needs_no_training(
    measured: tuple[Run, Any], tmp_path: Path
) -> None:
    data = measured[0].read_config().data.data
    options = ("--good", "ok", "--learn", "good", "--image-size", "32", "--valid", "0.3")
    run = Run(run_fit(data, tmp_path / "runs", *options).folder)
    closing = _closing(_evaluate(run))
    found = closing["unseen_types"]
    assert found["of_good"]
    assert {each["name"]: each["known"] for each in found["types"]} == dict.fromkeys(KINDS)
    for each in found["types"]:
        assert each["unseen"]["escape"] == closing["by_type"]["defect"][each["name"]]
    mean = sum(each["unseen"]["escape"]["value"] for each in found["types"]) / len(KINDS)
    assert found["mean"] == {"unseen": {**found["mean"]["unseen"], "escape": pytest.approx(mean)}}
    assert not run.member("unseen-types").folder.exists()
    shown = " ".join(invoke("evaluate", str(run.folder), "--unseen-types").output.split())
    assert "The run has learned from good parts alone: it has seen no type." in shown


def test_each_product_can_be_learned_from_its_good_parts(tmp_path: Path) -> None:
    rows = [
        (f"{product}-{part}.png", "ok" if part < 9 else "bad", product)
        for product in ("axle", "cover")
        for part in range(12)
    ]
    data = photo_folder(tmp_path / "photos", rows, "product")
    options = ("--good", "ok", "--learn", "good", "--image-size", "32", "--parts", "none")
    runs = tmp_path / "runs"
    run_fit(data, runs, "--name", "each", "--each-product", "--valid", "0.3", *options)
    assert [run.name for run in Run(runs / "each").members()] == ["axle", "cover"]


@pytest.mark.slow
def test_of_a_joint_model_each_half_is_measured(tmp_path: Path) -> None:
    run = _fit_kinds(tmp_path, "--learn", "both")
    result = _evaluate(run)
    for each in _closing(result)["unseen_types"]["types"]:
        alone = each["unseen"]["by_half"]
        assert set(alone) == {"classifier", "memory"}
        assert each["unseen"]["escape"]["count"] <= min(half["count"] for half in alone.values())
        own = Run(run.member("unseen-types").member(f"without-{each['name']}").folder)
        assert own.read("model.json")["memory"]
