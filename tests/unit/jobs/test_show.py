"""One photo in the terminal: its decision and the place of the evidence."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.bundles import photo_of, tiny_bundle, viewed_bundle
from helpers.cli import invoke

from fastdefect.errors import DataError
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.jobs.explaining.explainer import Explainer, bundle_explainer
from fastdefect.jobs.show import show


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "m.fdb")


@pytest.fixture
def explainer(bundle: Path) -> Explainer:
    return bundle_explainer(bundle_scorer(read_bundle(bundle), "m.fdb"), "auto", None)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Grey, with a dark place in its upper left corner: the network decides by the brightness."""
    pixels = photo_of(120, 48)
    pixels[3:15, 3:15] = 0
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), pixels)
    return path


def test_the_decision_and_the_place_are_said(explainer: Explainer, photo: Path) -> None:
    shown = show(explainer, photo)
    decision, place = shown.lines()
    assert decision.startswith(f"{photo}: ")
    assert decision.endswith(", by m.fdb")
    assert place.startswith("Evidence for defect: upper left, ")
    assert shown.as_json()["where"].startswith("upper left, ")
    overlay = shown.photo.overlay().astype(int)
    coloured = overlay.max(axis=2) - overlay.min(axis=2)
    assert coloured[3:15, 3:15].mean() > 5 * coloured[30:, 30:].mean()


def test_the_view_is_given_or_in_the_name(tmp_path: Path, photo: Path) -> None:
    bundle = viewed_bundle(tmp_path / "v.fdb", view_from=r"^(front|back)_")
    explainer = bundle_explainer(bundle_scorer(read_bundle(bundle), "v.fdb"), "auto", None)
    named = photo.rename(tmp_path / "back_1.png")
    back, front = show(explainer, named), show(explainer, named, "front")
    assert back.photo.probability == pytest.approx(1 - front.photo.probability, abs=1e-4)
    assert len(back.lines()) == len(front.lines()) == 2
    assert not np.array_equal(back.photo.overlay(), front.photo.overlay())
    unknown = show(explainer, named.rename(tmp_path / "a.png"))
    assert unknown.photo.probability == pytest.approx(front.photo.probability, abs=1e-4)
    assert "Decided without a view: the network knows front, back." in unknown.lines()[-1]
    result = invoke("show", str(tmp_path / "a.png"), "--model", str(bundle), "--view", "back")
    assert result.exit_code == 0, result.output
    assert "without a view" not in result.output


def test_no_photo_is_an_error(explainer: Explainer, tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"no photo")
    for name, reason in (("b.png", "not an image"), ("c.png", "no such file")):
        with pytest.raises(DataError, match=f"it can't be read: {reason}"):
            show(explainer, tmp_path / name)
    with pytest.raises(DataError, match="but it is a folder"):
        show(explainer, tmp_path)


def test_the_command_prints_lines_in_a_pipe_and_json(bundle: Path, photo: Path) -> None:
    plain = invoke("show", str(photo), "--model", str(bundle))
    assert plain.exit_code == 0, plain.stderr
    assert "Evidence for defect: upper left" in plain.stdout
    assert "▀" not in plain.stdout
    events = invoke("show", str(photo), "--model", str(bundle), "--json").stdout.splitlines()
    found = json.loads(events[-1])
    assert (found["event"], found["target"], found["method"]) == (
        *("show", "defect"),
        "occlusion, places filled in",
    )
    assert np.isfinite(found["p_defect"])
