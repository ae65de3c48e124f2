"""``fastdefect explain`` with a network that counts white pixels, and a bundle."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.bundles import tiny_bundle
from helpers.explained import SIZE, predictor_of, spot_network, spotted
from helpers.made_runs import made_run, split_row
from PIL import Image

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.reading.unlabelled import Sources
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.jobs.explain import Asked, Explanation, explain_bundle, explain_run
from fastdefect.jobs.trained import heat_maps as of_run
from fastdefect.jobs.trained.heat_maps import heat_maps
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run
from fastdefect.training.learner import ModelSpec

# What the run says of its photos: an escape, an overkill, and decisions that are right.
P_DEFECT = {
    "defect/a.png": 0.2,
    "defect/b.png": 0.9,
    "defect/c.png": 0.99,
    "good/d.png": 0.7,
    "good/e.png": 0.01,
    "good/f.png": 0.3,
}
BOXED = "path,label,part,x,y,w,h\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run on white squares, with boxes, and the network that counts white pixels."""
    rows, lines = [], []
    for number, name in enumerate(P_DEFECT):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        at = (16 * (number % 3), 16 * (number // 3))
        Image.fromarray(spotted(*at, side=16)).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({**split_row(name, f"part-{number}"), "sha256": digest})
        box = f"{at[1]},{at[0]},16,16" if name.startswith("defect") else ",,,"
        lines.append(f"{name},{name.partition('/')[0]},part-{number},{box}")
    labels = tmp_path / "data" / "labels.csv"
    labels.write_text(BOXED + "\n".join(lines) + "\n")
    made = made_run(tmp_path / "runs", "r", rows, P_DEFECT, data=labels.parent)
    steps = Preprocessing(SIZE, "squish", (0.0,) * 3, (1.0,) * 3)
    spec = ModelSpec("tiny", ("defect", "good"), ("good",), steps)
    loaded = (predictor_of(spot_network()), spec)
    monkeypatch.setattr(of_run, "load_network", lambda run, device: loaded)
    return made


def _explained(run: Run, asked: Asked | None = None) -> Explanation:
    return explain_run(run, Request(device="cpu"), asked or Asked(each=2), on_event=silent)


def test_mistakes_and_examples_are_explained(run: Run) -> None:
    found = _explained(run)
    named = {title: [photo.name for photo in photos] for title, photos in found.groups}
    assert named == {
        "Escapes: defects passed as good": ["defect/a.png"],
        "Overkills: good parts rejected": ["good/d.png"],
        "Least sure": ["good/d.png", "good/f.png"],
        "Surest, defect": ["defect/c.png", "defect/b.png"],
        "Surest, good": ["good/e.png", "good/f.png"],
    }
    for file in found.files:
        assert file.stat().st_size > 100
    sizes = []
    for file in (run.folder / "explain-valid" / "sheet-1.png", found.files[2]):
        with Image.open(file) as picture:
            sizes.append(picture.width)
    assert sizes[0] >= 900
    assert sizes[1] >= 2 * SIZE
    assert (
        json.loads(((run.folder / "explain-valid") / "explain.json").read_text())["method"]
        == "hires-cam"
    )


def test_the_checks_use_the_boxes(run: Run) -> None:
    found = _explained(run)
    assert found.checks is not None
    game = found.checks.pointing["map"]
    assert (game.hits, game.n) == (2, 2)  # the two defects that are found
    assert found.checks.n_removed == 2
    assert "hits of the marked defect" in str(found)


def test_a_photo_in_two_groups_is_computed_once(run: Run) -> None:
    found = _explained(run)
    pictures = [file for file in found.files if file.parent.name == "photos"]
    assert len(pictures) == len({p.name for _, photos in found.groups for p in photos})


def test_a_map_that_does_not_pass_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    monkeypatch.setattr(
        "fastdefect.jobs.explaining.explanation.with_legend",
        lambda photo, values, lines, *, full, warning: warned.append(warning) or photo,
    )
    monkeypatch.setattr("fastdefect.jobs.explaining.checked.likeness", lambda one, other: 0.9)
    found = _explained(run)
    assert warned
    assert all("random weights" in each for each in warned)
    assert "do not pass" in str(found)


def test_the_sealed_test_is_not_opened(run: Run) -> None:
    with pytest.raises(RunError, match="sealed"):
        explain_run(run, Request(split="test", device="cpu"), Asked(), on_event=silent)
    assert run.read_openings() == []
    assert not (run.folder / "explain-valid").exists()


def test_heat_maps_by_name_and_missing_photos(run: Run) -> None:
    (run.read_config().data.data / "good/e.png").unlink()
    heard: list[Event] = []
    names = ["good/e.png", "defect/b.png"]
    found = heat_maps(run, Request(device="cpu"), names, heard.append)
    assert [*found] == ["defect/b.png"]
    values = found["defect/b.png"].values
    assert (values.shape, values.dtype, values.max()) == ((SIZE, SIZE), np.float32, 1)
    assert any(isinstance(each, Note) and "good/e.png" in each.text for each in heard)


@pytest.mark.parametrize("method", ["patch-scores", "occlusion", "grad-cam"])
def test_other_methods(run: Run, method: str) -> None:
    assert _explained(run, Asked(method=method, each=1)).method.name == method


def test_an_unknown_method_lists_the_others(run: Run) -> None:
    with pytest.raises(UsageError, match="hires-cam"):
        _explained(run, Asked(method="gradcam"))


def test_a_bundle_is_explained_by_its_outputs(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "m.fdb")
    photo = np.full((24, 40, 3), 220, np.uint8)
    photo[:, :12] = 10  # the tiny network takes dark for a crack
    Image.fromarray(photo).save(tmp_path / "one.png")
    (tmp_path / "two.png").write_bytes(b"no photo")
    sources = Sources.of([str(tmp_path / "one.png"), str(tmp_path / "two.png")])
    scorer = bundle_scorer(read_bundle(bundle), "m", threads=1)
    found = explain_bundle(scorer, sources, Asked(out=tmp_path / "out"), on_event=silent)
    ((_, (shown,)),) = found.groups
    assert shown.map.values.shape == (24, 40)
    assert shown.map.place.x < 0.5
    assert found.checks is None
    assert [file.exists() for file in found.files] == [True, True]


def test_a_bundle_has_no_gradients(tmp_path: Path) -> None:
    scorer = bundle_scorer(read_bundle(tiny_bundle(tmp_path / "m.fdb")), "m", threads=1)
    with pytest.raises(UsageError, match="reads maps inside"):
        explain_bundle(scorer, Sources(()), Asked(method="grad-cam"), on_event=silent)
    with pytest.raises(DataError, match="could read none"):
        explain_bundle(scorer, Sources(()), Asked(out=tmp_path / "out"), on_event=silent)
