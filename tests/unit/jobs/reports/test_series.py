"""The report of runs with several trainings, which were never trained."""

import html
import json
import re
from pathlib import Path

import pytest
from helpers.folders import castings_of
from helpers.made_runs import made_run, split_row

from fastdefect.errors import RunError
from fastdefect.evaluation.evaluate import evaluate
from fastdefect.events import silent
from fastdefect.jobs.report import leave_report, report
from fastdefect.jobs.reports.gather import gather
from fastdefect.reporting.html.facts import leaked_by_plain_split
from fastdefect.run import Run, RunKind

_HISTORY = [
    {"epoch": n, "valid_loss": 1 / n, "train_loss": 1 / n, "gap": 0.1, "seconds": 1} for n in (1, 2)
]


def _series(folder: Path, kind: RunKind, final: str = "none") -> Run:
    """Eight parts of two photos in two folds, with one escape; two more parts are the test."""
    castings = castings_of(8, 2)
    rows = [split_row(name, part) for name, _, part in castings]
    p_defect = {row["path"]: 0.9 if row["label"] == "defect" else 0.1 for row in rows}
    p_defect[rows[0]["path"]] = 0.3
    test = [split_row(f"good/t{i}.png", f"t{i}", "test") for i in range(2)]
    run = made_run(folder / "runs", "several", [*rows, *test], p_defect, data=folder / "nowhere")
    run.update_state(kind=kind, status="finished")
    text = run.path("config.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^final = .*$", f'final = "{final}"', text)
    run.path("config.toml").write_text(text, encoding="utf-8")
    folds = [{**row, "split": "train", "fold": str(1 + (i // 2) % 2)} for i, row in enumerate(rows)]
    if kind == RunKind.CROSS_VALIDATION or final != "none":
        columns = ("path", "label", "part", "split", "sha256", "fold")
        every = [*folds, *({**row, "fold": ""} for row in test)]
        run.write("folds.csv", [{name: row[name] for name in columns} for row in every])
    for number in (1, 2):
        name = (
            f"member-{number}" if kind == RunKind.ENSEMBLE and final == "none" else f"fold-{number}"
        )
        inside = made_run(run.folder, name, rows, p_defect)
        inside.write("history.csv", _HISTORY, tuple(_HISTORY[0]))
        inside.put("metrics.json", "valid", {"f1": 0.5 + number / 10})
    (run.folder / "latest").unlink()
    return run


@pytest.fixture
def crossed(tmp_path: Path) -> Run:
    """A cross-validation of two folds."""
    run = _series(tmp_path, RunKind.CROSS_VALIDATION)
    run.predictions_path("valid").rename(run.predictions_path("oof"))
    for name in ("model.json", "model.safetensors", "split.csv", "history.csv", "calibration.json"):
        run.path(name).unlink()
    return run


def _page(run: Run) -> str:
    made = report(run, on_event=silent, photos="none")
    return html.unescape(made.path.read_text(encoding="utf-8"))


def test_a_cross_validation_is_judged_by_its_held_out_photos(crossed: Run) -> None:
    page = _page(crossed)
    assert "On 16 out-of-fold photos of 8 parts outside the training" in page
    assert "passed 1 of 4 defective parts" in page
    assert "nothing was chosen on them. The run has no model" in page
    assert "2 test photos are still sealed." in page
    measured = gather(crossed, "none", 9, silent).measured
    assert [each.split for each in measured] == ["oof"]
    decided = measured[0].decided
    expected = evaluate(decided.raw, decided.parts, y_pred=decided.y_pred, seed=0)
    assert measured[0].evaluation.as_json() == expected.as_json()


def test_no_command_that_needs_a_model_is_proposed_for_a_cross_validation(crossed: Run) -> None:
    page = _page(crossed)
    assert set(re.findall(r"<code>fastdefect (\S+)", page)) == {"audit"}
    assert re.findall(r'<section id="(\w+)"', page) == [
        *("verdict", "figures", "decide", "photos", "data", "training", "calibration", "labels"),
        *("card", "record"),
    ]
    assert "fastdefect fit --final folds makes a model of such networks" in page


def test_each_fold_has_its_figures_and_its_curves(crossed: Run) -> None:
    facts = gather(crossed, "none", 9, silent)
    assert facts.compared is not None
    assert [row[:2] for row in facts.compared.rows] == [
        ("fold 1", "8 (4)"),
        ("fold 2", "8 (4)"),
        ("mean of the folds", "-"),
        ("sd of the folds", "-"),
        ("all together", "16 (8)"),
    ]
    whole = dict(zip(facts.compared.columns, facts.compared.rows[-1], strict=True))
    assert whole["escape rate"] == "12.50%"  # 1 of 8 defective photos
    page = _page(crossed)
    assert page.count("<summary>fold-") == 2
    assert "Validation loss of each training by epoch, one line for each of 2 trainings." in page
    assert ">fold 1</th>" in page


def test_photos_are_counted_by_fold_and_leaks_between_folds_are_none(crossed: Run) -> None:
    facts = gather(crossed, "none", 9, silent)
    assert {row["fold"] for row in facts.rows} == {"1", "2", ""}
    assert "all photos of a part are in the same split" in _page(crossed)
    # Of 16 photos in two folds of 8, the other photo of a part is in the other fold in 8 of 15.
    pool = [row for row in facts.rows if row["fold"]]
    assert leaked_by_plain_split(pool) == pytest.approx(16 * 8 / 15)


def test_an_unfinished_cross_validation_says_how_to_go_on(crossed: Run) -> None:
    crossed.predictions_path("oof").unlink()
    assert leave_report(crossed, silent) is None
    assert f"fastdefect fit --resume {crossed.folder}" in _page(crossed)
    crossed.fold(1).path("model.safetensors").unlink()
    with pytest.raises(RunError, match="no fold is finished"):
        _page(crossed)


def test_final_says_that_each_photo_is_decided_by_a_network_that_never_saw_it(
    tmp_path: Path,
) -> None:
    run = _series(tmp_path, RunKind.ENSEMBLE, final="folds")
    page = _page(run)
    assert "decided by the network that never trained on its part. No epoch was chosen" in page
    assert "the best epoch, the temperature" not in page
    assert "16 photos of 8 parts in train" in page  # in the model card
    facts = gather(run, "none", 9, silent)
    assert (facts.making, facts.has_model, facts.is_out_of_fold) == ("final", True, True)
    assert facts.compared is not None
    assert facts.compared.rows[0][:2] == ("fold 1", "8 (4)")


def test_members_are_compared_with_their_average(tmp_path: Path) -> None:
    run = _series(tmp_path, RunKind.ENSEMBLE)
    run.put("metrics.json", "valid", {"f1": 0.75})
    facts = gather(run, "none", 9, silent)
    assert facts.compared is not None
    assert [row[:2] for row in facts.compared.rows] == [
        ("member-1", "0.6000"),
        ("member-2", "0.7000"),
        ("the model, their average", "0.7500"),
    ]
    page = _page(run)
    assert "the best epoch, the temperature and the threshold were chosen on them" in page
    assert page.count("<summary>member-") == 2


def test_a_report_that_is_left_names_its_file(crossed: Run) -> None:
    assert leave_report(crossed, silent) == crossed.path("report.html")
    assert (
        json.loads(crossed.path("run.json").read_text(encoding="utf-8"))["kind"]
        == "cross-validation"
    )
