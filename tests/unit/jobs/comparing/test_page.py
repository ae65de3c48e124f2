"""The page of a comparison of runs that were never trained."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers.compared import CASTINGS, RIGHT, ROWS, compare_in
from helpers.folders import photo_folder
from helpers.heat_maps import heat_maps
from helpers.made_runs import made_run, split_row

from fastdefect.errors import UsageError
from fastdefect.jobs.comparing.page import ComparePage
from fastdefect.reporting.tables.fit import change_text, metric_text
from fastdefect.run import Run

DEFECTS = [row["path"] for row in ROWS[:32] if row["label"] == "defect"]
GOOD = [row["path"] for row in ROWS[:32] if row["label"] == "good"]
BEFORE = {DEFECTS[0]: 0.2, GOOD[0]: 0.8, GOOD[1]: 0.8}  # an escape, and an overkill of a part
AFTER = {DEFECTS[0]: 0.3, DEFECTS[5]: 0.4, GOOD[0]: 0.9}  # one more escapes, one is mended


@pytest.fixture(autouse=True)
def no_heat_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of these runs can't be read, and only heat maps need them."""
    monkeypatch.setattr("fastdefect.jobs.trained.heat_maps.heat_maps", lambda *asked: {})


def _runs(folder: Path, *said: Mapping[str, float], photos: bool = True) -> list[Run]:
    data = folder / "data"
    if photos and not data.exists():
        photo_folder(data, CASTINGS, "part")
    return [
        made_run(folder / "runs", f"run-{number}", ROWS, {**RIGHT, **changes}, data=data)
        for number, changes in enumerate(said)
    ]


def _page(folder: Path, runs: list[Run], photos: Any = "errors") -> tuple[str, dict[str, Any]]:
    """The page, and the JSON of the command."""
    page = ComparePage(folder / "page.html", photos)
    report = compare_in(folder / "out", *runs, page=page)
    assert report.page == page.path
    assert page.path in report.files
    written = json.loads((folder / "out" / "compare.json").read_text(encoding="utf-8"))
    assert written["report"] == str(page.path)
    return page.path.read_text(encoding="utf-8"), written


def _cards(page: str) -> list[dict[str, str]]:
    items = re.findall(r"<li (data-outcome=[^>]*)>", page)
    return [dict(re.findall(r'data-([\w]+)="([^"]*)"', item)) for item in items]


def test_the_page_has_every_section_and_three_sentences(tmp_path: Path) -> None:
    page, _ = _page(tmp_path, _runs(tmp_path, BEFORE, AFTER))
    assert re.findall(r'<section id="(\w+)"', page) == [
        *("verdict", "differences", "changes", "types", "flips", "points", "judged", "record")
    ]
    assert page.count('<p class="lead">') == 3
    assert "can&#39;t prove a difference of run-0 and run-1" in page
    assert "1 newly escaping, 0 no longer escaping, 0 newly overkill, 1 no longer overkill" in page
    assert "With 8 defective parts, these photos can&#39;t show a change of the escape" in page


def test_every_figure_is_that_of_the_command(tmp_path: Path) -> None:
    page, written = _page(tmp_path, _runs(tmp_path, BEFORE, AFTER))
    (comparison,) = written["comparisons"]
    assert f"{comparison['n']} photos of {comparison['n_parts']} parts" in page
    for name, of in comparison["figures"].items():
        before, after = (metric_text(name, of[side]) for side in ("before", "after"))
        difference = change_text(name, of["before"], of["after"])
        cells = f"<td>{before}</td><td>{after}</td><td>{difference}</td>"
        assert cells in page, name
        assert of["verdict"] in page.replace("&#39;", "'")


def test_each_changed_photo_has_both_decisions_and_scores(tmp_path: Path) -> None:
    page, written = _page(tmp_path, _runs(tmp_path, BEFORE, AFTER))
    assert [(card["outcome"], card["name"]) for card in _cards(page)] == [
        ("new_escape", DEFECTS[5]),
        ("mended_overkill", GOOD[1]),
        ("still_escape", DEFECTS[0]),
        ("still_overkill", GOOD[0]),
    ]
    changed = {
        photo["path"]: photo["scores"]
        for change in written["comparisons"][0]["changes"]
        for photo in change["photos"]
    }
    assert sorted(changed) == sorted([DEFECTS[5], GOOD[1]])
    first = page[page.index("<li data-outcome") :]
    for name, decision, score in zip(
        ("run-0", "run-1"), ("reject", "OK"), changed[DEFECTS[5]], strict=True
    ):
        text = f'<span class="name">{name}</span> → {decision}, <span>P(defect) {score:.4g}</span>'
        assert text in first[: first.index("</li>")]
    assert page.count("data:image/jpeg") == 4


def test_all_photos_or_none(tmp_path: Path) -> None:
    runs = _runs(tmp_path, BEFORE, AFTER)
    page, _ = _page(tmp_path, runs, "all")
    assert len(_cards(page)) == 32
    page, _ = _page(tmp_path, runs, "none")
    assert len(_cards(page)) == 4
    assert "<img" not in page
    assert "(--photos none)" in page


def test_heat_maps_of_both_are_beside_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastdefect.jobs.trained.heat_maps.heat_maps", heat_maps)
    page, _ = _page(tmp_path, _runs(tmp_path, BEFORE, AFTER))
    card = next(item for item in page.split("<li ") if 'class="map"' in item)
    assert card.count('class="map"') == 2
    assert card.count("data:image/jpeg") == 1  # the photo itself is in the file once
    assert card.count('class="photo twin"') == 1


def test_photos_that_are_gone_leave_the_list(tmp_path: Path) -> None:
    page, _ = _page(tmp_path, _runs(tmp_path, BEFORE, AFTER, photos=False))
    assert "The photos were not found." in page
    assert len(_cards(page)) == 4


def test_three_models_share_a_list_and_have_a_verdict_each(tmp_path: Path) -> None:
    page, written = _page(tmp_path, _runs(tmp_path, BEFORE, AFTER, {}))
    assert len(written["comparisons"]) == 2
    assert page.count('<p class="lead">') == 6
    (card,) = (card for card in _cards(page) if card["name"] == DEFECTS[0])
    assert card["outcome"] == "mended_escape"  # by the third, though not by the second
    assert "Each photo is listed once" in page


def test_equal_models_have_nothing_to_list(tmp_path: Path) -> None:
    page, _ = _page(tmp_path, _runs(tmp_path, {}, {}))
    assert "No decision changed, and no photo is decided wrongly by both." in page
    assert "No decision on 8 defective parts changed" in page
    assert "up to 31.2% of such parts" in page


def test_without_a_good_class_the_accuracy_decides(tmp_path: Path) -> None:
    rows = [split_row(f"{label}/{i}.png", f"{label}{i}") for label in "ab" for i in range(8)]
    right = {row["path"]: 0.8 if row["label"] == "a" else 0.4 for row in rows}
    wrong = {row["path"]: 0.4 for row in rows}
    runs = [
        made_run(tmp_path / "runs", name, rows, said, classes=("a", "b"), good=None)
        for name, said in (("old", wrong), ("new", right))
    ]
    page, _ = _page(tmp_path, runs)
    assert "new may ship by its accuracy" in page
    assert "0 newly of a wrong class, 8 now of the right class" in page
    assert {card["outcome"] for card in _cards(page)} == {"mended_type"}
    assert "No class is good, so that there are no escapes." in page


def test_escapes_by_type_have_the_rates_of_both(tmp_path: Path) -> None:
    lines = ["path,label,part,defect"]
    data = photo_folder(tmp_path / "data", CASTINGS, "part")
    kinds = {name: "crack" if number % 2 else "burr" for number, name in enumerate(DEFECTS)}
    lines += [f"{name},{label},{part},{kinds.get(name, '')}" for name, label, part in CASTINGS]
    (data / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    runs = [
        made_run(tmp_path / "runs", name, ROWS, {**RIGHT, **said}, data=data / "labels.csv")
        for name, said in (("old", BEFORE), ("new", AFTER))
    ]
    page, _ = _page(tmp_path, runs)
    assert "Escape rate by defect, old → new" in page
    burr = page[page.index('<th scope="row">burr</th>') :]
    assert re.findall(r"<td>([\d.]+% \(\d\))</td>", burr)[:2] == ["12.50% (1)", "12.50% (1)"]
    crack = page[page.index('<th scope="row">crack</th>') :]
    assert re.findall(r"<td>([\d.]+% \(\d\))</td>", crack)[:2] == ["0.00% (0)", "12.50% (1)"]


def test_the_record_names_both_runs_and_the_sealed_test(tmp_path: Path) -> None:
    runs = _runs(tmp_path, BEFORE, AFTER)
    page, _ = _page(tmp_path, runs)
    assert all(f"Run {run.name}" in page for run in runs)
    assert page.count("(sha256 of model.safetensors)") == 2
    assert all(run.read_openings() == [] for run in runs)
    assert "<dd>fastdefect compare</dd>" in page


def test_a_page_that_cannot_be_written_is_an_error_of_its_option(tmp_path: Path) -> None:
    runs = _runs(tmp_path, BEFORE, AFTER)
    (tmp_path / "blocked.html").mkdir()
    with pytest.raises(UsageError, match="--report"):
        compare_in(tmp_path / "out", *runs, page=ComparePage(tmp_path / "blocked.html"))
