"""``fastdefect explain`` as a user calls it, with a tiny bundle and without a run."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.bundles import photo_of, tiny_bundle, viewed_bundle
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


def test_the_view_is_in_a_table_in_the_path_or_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = str(viewed_bundle(tmp_path / "viewed.fdb"))
    Image.fromarray(photo_of(60, 24)).save(tmp_path / "a_back.png")
    Image.fromarray(photo_of(60, 24)).save(tmp_path / "b_other.png")
    Path("photos.csv").write_text("path,view\na_back.png,front\nb_other.png,back\n")
    found = {}
    for name, arguments in {
        "unknown": ("a_back.png", "b_other.png"),
        "path": ("a_back.png", "b_other.png", "--view-from", r"_(\w+)\."),
        "table": ("photos.csv",),
    }.items():
        result = invoke("explain", model, *arguments, "--out", name)
        assert result.exit_code == 0, result.output
        figures = json.loads(Path(name, "explain.json").read_text(encoding="utf-8"))
        found[name] = [(p.get("view"), p["p_defect"]) for p in figures["groups"]["Photos"]]
        said = " ".join(result.output.split())
        count = {"unknown": 2, "path": 1, "table": 0}[name]
        have = "has" if count == 1 else "have"
        text = f"{count} of 2 photos {have} no view that the network knows (front, back)"
        assert (text in said) == (count > 0)
    # Without a view the network decides as for the front, and for the back the other way round.
    front, back = found["table"][0][1], found["table"][1][1]
    assert front == pytest.approx(1 - back, abs=1e-4)
    assert found["table"] == [("front", front), ("back", back)]
    assert found["path"] == [("back", pytest.approx(back)), ("other", pytest.approx(front))]
    assert found["unknown"] == [(None, pytest.approx(front))] * 2


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
        (["one.png", "--view-from", "("], "--view-from"),
    ],
)
def test_wrong_usage_is_named(model: str, arguments: list[str], words: str) -> None:
    result = invoke("explain", model, *arguments)
    assert result.exit_code in (1, 2)
    assert words in " ".join(result.output.split())
    assert not Path("heat-maps").exists()
