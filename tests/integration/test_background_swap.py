"""The background swap and ``--light``, through the commands on tiny rendered photos."""

import json
import shutil
from pathlib import Path

import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit
from safetensors.numpy import load_file

from fastdefect.config import DataConfig
from fastdefect.events import Event, Note
from fastdefect.files import read_csv
from fastdefect.jobs.preview import preview


def test_fit_measures_the_swap_on_validation(trained: FitResult) -> None:
    found = trained.json("background_swap.json")
    assert set(found) == {"valid"}
    swap, metrics = found["valid"], trained.json("metrics.json")["valid"]
    assert swap["n"] == metrics["n"]
    assert swap["good"]["n"] == metrics["n_good"]
    assert swap["defective"]["n"] == metrics["n_defective"]
    assert swap["good"]["flips"] + swap["defective"]["flips"] == swap["flips"]
    assert swap["interval"][0] <= swap["share"] <= swap["interval"][1]


def test_light_repeats_to_the_bit(castings: Path, tmp_path: Path) -> None:
    first, second = (
        run_fit(castings, tmp_path / name, "--epochs", "1", "--light") for name in ("a", "b")
    )
    assert "augment steady and light" in first.output
    assert "light = true" in (first.folder / "config.toml").read_text(encoding="utf-8")
    one, two = (load_file(done.folder / "model.safetensors") for done in (first, second))
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in two.items()}


@pytest.mark.slow
def test_the_closing_event_carries_it_or_none(castings: Path, tmp_path: Path) -> None:
    tiny = (*TINY, "--epochs", "1")
    result = invoke("fit", str(castings), "--runs", str(tmp_path / "runs"), *tiny, "--json")
    last = json.loads(result.stdout.splitlines()[-1])
    kept = json.loads((tmp_path / "runs" / "latest" / "background_swap.json").read_text("utf-8"))
    assert last["background_swap"] == kept["valid"]

    for index, row in enumerate(read_csv(castings / "labels.csv")):
        split = "valid" if row["label"] == "good" and index % 2 else "train"
        folder = tmp_path / "data" / split / row["label"]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(castings / row["path"], folder)
    own = (*tiny, "--parts", "none", "--json")
    result = invoke("fit", str(tmp_path / "data"), "--runs", str(tmp_path / "one"), *own)
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[-1]["background_swap"] is None
    assert any("No background swap: all validation photos are 'good'" in str(e) for e in events)
    assert not (tmp_path / "one" / "latest" / "background_swap.json").exists()


@pytest.mark.parametrize("light", [True, False])
def test_preview_shows_the_light(castings: Path, tmp_path: Path, light: bool) -> None:
    told: list[Event] = []
    out = preview(
        DataConfig(castings, image_size=64, augment="none", light=light),
        seed=1, photos=4, draws=2, out=tmp_path / "sheet.png", on_event=told.append,
    )  # fmt: skip
    assert out.stat().st_size > 0
    said = " ".join(event.text for event in told if isinstance(event, Note))
    assert ("light: border brightness" in said) == light
