"""Bundles of models in tiles: which tile decided, in programs, in ``predict`` and at a line."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.bundles import (
    p_crack,
    strip_of,
    tiled_bundle,
    tiled_network,
    tiny_bundle,
    tiny_card,
)
from helpers.cli import invoke
from helpers.serving import line

from fastdefect.errors import BundleError
from fastdefect.files import read_csv
from fastdefect.inference.inspector import Inspector

BRIGHT, DARK = 200, 60


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiled_bundle(tmp_path_factory.mktemp("tiled") / "tiny.fdb")


def test_the_darkest_tile_decides_and_its_place_is_named(bundle: Path) -> None:
    found = Inspector(bundle).inspect(strip_of(BRIGHT, BRIGHT, 120, BRIGHT))
    assert found.tile is not None
    box = (found.tile.x, found.tile.y, found.tile.width, found.tile.height)
    assert box == (31, 0, 18, 16)
    assert found.tile.probability == pytest.approx(found.probability)
    # Two of its eighteen columns are of the brighter neighbour.
    assert p_crack(135) < found.probability < p_crack(118)


def test_one_strange_tile_makes_a_photo_unlike(bundle: Path) -> None:
    """A tile of another colour; the mean over all tiles is less strange than it."""
    strip = strip_of(*(4 * [BRIGHT]))
    inspector = Inspector(bundle)
    assert not inspector.inspect(strip).unlike
    strip[:, 48:, 0] = 90
    found = inspector.inspect(strip)
    assert (found.decision, found.unlike) == ("look", True)
    assert found.tile is not None
    assert found.tile.x == 46
    assert found.tile.distance == found.distance


def test_a_bundle_of_before_decides_alike_and_names_no_tile(bundle: Path, tmp_path: Path) -> None:
    strip = strip_of(BRIGHT, DARK, BRIGHT, BRIGHT)
    before = Inspector(tiled_bundle(tmp_path / "old.fdb", by_tile=False)).inspect(strip)
    assert before.tile is None
    assert "tile" not in before.as_json()
    assert before.probability == pytest.approx(Inspector(bundle).inspect(strip).probability)


def test_a_network_without_the_outputs_of_the_card_is_refused(tmp_path: Path) -> None:
    card = tiny_card()
    wrong = tiny_bundle(
        tmp_path / "x.fdb",
        network=tiled_network(by_tile=False),
        facts_of_network=card.network.model_copy(update={"by_tile": True}),
        photos=card.photos.model_copy(update={"tiles": 4}),
    )
    with pytest.raises(BundleError, match="expected outputs of shapes"):
        Inspector(wrong)


def test_predict_writes_the_tile_and_explain_marks_it(bundle: Path, tmp_path: Path) -> None:
    strip = strip_of(BRIGHT, BRIGHT, BRIGHT, 110)
    photo = tmp_path / "strip.png"
    cv2.imwrite(str(photo), strip)
    for suffix in ("csv", "jsonl"):
        done = invoke("predict", bundle, photo, "--out", tmp_path / f"rows.{suffix}")
        assert done.exit_code == 0, done.output
    (row,) = read_csv(tmp_path / "rows.csv")
    place = [row[f"tile_{name}"] for name in ("x", "y", "width", "height")]
    assert place == ["46", "0", "18", "16"]
    assert float(row["tile_p_defective"]) == pytest.approx(float(row["p_defective"]))
    (read,) = map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    assert read["tile_x"] == 46
    if importlib.util.find_spec("pyarrow") is not None:
        table = tmp_path / "rows.parquet"
        assert invoke("predict", bundle, photo, "--out", table).exit_code == 0
        (kept,) = __import__("pyarrow.parquet").parquet.read_table(table).to_pylist()
        assert (kept["tile_x"], kept["tile_p_defective"]) == (46, read["tile_p_defective"])
    done = invoke("explain", bundle, photo, "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.output
    (found,) = json.loads((tmp_path / "maps" / "explain.json").read_text())["groups"]["Photos"]
    assert found["tile"] == {"x": 46, "y": 0, "width": 18, "height": 16}
    shown = invoke("show", photo, "--model", bundle)
    assert "framed: 18 x 16 pixels at x 46, y 0." in " ".join(shown.output.split())


def test_a_line_keeps_the_tile_and_frames_it(tmp_path: Path) -> None:
    tiled_bundle(tmp_path / "tiny.fdb")
    photo = bytes(cv2.imencode(".png", strip_of(BRIGHT, DARK, BRIGHT, BRIGHT))[1])
    with line(tmp_path) as at:
        answer = at.client.post("/inspect", files=[("photo", ("strip.png", photo))]).json()
        (found,) = answer["photos"]
        assert (found["tile"]["x"], found["tile"]["width"]) == (15, 18)
        assert at.client.get(f"/inspections/{answer['id']}").json()["photos"] == [found]
        picture = at.client.get(f"/photos/{found['sha256']}/heatmap").content
    shown = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[:2] == (16, 64)
