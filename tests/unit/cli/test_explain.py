"""``fastdefect explain`` as a user calls it, with a tiny bundle and without a run."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.bundles import tiny_bundle
from helpers.cli import invoke
from PIL import Image


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bundle beside a photo that is dark on the left, which the bundle takes for a crack."""
    monkeypatch.chdir(tmp_path)
    photo = np.full((24, 40, 3), 220, np.uint8)
    photo[:, :12] = 10
    Image.fromarray(photo).save(tmp_path / "one.png")
    return str(tiny_bundle(tmp_path / "model.fdb"))


def test_a_bundle_writes_pictures_and_figures(model: str) -> None:
    result = invoke("explain", model, "one.png")
    assert result.exit_code == 0
    assert "Written: 1 picture in heat-maps" in result.output
    figures = json.loads(Path("heat-maps/explain.json").read_text(encoding="utf-8"))
    (photo,) = figures["groups"]["Photos"]
    assert figures["method"] == "occlusion"
    assert (photo["path"], photo["label"]) == ("one.png", None)
    assert photo["x"] < 0.5
    with Image.open("heat-maps/one.png.png") as picture:
        assert picture.width > 80


def test_the_help_names_every_method(model: str) -> None:
    said = " ".join(invoke("explain", "--help").output.replace("│", " ").split())
    assert "patch-scores, distance or occlusion." in said


def test_json_is_one_closing_event(model: str) -> None:
    result = invoke("explain", model, "one.png", "--json", "--class", "ok", "--out", "maps")
    *_, closing = (json.loads(line) for line in result.stdout.splitlines())
    assert closing["event"] == "explain"
    assert closing["target"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Expected photos, but none are named"),
        (["one.png", "--method", "hires-cam"], "--method hires-cam reads maps inside"),
        (["one.png", "--method", "no"], "expected auto, grad-cam, hires-cam"),
        (["one.png", "--class", "dent"], "crack, ok"),
        (["one.png", "--views", "flips"], "--views applies to a run"),
        (["two.png"], "two.png"),
        (["one.png", "--split", "valid"], "the command names the photos: one.png. Remove --split"),
        (["--split", "test"], "is a bundle, which contains no photos"),
    ],
)
def test_wrong_usage_is_named(model: str, arguments: list[str], words: str) -> None:
    result = invoke("explain", model, *arguments)
    assert result.exit_code in (1, 2)
    assert words in " ".join(result.output.split())
    assert not Path("heat-maps").exists()
