"""The job of ``stress``: flat photos, and a model that only sees how bright they are."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.load import load_training_data
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.splitting.split import split_rows
from fastdefect.errors import UsageError
from fastdefect.evaluation.robustness.background_swap import Flips
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES
from fastdefect.evaluation.robustness.stress import Limits, Mistakes
from fastdefect.events import Event, Note, Progress, silent
from fastdefect.files import finite, write_csv
from fastdefect.jobs import stress as job
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run
from fastdefect.run_files import SPLIT_COLUMNS
from fastdefect.run_registry import create_run
from fastdefect.training.learner import ModelSpec

SIZE = 16
GOOD_LEVEL, DEFECT_LEVEL, LINE = 200, 60, 110


@dataclass
class BrightIsGood:
    """In place of a trained model: P(good) is a half at ``LINE``; classes are defect, good."""

    views: Sequence[Any] = ()

    def predict_pixels(
        self, pixels: NDArray[np.uint8], positions: Sequence[int], views: Sequence[Any]
    ) -> NDArray[Any]:
        self.views = views
        good = 1 / (1 + np.exp((LINE - pixels.mean(axis=(1, 2, 3))) / 10))
        return np.stack([1 - good, good], axis=1)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> BrightIsGood:
    made = BrightIsGood()
    monkeypatch.setattr(job, "load_model", lambda run, photos, device: made)
    return made


@pytest.fixture
def run(tmp_path: Path, model: BrightIsGood) -> Run:
    """A run on 24 parts of two photos each, that decides by the most probable class."""
    rows = []
    for part in range(24):
        label, level = ("defect", DEFECT_LEVEL) if part % 2 else ("good", GOOD_LEVEL)
        for shot in range(2):
            path = tmp_path / "data" / label / f"{part}-{shot}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            # A corner tells the photos apart: equal bytes would be one part.
            pixels = np.full((SIZE, SIZE, 3), level, np.uint8)
            pixels[0, 0, 0] = 2 * part + shot
            Image.fromarray(pixels).save(path)
            rows.append({"path": f"{label}/{path.name}", "label": label, "part": f"p{part}"})
    write_csv(tmp_path / "data" / "photos.csv", rows, ("path", "label", "part"))
    config = DataConfig(tmp_path / "data", image_size=SIZE, valid=0.4, test=0.2)
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    made = create_run(tmp_path / "runs", "x", RunConfig(data=config), "fit")
    made.write("split.csv", split_rows(loaded.manifest, loaded.split))
    made.path("model.safetensors").write_bytes(b"weights")
    _write_spec(made, "good")
    made.put("calibration.json", "none", {"value": 1.0})
    return made


def _write_spec(run: Run, good: str | None) -> None:
    usual = Preprocessing(SIZE, "squish", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    run.write(
        "model.json",
        ModelSpec("none", ("defect", "good"), (good,) if good else (), usual).as_json(),
    )


def _stress(
    run: Run,
    events: list[Event] | None = None,
    **changes: Any,
) -> job.StressTest:
    request = Request(device="cpu", command="fastdefect stress")
    own = {field.name for field in fields(Request)} & set(changes)
    asked = {name: changes.pop(name) for name in own}
    plan = job.StressPlan(**{"limits": Limits(), "only": "brightness", **changes})
    on_event = silent if events is None else events.append
    return job.stress(run, plan, replace(request, **asked), on_event=on_event)


def test_flips_are_those_worked_out_by_hand(run: Run) -> None:
    found = _stress(run, limits=Limits(max_flips=0.05, max_overkill=0.5))
    report = found.report
    n = found.available
    half = n // 2
    assert report.n == n == 2 * report.n_parts
    assert report.undisturbed == Mistakes(half, 0, half, 0)
    (line,) = report.lines
    # 200 falls below 110 at x0.5 only; 60 never rises above it.
    assert {point.strength: point.flips for point in line.points} == {
        strength: Flips(n, half if strength == 0.5 else 0)
        for strength in DISTURBANCES["brightness"].strengths
    }
    darker, brighter = found.breaks
    assert (darker.held, darker.strength, darker.broken) == (0.7, 0.5, ("flips", "overkill"))
    assert brighter.strength is None


def test_it_is_the_operating_point_that_decides(run: Run, model: BrightIsGood) -> None:
    assert _stress(run).decision.threshold is None
    # A defect's score is 0.9933; at temperature 4 it is 0.777.
    point = {"views": "mirror", "temperature": 1.0, "threshold": 0.9, "high": None, "said": "mine"}
    run.write("operating_point.json", point)
    cold = _stress(run)
    assert len(model.views) == 2
    assert cold.report.undisturbed.escapes == 0
    run.write("operating_point.json", {**point, "temperature": 4.0})
    warm = _stress(run)
    assert warm.report.undisturbed.escapes == warm.report.undisturbed.n_defective > 0
    assert warm.decision.rule == "mine"
    assert _stress(run, threshold="argmax").report.undisturbed.escapes == 0


def test_what_is_stored_and_reported(run: Run) -> None:
    events: list[Event] = []
    found = _stress(run, events, limits=Limits(max_flips=0.1))
    kept, picture = found.files
    assert kept == run.folder / "stress-valid.json"
    content = json.loads(kept.read_text(encoding="utf-8"))
    assert content == json.loads(json.dumps(finite(found.as_json())))
    assert content["limits"] == {"max_flips": 0.1, "max_escape": None, "max_overkill": None}
    assert [each["strength"] for each in content["breaks"]] == [0.5, None]
    assert picture.read_bytes().startswith(b"\x89PNG")
    (said,) = [event.text for event in events if isinstance(event, Note)]
    n = found.available
    assert said == f"Stress on {n} photos: 1 disturbance in 6 strengths, {7 * n} predictions."
    steps = [event for event in events if isinstance(event, Progress)]
    assert (steps[-1].done, steps[-1].total) == (7 * n, 7 * n)


def test_fewer_photos_are_reported_and_repeat(run: Run) -> None:
    events: list[Event] = []
    found = _stress(run, events, most=6, seed=3)
    assert found.report.n == 6
    assert found.available > 6
    assert found.report.undisturbed == Mistakes(3, 0, 3, 0)
    (said,) = [event.text for event in events if isinstance(event, Note)]
    assert f"6 of {found.available} photos, drawn by class with seed 3" in said
    assert _stress(run, most=6, seed=3).as_json() == found.as_json()
    assert _stress(run, most=10_000).report.n == found.available


def test_a_sample_of_photos_keeps_the_fold_of_each(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in run.read("split.csv") if row["split"] == "valid"]
    fold_of = {row["path"]: 1 + number % 5 for number, row in enumerate(rows)}
    of_split = [{name: row[name] for name in SPLIT_COLUMNS} for row in rows]
    folds = [{**row, "split": "train", "fold": fold_of[row["path"]]} for row in of_split]
    run.write("folds.csv", folds)
    seen = []

    def load_model(run: Run, photos: EvaluationPhotos, device: str) -> BrightIsGood:
        seen.append(photos)
        return BrightIsGood()

    monkeypatch.setattr(job, "load_model", load_model)
    _stress(run, most=6, seed=3)
    assert len(seen[0].photos) == 6
    assert seen[0].fold == tuple(fold_of[photo.name] for photo in seen[0].photos)


def test_a_look_at_the_test_is_noted_but_a_mistyped_one_is_not(run: Run) -> None:
    for changes in (
        {"threshold": "strict"},
        {"only": "rain"},
        {"views": "random:4"},
        {"limits": Limits(max_flips=2)},
    ):
        with pytest.raises(UsageError):
            _stress(run, split="test", **changes)
    assert run.read_openings() == []
    found = _stress(run, split="test")
    assert (found.opening, found.split) == (1, "test")
    assert run.read_openings()[0]["what"].startswith("stress, ")
    assert (run.folder / "stress-test.json").exists()


def test_a_limit_is_a_share(run: Run) -> None:
    for name in ("max_flips", "max_escape", "max_overkill"):
        for share in (-0.01, 1.5, float("nan")):
            with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} .*from 0 to 1"):
                _stress(run, limits=Limits(**{name: share}))


def test_without_a_good_class_only_flips_can_be_limited(run: Run, model: BrightIsGood) -> None:
    _write_spec(run, None)
    with pytest.raises(UsageError, match="--max-overkill: this run has no good class"):
        _stress(run, limits=Limits(max_overkill=0.1))
    found = _stress(run, limits=Limits(max_flips=0.1))
    assert found.breaks[0].broken == ("flips",)
    assert found.as_json()["undisturbed"]["escape_rate"] is None


def test_disturbances_by_name() -> None:
    assert job.choose_disturbances(None) == tuple(DISTURBANCES.values())
    chosen = job.choose_disturbances(" jpeg, Motion-Blur,uneven light,jpeg")
    assert [each.name for each in chosen] == ["uneven light", "motion blur", "JPEG"]


@pytest.mark.parametrize("text", ["rain", "blur,rain", "", "blur,", "motion"])
def test_an_unknown_disturbance_names_all(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        job.choose_disturbances(text)
    assert caught.value.exit_code == 2
    assert all(name in caught.value.hint for name in DISTURBANCES)
