"""From results of predict to a report: a tiny bundle, and photos of one grey value."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.bundles import tiny_bundle, tiny_reference
from helpers.cli import invoke
from helpers.made_runs import made_run, split_row

from fastdefect.errors import DataError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.inference.baseline import Sample, baseline_bytes
from fastdefect.inference.bundle import BASELINE, read_bundle
from fastdefect.jobs.drift import Asked, Model, bundle_model, check_asked, drift, open_baseline
from fastdefect.jobs.drifting.day_file import read_day
from fastdefect.jobs.predicting.result_file import write_result
from fastdefect.jobs.predicting.rows import photo_columns
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run

COLUMNS = photo_columns(("crack", "ok"))
SUFFIXES = (".csv", ".jsonl", ".parquet")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A tiny bundle, measured on 30 good parts at distances around 1."""
    rng = np.random.default_rng(0)
    baseline = Sample(
        np.arange(30), np.ones(30, bool), rng.uniform(0, 0.3, 30), rng.uniform(0.8, 1.2, 30)
    )
    files = {BASELINE: baseline_bytes(baseline)}
    return tiny_bundle(tmp_path / "tiny.fdb", reference=tiny_reference(), files=files)


def day_rows(model: str, distances: Sequence[float], **changes: Any) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        dict.fromkeys(COLUMNS)
        | {
            "path": f"{i}.jpg",
            "decision": "OK",
            "p_defective": float(rng.uniform(0, 0.3)),
            "label": "ok",
            "unlike": False,
            "distance": distance,
            "model": model[:12],
        }
        | changes
        for i, distance in enumerate(distances)
    ]


def write_day(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    write_result(path, rows, COLUMNS)
    return path


def near(n: int = 20) -> list[float]:
    return np.random.default_rng(2).uniform(0.8, 1.2, n).tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format_reads_the_same(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    rows = day_rows("0123456789ab", near(3))
    rows[1] |= {"part": "p", "unlike": True, "label": "crack"}
    rows.append(dict.fromkeys(COLUMNS) | {"path": "x", "error": "damaged", "model": "0123456789ab"})
    day = read_day(write_day(tmp_path / f"day{suffix}", rows), ("ok",), "0123456789abcdef")
    assert day.sample.parts.tolist() == ["0.jpg", "p", "2.jpg"]
    assert day.sample.passed.tolist() == [True, False, True]
    assert day.sample.distance.tolist() == near(3)
    assert (day.unreadable, day.unlike) == (1, 1)


def test_a_day_like_the_training_is_no_drift(tmp_path: Path, bundle: Path) -> None:
    model = bundle_model(bundle)
    day = write_day(tmp_path / "day.csv", day_rows(model.identity, near()))
    heard: list[Event] = []
    drifted = drift(model, Asked((day,)), on_event=heard.append)
    assert not drifted.report.drifted
    assert heard == []
    assert drifted.written == ()


def test_a_day_further_away_is_a_warning_and_files(tmp_path: Path, bundle: Path) -> None:
    model = bundle_model(bundle)
    day = write_day(tmp_path / "day.csv", day_rows(model.identity, [d + 0.3 for d in near()]))
    asked = Asked((day,), out=tmp_path / "drift.json", plot=tmp_path / "drift.png")
    heard: list[Event] = []
    drifted = drift(model, asked, on_event=heard.append)
    assert drifted.report.drifted
    (note,) = heard
    assert isinstance(note, Note)
    assert note.level == "warning"
    assert "distance, all photos" in note.text
    assert drifted.written == (asked.out, asked.plot)
    assert json.loads((tmp_path / "drift.json").read_text())["drifted"] is True
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")


def test_few_photos_say_so(tmp_path: Path, bundle: Path) -> None:
    model = bundle_model(bundle)
    day = write_day(tmp_path / "day.csv", day_rows(model.identity, near(2)))
    heard: list[Event] = []
    drift(model, Asked((day,)), on_event=heard.append)
    assert [event.text for event in heard if isinstance(event, Note)] == [
        f"{day}: 2 parts; a test needs 3 or more."
    ]


def test_a_small_baseline_says_so_once(tmp_path: Path) -> None:
    two = np.zeros(2)
    model = Model("small", Sample(np.arange(2), two == 0, two, two + 1), ("ok",), "x" * 64)
    day = write_day(tmp_path / "day.csv", day_rows(model.identity, near()))
    heard: list[Event] = []
    drift(model, Asked((day, day)), on_event=heard.append)
    assert [event.text for event in heard if isinstance(event, Note)] == [
        "The baseline has 2 parts; a test needs 3 or more."
    ]


def test_options_of_a_run_are_refused_for_a_bundle(bundle: Path) -> None:
    result = invoke("drift", str(bundle), "day.csv", "--threshold", "0.3")
    assert result.exit_code == 2, result.output
    assert "--threshold applies to a run" in " ".join(result.output.split())


def test_command_exits_with_3_only_if_asked(tmp_path: Path, bundle: Path) -> None:
    identity = read_bundle(bundle).identity
    day = write_day(tmp_path / "day.csv", day_rows(identity, [d + 0.3 for d in near()]))
    plain = invoke("drift", str(bundle), str(day))
    assert plain.exit_code == 0, plain.output
    assert "drift" in plain.output
    strict = invoke("drift", str(bundle), str(day), str(day), "--fail-on", "drift", "--json")
    assert strict.exit_code == 3
    last = json.loads(strict.stdout.splitlines()[-1])
    assert last["drifted"] is True
    assert len(last["days"]) == 2


def test_predict_and_drift_together(tmp_path: Path, bundle: Path) -> None:
    """The bundle knows bright grey photos; red ones are far from them."""
    from PIL import Image

    for i in range(10):
        Image.new("RGB", (16, 16), (250, 120 + i, 120)).save(tmp_path / f"{i}.png")
    day = tmp_path / "day.csv"
    made = invoke("predict", str(bundle), str(tmp_path / "*.png"), "--out", str(day))
    assert made.exit_code == 0, made.output
    result = invoke("drift", str(bundle), str(day), "--fail-on", "drift", "--quiet")
    assert result.exit_code == 3, result.output


def test_baseline_of_a_run_joins_its_predictions_and_distances(tmp_path: Path) -> None:
    run = known_run(tmp_path)
    opened = open_baseline(str(run.folder), tmp_path, Request(), silent)
    sample = opened.baseline
    assert sample.parts.tolist() == ["a", "a", "b"]
    assert sample.passed.tolist() == [False, False, True]
    assert sample.p_defect.tolist() == pytest.approx([0.9, 0.8, 0.1])
    assert sample.distance[:2].tolist() == [1.5, 2.5]
    assert np.isnan(sample.distance[2])
    assert opened.good == ("good",)


def known_run(folder: Path) -> Run:
    rows = [
        split_row("defect/0.jpg", "a"),
        split_row("defect/1.jpg", "a"),
        split_row("good/2.jpg", "b"),
    ]
    p = {"defect/0.jpg": 0.9, "defect/1.jpg": 0.8, "good/2.jpg": 0.1}
    run = made_run(folder, "known", rows, p)
    run.write(
        "baseline.csv",
        [{"path": f"defect/{i}.jpg", "part": "a", "distance": 1.5 + i} for i in (0, 1)],
    )
    return run


def test_identity_of_a_run_depends_on_its_rule(tmp_path: Path) -> None:
    run = known_run(tmp_path)
    one, other = (
        open_baseline(str(run.folder), tmp_path, replace(Request(), threshold=text), silent)
        for text in ("0.5", "0.2")
    )
    assert one.identity != other.identity


def test_damaged_baseline_of_a_run_is_an_error(tmp_path: Path) -> None:
    run = known_run(tmp_path)
    run.path("baseline.csv").write_text("path,part,distance\nx,y,far\n")
    result = invoke("drift", str(run.folder), "day.csv")
    assert result.exit_code == 1
    assert "is damaged" in result.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("path,decision\na.jpg,OK\n", "has no column label"),
        ("when,who\nnow,me\n", "has no column path"),
        (",".join(COLUMNS) + "\n", "has no rows"),
        ("", "has no rows"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "day.csv"
    path.write_text(content)
    with pytest.raises(DataError) as error:
        read_day(path, ("ok",), "x" * 64)
    assert said in error.value.message


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name in ("day.txt", "missing.csv"):
        with pytest.raises(DataError, match="result of fastdefect predict"):
            read_day(tmp_path / name, ("ok",), "x")
    lines = tmp_path / "day.jsonl"
    for content, said in (
        ('{"path": "a"}\n', "line 1 has no column label"),
        ("nothing", "line 1 can't be read as JSON"),
        ("[" * 100_000, "line 1 can't be read as JSON"),
        ("[1]", r"line 1: expected an object, found \[1\]"),
        ("", "has no rows"),
    ):
        lines.write_text(content)
        with pytest.raises(DataError, match=said):
            read_day(lines, ("ok",), "x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distance": "far"}, "expected a number of 0 or more as distance, found 'far'"),
        ({"distance": -1}, "expected a number of 0 or more as distance"),
        ({"distance": 10**400}, "expected a number of 0 or more as distance, found 1000"),
        ({"p_defective": 1.5}, "expected a number from 0 to 1 as p_defective"),
        ({"part": ["a", "b"]}, r"expected text as part, found \['a', 'b'\]"),
    ],
)
def test_wrong_values_are_refused_with_their_line(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    rows = [*day_rows("x", near(1)), *day_rows("x", near(1), **changes)]
    lines = tmp_path / "day.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=f"day.jsonl, line 2: {said}"):
        read_day(lines, ("ok",), "x")


def test_lines_of_a_csv_are_counted_with_the_header(tmp_path: Path) -> None:
    rows = day_rows("x", near(2), distance="far")
    with pytest.raises(DataError, match=r"day.csv, line 2: expected a number"):
        read_day(write_day(tmp_path / "day.csv", rows), ("ok",), "x")


def test_another_model_is_refused(tmp_path: Path, bundle: Path) -> None:
    day = write_day(tmp_path / "day.csv", day_rows("another", near()))
    with pytest.raises(DataError, match="another model"):
        drift(bundle_model(bundle), Asked((day,)), on_event=silent)


def test_bundle_without_baseline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no baseline"):
        bundle_model(tiny_bundle(tmp_path / "plain.fdb"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"out": Path("x.csv")}, "--out x.csv"),
        ({"plot": Path("x.pdf")}, "--plot x.pdf"),
        ({"plot": Path("nowhere/x.png")}, "there is no folder nowhere"),
    ],
)
def test_files_that_cannot_be_written_are_refused(changes: dict[str, Path], said: str) -> None:
    with pytest.raises(UsageError) as error:
        check_asked(replace(Asked(()), **changes))
    assert said in error.value.message


def test_a_missing_file_and_another_kind_of_file_are_told_apart(tmp_path: Path) -> None:
    other = tmp_path / "photo.jpg"
    other.touch()
    with pytest.raises(DataError, match="but there is no such file"):
        read_day(tmp_path / "day.csv", ("ok",), "0")
    with pytest.raises(DataError, match=r"ends in \.csv, \.jsonl, \.parquet"):
        read_day(other, ("ok",), "0")
