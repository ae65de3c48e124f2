"""``evaluate``, ``threshold``, ``gate`` and ``tta-eval`` end to end on tiny trained runs."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from helpers.cli import FitResult
from helpers.on_runs import THREE, closing, command, predictions_of
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from fastdefect.evaluation.decisions.calibration import fit_temperature
from fastdefect.events import silent
from fastdefect.files import read_csv
from fastdefect.inference.decision_rule import apply_temperature
from fastdefect.jobs.reports.gather import gather
from fastdefect.run import Run


@pytest.fixture
def run(trained: FitResult, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained.folder, tmp_path / "three"))


# ---- calibration -------------------------------------------------------------------------


def test_fit_keeps_the_temperature_of_its_validation_photos(trained: FitResult) -> None:
    valid = predictions_of(Run(trained.folder), "predictions-valid.csv")
    assert trained.json("calibration.json") == {
        "none": fit_temperature(valid.y_true, valid.y_prob).as_json()
    }


# ---- evaluate ----------------------------------------------------------------------------


@pytest.mark.usefixtures("drawn_for_real")
def test_evaluate_writes_and_prints_all_of_it(trained: FitResult, run: Run) -> None:
    predicted = run.predictions_path("valid").read_bytes()
    result = command("evaluate", run)
    for text in (
        "valid: 9 photos of 3 parts",
        "Decided by the most probable class.",
        "overkill rate",
        "calibration error",
        "Calibration",
        "The temperature fitted on validation is",
        "the escape rate is at most",
        "A claim of at most 1.0% needs",
    ):
        assert text in result.output
    for name in ("evaluation-valid.json", "evaluation-valid.png", "confusion-valid.png"):
        assert (run.folder / name).stat().st_size > 0
        assert f"Written: {run.folder / name}" in result.output
    assert run.predictions_path("valid").read_bytes() == predicted
    assert run.read_openings() == []
    kept = json.loads((run.folder / "evaluation-valid.json").read_text(encoding="utf-8"))
    metrics = trained.json("metrics.json")["valid"]
    # The most probable class is the same at any temperature.
    for name in ("f1", "escapes", "overkills", "confusion"):
        assert kept["metrics"][name] == metrics[name]
    assert kept["uncalibrated"]["log_loss"] == metrics["log_loss"]
    temperature = trained.json("calibration.json")["none"]
    assert kept["metrics"]["log_loss"] == pytest.approx(temperature["nll_after"])


def test_evaluate_gives_programs_what_it_keeps_and_repeats(run: Run) -> None:
    first = closing("evaluate", run)
    path = run.folder / "evaluation-valid.json"
    kept = path.read_bytes()
    assert first == {"event": "evaluate", **json.loads(kept)}
    path.unlink()
    assert command("evaluate", run, "--quiet").output == ""
    assert path.read_bytes() == kept


def test_the_report_has_the_figures_of_evaluate(run: Run) -> None:
    command("threshold", run, "--max-escape", "0.2", "--max-overkill", "0.1")
    command("evaluate", run)
    command("evaluate", run, "--split", "test")
    facts = gather(run, "none", 1, silent)
    assert [each.split for each in facts.measured] == ["valid", "test"]
    for measured in facts.measured:
        written = json.loads(run.path(f"evaluation-{measured.split}.json").read_text("utf-8"))
        own = {
            **measured.evaluation.as_json(),
            "sent": measured.sent.as_json() if measured.sent else None,
            "by_type": {
                column: {value: rate.as_json() for value, rate in rates.items()}
                for column, rates in measured.by_type.items()
            },
        }
        assert {name: written[name] for name in own} == json.loads(json.dumps(own))


def test_views_get_a_temperature_of_their_own(run: Run) -> None:
    found = closing("evaluate", run, "--views", "mirror")
    valid = predictions_of(run, "predictions-valid-mirror.csv")
    expected = fit_temperature(valid.y_true, valid.y_prob)
    assert run.read("calibration.json")["mirror"] == expected.as_json()
    assert found["decision"]["temperature"] == expected.value
    assert found["files"][-1].endswith("predictions-valid-mirror.csv")
    assert run.read("calibration.json").keys() == {"none", "mirror"}


def test_each_look_at_the_test_is_noted_once_and_mistakes_are_none(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for options in (
        ("--views", "random:3"),
        ("--threshold", "strict"),
        ("--device", "cuda"),
    ):
        command("evaluate", run, "--split", "test", *options, code=2)
        command("gate", run, "--split", "test", "--min", "f1=0", *options, code=2)
    command("tta-eval", run, "--split", "test", "--device", "cuda", code=2)
    command("gate", run, "--split", "test", code=2)
    point = {"views": "mirror", "temperature": 1.0, "threshold": 0.5, "high": None, "said": "x"}
    for damage in ({"threshold": 7}, {"rule": "cost"}, {"views": "gone"}):
        run.write("operating_point.json", {**point, **damage})
        damaged = command("evaluate", run, "--split", "test", code=1)
        assert "operating_point.json is damaged" in damaged.stderr
    run.write("operating_point.json", point)
    command("evaluate", run, "--split", "test", "--views", "flips", code=2)
    assert run.read_openings() == []
    run.path("operating_point.json").unlink()

    first = command("evaluate", run, "--split", "test")
    assert "test opened for the 1st time" in first.output
    second = command("gate", run, "--split", "test", "--min", "f1=0")
    assert "opened for the 2nd time" in second.output
    noted = run.read_openings()
    assert [entry["what"].partition(",")[0] for entry in noted] == ["evaluation", "evaluation"]
    assert (run.folder / "evaluation-test.json").exists()


def test_many_classes_and_the_types_of_defects_have_their_tables(
    surfaces: FitResult, tmp_path: Path
) -> None:
    run = Run(shutil.copytree(surfaces.folder, tmp_path / "many"))
    output = command("evaluate", run).output
    for text in ("By class", "Escapes by type", "deep", "macro averages over the classes"):
        assert text in output
    rows = {row["path"]: row for row in read_csv(run.path("split.csv")) if row["split"] == "valid"}
    said = predictions_of(run, "predictions-valid.csv", THREE)
    assert set(said.names) == set(rows)
    # By hand: the defects of each type (even parts are deep) that were called fine.
    kept = json.loads((run.folder / "evaluation-valid.json").read_text(encoding="utf-8"))
    passed = said.y_prob.argmax(axis=1) == 1
    for kind, odd in (("deep", 0), ("flat", 1)):
        chosen = [
            not name.startswith("fine") and int(name.split("-")[1]) % 2 == odd
            for name in said.names
        ]
        found = kept["by_type"]["type"][kind]
        assert (found["count"], found["photos"]) == (int(passed[chosen].sum()), sum(chosen))
        assert found["parts"] * 2 == found["photos"]
    assert list(kept["by_type"]) == ["type"]

    # A threshold on P(fine): what is rejected goes to its most probable defect.
    found = closing("evaluate", run, "--threshold", "0.5")
    y_prob = apply_temperature(said.y_prob, found["decision"]["temperature"])
    y_pred = np.where(1 - y_prob[:, 1] < 0.5, 1, np.where(y_prob[:, 0] >= y_prob[:, 2], 0, 2))
    macro = f1_score(said.y_true, y_pred, average="macro", zero_division=0)
    assert found["metrics"]["f1"] == pytest.approx(macro)


def test_without_a_good_class_nothing_is_passed(run: Run) -> None:
    run.write("model.json", {**run.read("model.json"), "good": None})
    found = closing("evaluate", run)
    assert (found["escape"], found["sent"], found["by_type"]) == (None, None, {})
    assert found["metrics"]["escape_rate"] is None
    assert found["estimates"]["accuracy"]["value"] == found["metrics"]["accuracy"]
    assert "needs a good class" in command("evaluate", run, "--threshold", "0.5", code=2).stderr
    assert "--good" in command("threshold", run, code=1).stderr
    # What isn't defined holds no limit.
    assert "FAILS" in command("gate", run, "--max-escape", "1", code=1).output


@pytest.mark.slow
def test_other_photos_and_their_parts_which_are_found(
    castings: Path, run: Run, tmp_path: Path
) -> None:
    others = tmp_path / "shift"
    rows = [row for row in read_csv(run.path("split.csv")) if row["split"] in ("valid", "test")]
    for number, row in enumerate(rows):
        (others / row["label"]).mkdir(parents=True, exist_ok=True)
        shutil.copy(castings / row["path"], others / row["label"] / f"{number}.jpg")
    found = closing("evaluate", run, "--data", str(others))
    assert found["split"] == "data"
    assert found["metrics"]["n"] == len(rows)
    assert found["n_parts"] < len(rows)  # nothing but the photos tells them
    assert found["opening"] == 1  # the sealed ones are among them
    assert (run.folder / "evaluation-data.json").exists()

    shutil.rmtree(others / "defect")  # a shift that made no scrap
    alone = command("evaluate", run, "--data", str(others))
    assert "0 of 0 photos, 0 parts" in alone.output
    assert "To claim" not in alone.output


# ---- threshold ---------------------------------------------------------------------------


def test_what_was_chosen_decides_and_is_checked_on_the_test(run: Run) -> None:
    result = command("threshold", run, "--max-escape", "0")
    for text in ("Operating point: escape rate of at most 0%", "Saved: ", "--split test"):
        assert text in result.output
    point = json.loads(run.path("operating_point.json").read_text(encoding="utf-8"))
    found = closing("evaluate", run)
    assert found["decision"]["threshold"] == point["threshold"]
    assert found["decision"]["rule"] == "escape rate of at most 0%"
    for name in ("escapes", "overkills"):
        assert found["metrics"][name] == point["tally"][name]
    assert run.read_openings() == []
    assert closing("evaluate", run, "--split", "test")["decision"] == found["decision"]


def test_costs_are_drawn_and_a_band_sends_photos_to_people(run: Run) -> None:
    costs = ("--cost-escape", "500", "--cost-overkill", "5", "--defect-rate", "0.02")
    assert closing("threshold", run, *costs)["rule"] == "cost"
    command("evaluate", run)
    # The scores of a model that knows nothing overlap: no threshold holds both limits.
    chosen = closing(
        "threshold", run, "--max-escape", "0", "--max-overkill", "0",
        "--defect-rate", "0.02", "--parts-per-day", "800",
    )  # fmt: skip
    assert chosen["threshold"] < chosen["high"]
    assert chosen["load"]["parts_per_day"] == 800
    output = command("evaluate", run).output
    for text in ("OK, review, reject", "count as rejected here", "escapes without review"):
        assert text in output


def test_a_promise_too_large_keeps_nothing(run: Run) -> None:
    options = ("--max-escape", "0.01", "--confidence", "0.95")
    result = command("threshold", run, *options, code=1)
    assert "can't support an escape rate of at most 1% with 95% confidence" in result.stderr
    assert "that takes 299" in result.stderr
    assert not run.path("operating_point.json").exists()
    error = closing("threshold", run, *options, code=1)
    assert error["event"] == "error"
    assert "299" in error["message"]


@pytest.mark.parametrize(
    "options",
    [
        ("--confidence", "0.95"),
        ("--max-escape", "0", "--confidence", "0.95"),
        ("--max-escape", "1", "--confidence", "0.95"),
        ("--max-escape", "5"),
        ("--max-escape", "nan"),
        ("--cost-escape", "500"),
        ("--cost-escape", "500", "--cost-overkill", "5"),
        ("--cost-escape", "inf", "--cost-overkill", "5", "--defect-rate", "0.02"),
        ("--cost-escape", "-1", "--cost-overkill", "5", "--defect-rate", "0.02"),
        ("--defect-rate", "0.02"),
        ("--parts-per-day", "100"),
        ("--views", "random:3"),
    ],
)
def test_contradictory_criteria_end_with_2(trained: FitResult, options: tuple[str, ...]) -> None:
    command("threshold", Run(trained.folder), *options, code=2)
    assert not Run(trained.folder).path("operating_point.json").exists()


# ---- gate --------------------------------------------------------------------------------


def test_the_gate_passes_or_shows_what_failed(run: Run) -> None:
    open_ = command("gate", run, "--max-escape", "1", "--min", "f1=0", "--max", "brier=1")
    assert open_.output.count("holds") == 3
    assert "Judged by the value." in open_.output
    # On three parts the bad end of an escape rate goes beyond 30 %, whatever it is.
    junit = run.folder / "gate.xml"
    options = ("--max-escape", "0.3", "--at", "upper", "--junit", str(junit))
    shut = closing("gate", run, *options, code=1)
    assert (shut["event"], shut["at"], shut["passed"]) == ("gate", "upper", False)
    (check,) = shut["checks"]
    assert (check["metric"], check["holds"]) == ("escape_rate", False)
    assert check["estimate"]["interval"][1] > 0.3
    (case,) = ElementTree.parse(junit).findall("*/testcase")
    assert case.get("name") == "escape_rate at most 0.3"
    assert "split valid" in str(case.findtext("failure"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Expected at least one limit"),
        (("--min", "speed=1"), "unknown metric 'speed'"),
        (("--min", "escape_rate=0.1"), "--max escape_rate=0.1"),
        (("--max", "escape_rate=5"), "0.05 is 5 %"),
        (("--min", "f1=nan"), "METRIC=NUMBER"),
        (("--max-escape", "nan"), "--max-escape"),
    ],
)
def test_limits_that_make_no_sense_end_with_2(
    trained: FitResult, options: tuple[str, ...], said: str
) -> None:
    assert said in command("gate", Run(trained.folder), *options, code=2).stderr


# ---- tta-eval ----------------------------------------------------------------------------


def test_tta_eval_shows_changed_decisions_by_photo_and_by_part(run: Run) -> None:
    output = command("tta-eval", run, "--views", "half-turn").output
    before, after = (
        predictions_of(run, name)
        for name in ("predictions-valid.csv", "predictions-valid-half-turn.csv")
    )
    part_of = {row["path"]: row["part"] for row in read_csv(run.path("split.csv"))}
    change = (after.y_prob.argmax(axis=1) == after.y_true).astype(int) - (
        before.y_prob.argmax(axis=1) == before.y_true
    )
    of_parts = dict.fromkeys((part_of[name] for name in before.names), 0)
    for name, more in zip(before.names, change, strict=True):
        of_parts[part_of[name]] += int(more)
    for what, changes in (("photos", list(change)), ("parts", list(of_parts.values()))):
        right, wrong = sum(c > 0 for c in changes), sum(c < 0 for c in changes)
        p_value = binomtest(right, right + wrong).pvalue if right + wrong else 1.0
        (line,) = [line for line in output.splitlines() if f"{what} that changed" in line]
        assert f"{right} wrong became right, {wrong} right became wrong (p {p_value:.2g})" in line
    photos = json.loads((run.folder / "tta.json").read_text(encoding="utf-8"))["valid"]
    assert photos["half-turn"]["mcnemar"]["n"] == 9
