"""Decisions on photos with a tiny bundle: resumed, by part, none lost or twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.bundles import photo_of, tiny_bundle
from PIL import Image

from fastdefect.data.reading.unlabelled import Sources
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Event, Note, Progress, silent
from fastdefect.files import read_csv
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predict import Output, check_output, failing, predict
from fastdefect.jobs.predicting.rows import Row


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return bundle_scorer(read_bundle(tiny_bundle(tmp_path / "m.fdb")), "m.fdb")


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve photos of six parts; those of parts 0 and 1 are dark, and one is damaged."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day").mkdir()
    for number in range(12):
        photo = photo_of(30 if number < 4 else 240)
        Image.fromarray(photo).save(tmp_path / f"day/{number // 2}_{number:02}.png")
    (tmp_path / "day/5_11.png").write_text("no photo")
    return tmp_path / "day"


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{**row, "milliseconds": None} for row in rows]


def test_every_photo_has_a_row_in_order(day: Path, scorer: Scorer) -> None:
    given: list[Row] = []
    output = Output(Path("r.jsonl"))
    found = predict(scorer, Sources.of(["day"]), output, on_event=silent, on_row=given.append)
    rows = _rows(Path("r.jsonl"))
    assert [row["path"] for row in rows] == [f"day/{n // 2}_{n:02}.png" for n in range(12)]
    assert [row["decision"] for row in rows] == ["reject"] * 4 + ["OK"] * 7 + ["look"]
    assert rows[-1]["error"] == "not an image"
    assert [row["path"] for row in given] == [row["path"] for row in rows]
    assert found.as_json()["reject"] == found.tally.counts["reject"] == 4
    assert [failing(found, level) for level in ("unreadable", "never")] == [True, False]


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 5, 11])
def test_a_killed_run_goes_on_with_no_photo_lost_or_twice(
    day: Path, scorer: Scorer, after: int
) -> None:
    def kill(row: Row) -> None:
        kill.left -= 1  # type: ignore[attr-defined]
        if not kill.left:  # type: ignore[attr-defined]
            raise _KilledError

    kill.left = after  # type: ignore[attr-defined]
    sources, whole, cut = Sources.of(["day"]), Output(Path("a.jsonl")), Output(Path("b.jsonl"))
    predict(scorer, sources, whole, on_event=silent)
    with pytest.raises(_KilledError):
        predict(scorer, sources, cut, on_event=silent, on_row=kill)
    again = Output(Path("b.jsonl"), resume=True)
    found = predict(scorer, sources, again, on_event=silent)
    assert found.resumed == after
    assert found.tally.total == 12
    assert _rows(Path("b.jsonl")) == _rows(Path("a.jsonl"))


def _interrupted(scorer: Scorer, out: Path | None) -> list[Event]:
    """A run of day/ that Ctrl-C ends after the first photo."""

    def interrupt(row: Row) -> None:
        raise KeyboardInterrupt

    events: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        predict(scorer, Sources.of(["day"]), Output(out), on_event=events.append, on_row=interrupt)
    return events


def test_another_model_does_not_continue_a_run(day: Path, scorer: Scorer, tmp_path: Path) -> None:
    events = _interrupted(scorer, Path("r.csv"))
    text = "Interrupted after 1 photo. The rows are kept in r.csv.part; --resume continues."
    assert Note(text) in events
    other = tiny_bundle(tmp_path / "other.fdb", part_from="x")
    with pytest.raises(DataError, match="begun with another model"):
        predict(
            bundle_scorer(read_bundle(other), "other"),
            Sources.of(["day"]),
            Output(Path("r.csv"), resume=True),
            on_event=silent,
        )


def test_other_parts_do_not_continue_a_run(day: Path, scorer: Scorer) -> None:
    _interrupted(scorer, Path("r.csv"))
    output = Output(Path("r.csv"), resume=True, part_from=r"(\d+)_")
    with pytest.raises(DataError, match=r"other parts: day/0_00.png is now of part 0"):
        predict(scorer, Sources.of(["day"]), output, on_event=silent)


def test_without_a_file_an_interruption_promises_nothing(day: Path, scorer: Scorer) -> None:
    assert Note("Interrupted after 1 photo.") in _interrupted(scorer, None)


def test_rows_of_photos_that_are_not_named_now_are_kept_with_a_warning(
    day: Path, scorer: Scorer
) -> None:
    _interrupted(scorer, Path("r.jsonl"))
    events: list[Event] = []
    output = Output(Path("r.jsonl"), resume=True)
    predict(scorer, Sources.of(["day/5_10.png"]), output, on_event=events.append)
    assert [row["path"] for row in _rows(Path("r.jsonl"))] == ["day/0_00.png", "day/5_10.png"]
    (warning,) = [e.text for e in events if isinstance(e, Note) and e.level == "warning"]
    assert warning.startswith("1 row of the run that was continued")


@pytest.mark.parametrize("out", [None, Path("r.jsonl")])
def test_by_part_there_is_one_decision_a_part(day: Path, scorer: Scorer, out: Path | None) -> None:
    output = Output(out, by="part", part_from=r"(\d+)_")
    found = predict(scorer, Sources.of(["day"]), output, on_event=silent)
    assert found.parts is not None
    decisions = {row["part"]: row["decision"] for row in found.parts.rows()}
    assert decisions == {"0": "reject", "1": "reject"} | dict.fromkeys("234", "OK") | {"5": "look"}
    if out:
        assert [json.loads(line) for line in out.read_text().splitlines()] == list(
            found.parts.rows()
        )


def test_a_model_that_decides_on_parts_writes_parts(day: Path, scorer: Scorer) -> None:
    rule = replace(scorer.judge.rule, threshold=0.999, part_rule="noisy-or")
    of_parts = replace(scorer, judge=replace(scorer.judge, rule=rule), part_from=r"(\d+)_")
    out = Path("parts.csv")
    found = predict(of_parts, Sources.of(["day"]), Output(out), on_event=silent)
    rows = read_csv(out)
    assert len(rows) == 6
    assert {row["part_rule"] for row in rows} == {"noisy-or"}
    assert found.as_json()["of_parts"] == {"OK": 3, "look": 1, "reject": 2}
    # No photo alone reaches the threshold, but a part does.
    assert found.tally.counts["reject"] == 0
    assert failing(found, "reject")
    photos = predict(of_parts, Sources.of(["day"]), Output(by="photo"), on_event=silent)
    assert (photos.parts, photos.tally.total) == (None, 12)


def test_unknown_parts_are_a_warning(day: Path, scorer: Scorer) -> None:
    events: list[Event] = []
    predict(scorer, Sources.of(["day"]), Output(by="part"), on_event=events.append)
    assert any(isinstance(e, Note) and "each photo counts as a part" in e.text for e in events)


def test_no_photo_is_an_error_that_leaves_no_file(day: Path, scorer: Scorer) -> None:
    with pytest.raises(DataError, match="found none"):
        predict(scorer, Sources.of(["-"]), Output(Path("r.csv")), on_event=silent)
    assert not list(Path().glob("r.csv*"))


def test_the_last_progress_is_of_all_photos(day: Path, scorer: Scorer) -> None:
    events: list[Event] = []
    predict(scorer, Sources.of(["day", "day/0_00.png"]), Output(), on_event=events.append)
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert (last.done, last.total) == (12, 12)
    assert "photos/s" in last.task


def test_options_without_effect_are_refused_before_a_model_is_loaded() -> None:
    with pytest.raises(UsageError, match="there is no --out"):
        check_output(Output(resume=True))
    with pytest.raises(UsageError, match="--part-from"):
        check_output(Output(part_from="("))
