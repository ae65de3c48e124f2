"""A learning curve's trainings, played by a law that it must find again."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.folders import castings_of, photo_folder
from helpers.manifests import manifest, photo, plain

from fastdefect.config import ReportConfig, RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.data.splitting.split import Split, group_parts, make_split, split_rows
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.events import silent
from fastdefect.files import read_csv
from fastdefect.jobs import learning_curve as job
from fastdefect.jobs.series import budget as series_budget
from fastdefect.jobs.series import members as series_members
from fastdefect.jobs.series.series import SeriesReport
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.reporting.tables.learning_curve import learning_table, outlook_lines
from fastdefect.reporting.tables.unfinished import left_line
from fastdefect.run import Run, RunStatus
from fastdefect.run_registry import create_run


@dataclass
class Ended:
    reason: str


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty parts, two photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(40, 2), "part")


@pytest.fixture
def config(castings: Path) -> RunConfig:
    return resolve(
        {
            **{"data": castings, "image_size": 16, "arch": "mobilenet_v3_small"},
            **{"weights": "none", "device": "cpu", "workers": 0, "seed": 7, "valid": 0.2},
        }
    )


@pytest.fixture
def law(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trainings whose error is 1.2 / sqrt(parts), give or take ``scatter``."""

    @dataclass
    class Law:
        scatter: float = 0.0
        blind: bool = False

    planted = Law()
    rng = np.random.default_rng(0)

    def begin(run: Run, made: Any, log: Any, stop: Any) -> Ended:
        data = made
        run.write("split.csv", split_rows(data.manifest, data.split))
        run.write("model.json", _spec(data.manifest.classes))
        parts = len({data.split.parts[i] for i in data.split.train})
        error = 1.2 * parts**-0.5 * np.exp(planted.scatter * rng.normal())
        rates = {"escape_rate": error / 2, "overkill_rate": None}
        confusion = [[5, 0], [5, 0]] if planted.blind else [[5, 1], [0, 4]]
        run.put("metrics.json", "valid", {"f1": 1 - error, **rates, "confusion": confusion})
        run.update_state(status=RunStatus.FINISHED)
        return Ended(RunStatus.FINISHED)

    monkeypatch.setattr(series_members, "assemble", lambda config, log, *, data: data)
    monkeypatch.setattr(series_members, "begin", begin)
    return planted


def _spec(classes: tuple[str, ...]) -> dict[str, Any]:
    spec = job.ModelSpec("a", classes, ("good",) if "good" in classes else (), _preprocessing())
    return spec.as_json()


def _preprocessing() -> Any:
    from helpers.photos import PREPROCESSING

    return PREPROCESSING


def _start(config: RunConfig, runs: Path, **changes: Any) -> job.CurveReport:
    options: dict[str, Any] = {"points": 4, "repeats": 2, "budget_minutes": None}
    return job.start(
        config,
        NewRun(runs, "lc", "fastdefect learning-curve"),
        **{**options, **changes},
        on_event=silent,
    )


def _told(ended: SeriesReport) -> str:
    """What the command says is left."""
    left = [member.name for member in ended.left]
    return left_line(len(ended.finished), left, ended.seconds_left)


def test_the_law_of_the_trainings_is_found_and_reported(
    config: RunConfig, law: Any, tmp_path: Path
) -> None:
    report = _start(config, tmp_path)
    sizes = [point.parts for point in report.points]
    assert sizes[:4] == sizes[4:] == sorted(sizes[:4])
    assert report.outlook is not None
    # Half a photo in so few bends the planted law a little.
    assert report.outlook.law.exponent == pytest.approx(0.5, abs=0.05)
    assert report.outlook.twice.n == 2 * max(sizes)
    assert report.outlook.twice.error == pytest.approx(1.2 * (2 * max(sizes)) ** -0.5, rel=0.1)
    low, high = report.outlook.twice.interval
    assert low < report.outlook.twice.error < high
    content = json.loads((tmp_path / "lc" / "learning_curve.json").read_text(encoding="utf-8"))
    assert content["twice"]["error"] == report.outlook.twice.error
    assert [each["parts"] for each in content["trainings"]] == sizes
    assert content["valid"]["photos"] == 2 * content["valid"]["parts"]
    assert [path.name for path in report.files] == ["learning_curve.json", "learning_curve.png"]
    assert all(path.stat().st_size for path in report.files)
    table = learning_table(report.points, report.outlook, valid_photos=16, valid_parts=8)
    assert [row[0] for row in table.rows] == [
        *("1 in 8", "1 in 4", "1 in 2", "all", "twice (forecast)")
    ]
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert table.rows[3][1:4] == (str(max(sizes)), str(2 * max(sizes)), "2")
    assert table.rows[0][-1] == "-"  # no overkill without good photos
    lines = " ".join(outlook_lines(report.points, report.outlook))
    assert f"Twice the parts, {2 * max(sizes)} instead of {max(sizes)}: error from" in lines
    assert "don't show" not in lines


def test_validation_and_test_stay_and_repeats_draw_other_parts(
    config: RunConfig, law: Any, tmp_path: Path
) -> None:
    report = _start(config, tmp_path)
    sides: dict[str, dict[str, set[str]]] = {}
    for each in report.series.finished:
        rows = read_csv(each.run.path("split.csv"))
        sides[each.member.name] = {
            side: {row["path"] for row in rows if row["split"] == side}
            for side in ("train", "valid", "test")
        }
    assert len({tuple(sorted(found["valid"])) for found in sides.values()}) == 1
    assert len({tuple(sorted(found["test"])) for found in sides.values()}) == 1
    trained = {name: found["train"] for name, found in sides.items()}
    assert trained["1-of-8-repeat-1"] < trained["1-of-4-repeat-1"] < trained["1-of-2-repeat-1"]
    assert trained["1-of-2-repeat-1"] < trained["all-repeat-1"] == trained["all-repeat-2"]
    assert trained["1-of-4-repeat-1"] != trained["1-of-4-repeat-2"]
    seeds = [each.run.read_config().training.seed for each in report.series.finished]
    assert seeds == [7] * 4 + [8] * 4


def test_trainings_that_scatter_show_nothing(config: RunConfig, law: Any, tmp_path: Path) -> None:
    law.scatter = 1.0
    report = _start(config, tmp_path, repeats=1)
    assert report.outlook is not None
    assert report.outlook.law.flat
    assert "do not show that more parts help" in " ".join(
        outlook_lines(report.points, report.outlook)
    )


def test_a_budget_leaves_a_table_without_a_law_and_resumes(
    config: RunConfig, law: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    begin = series_members.begin

    def slowly(*args: Any) -> Any:
        now[0] += 60
        return begin(*args)

    for module in (series_members, series_budget):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    monkeypatch.setattr(series_members, "begin", slowly)
    report = _start(config, tmp_path, repeats=1, budget_minutes=3)
    assert report.series.reason == RunStatus.OUT_OF_BUDGET
    assert 0 < len(report.points) < 3
    assert report.outlook is None
    assert (tmp_path / "lc" / "learning_curve.png").exists()
    assert outlook_lines([], None)[0].startswith("No law yet")
    assert f"{len(report.points)} of 4 trainings are done; remaining, about" in _told(report.series)
    again = job.resume(Run(tmp_path / "lc"), budget_minutes=None, on_event=silent)
    assert again.series.reason == RunStatus.FINISHED
    done = [(point.name, point.error, point.seconds) for point in report.points]
    assert [(p.name, p.error, p.seconds) for p in again.points][: len(done)] == done
    assert again.outlook is not None
    once_more = job.resume(Run(tmp_path / "lc"), budget_minutes=None, on_event=silent)
    assert once_more.outlook is not None
    assert once_more.outlook.twice == again.outlook.twice


def test_a_budget_for_nothing_leaves_nothing_to_report(
    config: RunConfig, law: Any, tmp_path: Path
) -> None:
    report = _start(config, tmp_path, budget_minutes=0)
    assert (report.points, report.valid, report.files) == ((), None, ())
    assert report.series.reason == RunStatus.OUT_OF_BUDGET
    assert _told(report.series).startswith("0 of 8 trainings are done; remaining: 1-of-8-rep")


def test_constant_predictions_are_reported(config: RunConfig, law: Any, tmp_path: Path) -> None:
    seeing = _start(config, tmp_path / "seeing", repeats=1)
    law.blind = True
    blind = _start(config, tmp_path / "blind", repeats=1)
    assert not any("one answer" in line for line in outlook_lines(seeing.points, seeing.outlook))
    told = outlook_lines(blind.points, blind.outlook)[-1]
    assert told.startswith("4 of 4 trainings predict the same class for every photo.")


# ---- which shares ------------------------------------------------------------------------


def test_shares_that_come_to_the_same_parts_are_taken_once() -> None:
    photos = plain(bad=10, good=10)
    split = make_split(photos, group_parts(photos), valid=0.2, test=0.0, seed=0)
    assert len(split.train) == 16
    assert job.choose_shares(split, photos, 4, seed=0) == [8, 4, 2, 1]
    assert job.choose_shares(split, photos, 8, seed=0) == [8, 4, 2, 1]
    assert job.choose_shares(split, photos, 3, seed=0) == [4, 2, 1]


def test_too_few_parts_give_no_curve() -> None:
    photos = manifest(
        photo(f"{c}/{part}/{i}", c, f"{c} {part}")
        for c in ("bad", "good")
        for part in range(2)
        for i in range(9)
    )
    split = Split(tuple(range(36)), (), (), group_parts(photos))
    with pytest.raises(DataError, match="has 4 parts of 2 classes"):
        job.choose_shares(split, photos, 4, seed=0)


@pytest.mark.parametrize(
    ("changes", "options"),
    [({}, {"points": 2}), ({}, {"repeats": 0}), ({"report": ReportConfig(folds=3)}, {})],
)
def test_settings_that_give_no_curve(
    config: RunConfig, tmp_path: Path, changes: Any, options: Any
) -> None:
    with pytest.raises(UsageError):
        _start(replace(config, **changes), tmp_path / "runs", **options)
    assert not (tmp_path / "runs").exists()


def test_a_damaged_plan_is_an_error(config: RunConfig, law: Any, tmp_path: Path) -> None:
    _start(config, tmp_path, budget_minutes=0)
    run = Run(tmp_path / "lc")
    run.update_state(plan={"shares": [2, 1]})
    with pytest.raises(RunError, match="is damaged"):
        job.resume(run, budget_minutes=None, on_event=silent)
    training = create_run(tmp_path, "other", config, "fastdefect fit")
    with pytest.raises(RunError, match="is of the kind training"):
        job.resume(training, budget_minutes=None, on_event=silent)


# ---- the denominator of 1 - F1 -----------------------------------------------------------

CLASSES = {"two": ("bad", "good"), "many": ("a", "b", "c")}


@pytest.mark.parametrize(
    ("classes", "counts", "expected"),
    [
        ("two", {"bad": 20, "good": 980}, 40),
        ("two", {"bad": 70, "good": 30}, 100),
        ("many", {"a": 10, "b": 500, "c": 490}, 60),
        ("many", {"a": 40, "b": 40, "c": 40}, 120),
    ],
)
def test_the_denominator_of_the_error(classes: str, counts: dict[str, int], expected: int) -> None:
    spec = job.ModelSpec.from_json(_spec(CLASSES[classes]))
    assert job._denominator(counts, sum(counts.values()), spec) == expected


@pytest.mark.parametrize(
    "counts", [{"bad": 20, "good": 980}, {"bad": 200, "good": 300}, {"bad": 300, "good": 100}]
)
def test_the_error_varies_no_more_than_a_binomial_of_its_denominator(
    counts: dict[str, int],
) -> None:
    """Simulated: a tenth of the defects escapes, as many good photos are rejected."""
    rng = np.random.default_rng(3)
    bad, good = counts["bad"], counts["good"]
    fn = rng.binomial(bad, 0.1, 20_000)
    fp = rng.binomial(good, 0.1 * bad / good, 20_000)
    errors = (fn + fp) / (2 * (bad - fn) + fn + fp)
    spec = job.ModelSpec.from_json(_spec(CLASSES["two"]))
    n = job._denominator(counts, bad + good, spec)
    mean = errors.mean()
    assert errors.std() <= 1.1 * np.sqrt(mean * (1 - mean) / n)
    # And a share of all photos would scatter by less than half of it where defects are rare.
    if counts["good"] > 900:
        assert errors.std() > 2 * np.sqrt(mean * (1 - mean) / (bad + good))


def test_members_of_a_curve_have_the_split_of_its_seed(config: RunConfig) -> None:
    last = replace(config, training=replace(config.training, seed=2**32 - 1))
    members = job.members_of(last, [4, 2, 1], 2)
    assert Counter(member.split_seed for member in members) == {2**32 - 1: 6}
    assert [member.config.training.seed for member in members[3:]] == [0, 0, 0]
    assert all(isinstance(member.narrow, partial) for member in members)
