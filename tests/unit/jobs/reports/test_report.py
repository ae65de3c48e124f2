"""The report of runs that were never trained."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.folders import castings_of, photo_folder
from helpers.heat_maps import heat_maps
from helpers.made_runs import made_run, split_row

from fastdefect.errors import RunError, UsageError
from fastdefect.evaluation.by_half import DecidedByHalves, measure_halves
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv
from fastdefect.jobs.report import leave_report, report
from fastdefect.jobs.reports.gather import gather
from fastdefect.reporting.html.facts import leaked_by_plain_split
from fastdefect.reporting.html.sections.record import fingerprint
from fastdefect.run import Run

SAID = {"good/1-0.png": 0.7, "defect/0-1.png": 0.2, "good/3-0.png": 0.45}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Eight parts of two photos in validation: one escape, one overkill, one that is unsure."""
    return _run(tmp_path)


def _run(folder: Path, **said: float) -> Run:
    castings = castings_of(8, 2)
    data = photo_folder(folder / "data", castings, "part")
    rows = [split_row(name, part) for name, _, part in castings]
    usual = {row["path"]: 0.95 if row["label"] == "defect" else 0.05 for row in rows}
    p_defect = {**usual, **SAID, **said}
    rows += [split_row(f"good/t{i}.png", f"t{i}", "train") for i in range(4)]
    rows += [split_row(f"defect/s{i}.png", f"s{i}", "test") for i in range(3)]
    return made_run(folder / "runs", "one", rows, p_defect, data=data)


def _page(run: Run, **options: Any) -> str:
    return report(run, on_event=silent, **options).path.read_text(encoding="utf-8")


def _data(page: str) -> Any:
    found = re.search(r'(?s)id="page-data">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1], parse_constant=pytest.fail)


def test_the_page_has_every_section_and_the_verdict(run: Run) -> None:
    page = _page(run)
    titles = re.findall(r'<section id="(\w+)"', page)
    assert titles[:4] == ["verdict", "figures", "decide", "photos"]
    assert len(titles) == 12
    assert "passed 1 of 4 defective parts as good" in page
    assert page.count('<p class="lead">') == 3
    assert "3 test photos are still sealed." in page
    assert '<th scope="col">validation</th>' in page
    assert '<th scope="col">valid</th>' not in page


def test_the_scores_and_decisions_of_the_sliders_are_those_of_the_run(run: Run) -> None:
    run.write("operating_point.json", _band(0.4, 0.6))
    data = _data(_page(run))
    valid = data["splits"]["valid"]
    facts = gather(run, "none", 10, silent)
    decided = facts.measured[0].decided
    assert valid["score"] == decided.score.tolist()
    assert valid["verdict"] == list(decided.verdicts)
    assert set(valid["verdict"]) == {"OK", "look", "reject"}
    assert data["kept"] == {"low": 0.4, "high": 0.6}
    assert list(data["splits"]) == ["valid"]


def _band(low: float, high: float) -> dict[str, Any]:
    return {"views": "none", "temperature": 1.0, "threshold": low, "high": high, "said": "a band"}


def test_the_figures_are_those_of_evaluate(run: Run) -> None:
    from fastdefect.evaluation.evaluate import evaluate

    run.write("operating_point.json", _band(0.4, 0.4))
    measured = gather(run, "none", 10, silent).measured[0]
    decided = measured.decided
    y_pred = np.where(decided.score < 0.4, 1, 0)
    expected = evaluate(decided.predictions, decided.parts, y_pred=y_pred, seed=0)
    assert measured.evaluation.as_json() == expected.as_json()


MISSING = "What the classifier and the memory reject alone is not measured"


@pytest.fixture
def joint(run: Run) -> Run:
    """The run as a joint model whose classifier decides on every photo, and ``evaluate`` ran."""
    run.write("model.json", {**run.read("model.json"), "memory": True})
    run.write("operating_point.json", _band(0.4, 0.4))
    facts = gather(run, "none", 10, silent)
    assert facts.rule is not None
    (found,) = facts.measured
    decided = found.decided
    passes = np.stack([decided.raw.y_prob, np.tile([0.0, 1.0], (len(decided.parts), 1))], axis=1)
    halves = DecidedByHalves(decided.raw, passes, facts.rule, decided.parts, ())
    by_half = {name: each.as_json() for name, each in measure_halves(halves, {}).items()}
    kept = {"decision": facts.rule.as_json(), "by_half": by_half}
    run.write("evaluation-valid.json", kept)
    return run


def test_the_halves_of_a_joint_model_are_those_that_evaluate_kept(joint: Run) -> None:
    page = _page(joint)
    assert "By half of the joint model" in page
    assert MISSING not in page
    (found,) = gather(joint, "none", 10, silent).measured
    escapes = {
        name: (each.escape.count, each.escape.photos) for name, each in found.by_half.items()
    }
    assert escapes == {"classifier": (1, 8), "memory": (8, 8), "either": (1, 8)}


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.path("evaluation-valid.json").unlink(),
        lambda run: run.write("operating_point.json", _band(0.6, 0.6)),
        lambda run: run.write_predictions(
            "valid", _other_truth(run), list(_other_truth(run)[0]), "none"
        ),
    ],
    ids=["not evaluated", "another threshold", "other labels"],
)
def test_figures_of_halves_that_are_not_of_now_are_not_shown(
    joint: Run, change: Callable[[Run], Any]
) -> None:
    change(joint)
    page = _page(joint)
    assert "By half of the joint model" not in page
    assert MISSING in page
    assert f"fastdefect evaluate {joint.folder}" in page


def _other_truth(run: Run) -> list[dict[str, str]]:
    """The predictions of validation, after the label of an escape was corrected."""
    rows = read_csv(run.predictions_path("valid", "none"))
    return [{**row, "label": "good"} if row["path"] == "defect/0-1.png" else row for row in rows]


def test_damaged_figures_of_halves_name_the_command(joint: Run) -> None:
    joint.write("evaluation-valid.json", {"by_half": {"memory": {}}})
    with pytest.raises(
        RunError, match=r"evaluation-valid.json is damaged: KeyError\('escape'\)"
    ) as it:
        gather(joint, "none", 10, silent)
    assert "fastdefect evaluate" in (it.value.hint or "")


def test_the_wrong_and_the_least_sure_photos_come_first_with_pictures(run: Run) -> None:
    shown = gather(run, "errors", 100, silent).pictures.cards
    outcomes = [card.outcome for card in shown]
    assert outcomes == ["escape", "overkill", *["right"] * 14]
    assert all(card.picture.startswith("data:image/jpeg;base64,") for card in shown)
    right = [card.unsure for card in shown if card.outcome == "right"]
    assert right == sorted(right)
    assert _page(run, heat_maps=False).count('<img src="data:image/jpeg') == 16


def test_heat_maps_are_optional_and_over_the_photo(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastdefect.jobs.trained.heat_maps.heat_maps", heat_maps)
    shown = gather(run, "errors", 100, silent).pictures.cards
    assert [card.has_heat_maps for card in shown] == [True, *[False] * (len(shown) - 1)]
    assert 'class="map" src="data:image/png;base64,' in _page(run)
    assert 'class="map"' not in _page(run, heat_maps=False)


def test_without_a_network_there_are_no_heat_maps_and_a_warning(run: Run) -> None:
    events: list[Event] = []
    shown = gather(run, "errors", 100, events.append).pictures.cards
    assert not any(card.has_heat_maps for card in shown)
    (warning,) = (each for each in events if isinstance(each, Note))
    assert warning.text.startswith("Some photos of the report have no heat map. ")


def test_a_short_list_says_so(run: Run) -> None:
    made = report(run, on_event=silent, most=2)
    assert (made.photos, made.pictures) == (2, 2)
    page = made.path.read_text()
    assert "Only the 2 most important of 16 photos are listed. This command lists more:" in page
    assert f"<code>fastdefect report {run.folder}</code>" in page


def test_photos_none_leaves_every_picture_out(run: Run) -> None:
    made = report(run, on_event=silent, photos="none")
    page = made.path.read_text()
    assert made.pictures == 0
    assert made.photos > 0
    assert "<img" not in page
    assert "(--photos none)" in page


def test_photos_that_cannot_be_read_are_not_photos_that_were_left_out(run: Run) -> None:
    paths = sorted(run.read_config().data.data.rglob("*.png"))
    paths[0].write_bytes(b"no photo")
    assert "1 photo without a picture: not found, or not readable." in _page(run)
    for path in paths[1:]:
        path.write_bytes(b"no photo")
    page = _page(run)
    assert "The photos can&#39;t be read." in page
    assert "(--photos none)" not in page


def test_photos_that_are_gone_leave_a_line_and_the_list(run: Run) -> None:
    for path in run.read_config().data.data.rglob("*.png"):
        path.unlink()
    page = _page(run)
    assert "The photos were not found" in page
    assert "<img" not in page
    assert "data-outcome" in page


def test_the_sealed_test_is_in_the_page_only_after_evaluate_opened_it(run: Run) -> None:
    rows = [{"path": "defect/s0.png", "label": "defect", "predicted": "good"}]
    rows[0] |= {"p_defect": "0.3", "p_good": "0.7"}
    run.write_predictions("test", rows, list(rows[0]), "none")
    assert [each.split for each in gather(run, "none", 9, silent).measured] == ["valid"]
    assert run.read_openings() == []
    run.write("evaluation-test.json", {})
    facts = gather(run, "none", 9, silent)
    assert [each.split for each in facts.measured] == ["valid", "test"]
    assert facts.judged is not None
    assert facts.judged.split == "test"


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("predictions-valid.csv", "fastdefect evaluate "),
        ("split.csv", "0 photos"),
        ("model.safetensors", ""),
    ],
)
def test_a_missing_file_is_a_line(run: Run, missing: str, line: str) -> None:
    run.path(missing).unlink()
    if missing == "model.safetensors":
        with pytest.raises(RunError, match="has no model yet"):
            report(run, on_event=silent)
    else:
        assert line in _page(run)


def test_a_run_without_a_good_class_has_a_verdict_and_no_sliders(tmp_path: Path) -> None:
    rows = [split_row(f"{label}/{i}.png", f"{label}{i}") for label in "ab" for i in range(3)]
    p_first = {row["path"]: 0.8 if row["label"] == "a" else 0.4 for row in rows}
    run = made_run(tmp_path, "two", rows, p_first, classes=("a", "b"), good=None)
    page = _page(run)
    assert "classified 6 of 6 validation photos of 6 parts correctly" in page
    assert 'id="decide-panel"' not in page


def test_the_labels_in_doubt_are_listed(tmp_path: Path) -> None:
    name = castings_of(8, 2)[0][0]
    run = _run(tmp_path, **{name: 0.99 if name.startswith("good") else 0.01})
    facts = gather(run, "errors", 100, silent)
    assert facts.suspects
    assert name in _page(run)


def test_the_run_before_is_compared_on_the_shared_photos(run: Run, tmp_path: Path) -> None:
    before = _run(tmp_path / "before")
    run.update_state(from_run=before.folder.as_posix())
    page = _page(run)
    assert "on the 16 validation photos that both runs held out" in page
    before.path("predictions-valid.csv").unlink()
    assert "has no predictions to compare" in _page(run)


def test_out_names_the_file(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "here.html"
    assert report(run, on_event=silent, out=out).path == out
    assert out.exists()
    assert not run.path("report.html").exists()
    with pytest.raises(UsageError, match="--out"):
        report(run, on_event=silent, out=tmp_path / "here.pdf")


def test_a_report_that_fails_does_not_spoil_a_training(run: Run) -> None:
    events: list[Event] = []
    run.path("predictions-valid.csv").write_text("path\nx\n")
    assert leave_report(run, events.append) is None
    assert [e.level for e in events if isinstance(e, Note)] == ["warning"]
    run.path("model.safetensors").unlink()
    assert leave_report(run, silent) is None


def test_the_fingerprint_depends_on_the_photos_alone() -> None:
    rows = [split_row(f"good/{i}.png", str(i)) for i in range(3)]
    assert fingerprint(rows) == fingerprint([{**row, "path": "x"} for row in reversed(rows)])
    assert fingerprint(rows) != fingerprint(rows[1:])


def test_the_leaks_of_a_plain_split_are_those_of_simulated_ones() -> None:
    sizes = [3, 3, 2, 2, 1, 1, 4]
    parts = np.repeat(np.arange(len(sizes)), sizes)
    splits = ["train"] * 10 + ["valid"] * 6
    rows = [{"part": str(part), "split": split} for part, split in zip(parts, splits, strict=True)]
    rng, leaked = np.random.default_rng(0), []
    for _ in range(4000):
        drawn = rng.permutation(parts)
        leaked.append(np.isin(drawn[10:], drawn[:10]).sum())
    assert leaked_by_plain_split(rows) == pytest.approx(np.mean(leaked), abs=0.1)
    assert leaked_by_plain_split(rows[:1]) == 0


def test_a_run_that_decides_on_parts_is_judged_by_parts(run: Run) -> None:
    point = {"views": "none", "temperature": 1.0, "threshold": 0.5, "high": None, "said": "hand"}
    run.write("operating_point.json", {**point, "rule": "f1", "part_rule": "mean"})
    page = _page(run)
    # The mean hides the photo that is missed, and the one that is wrongly rejected.
    assert "passed 0 of 4 defective parts as good" in page
    assert "It rejected 0 of 4 good parts" in page
    assert "the mean score of its photos (mean)" in page
    scores = _data(page)["splits"]["valid"]
    assert len(scores["score"]) == 8
    assert scores["part"] == list(range(8))
    assert scores["score"][0] == pytest.approx((0.95 + 0.2) / 2)
