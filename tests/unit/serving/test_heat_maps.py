"""Heat maps at the line: made once, one at a time, and only by the bundle that decided."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.serving import DARK, GREY, Line, banded_bundle, line

from fastdefect.serving import heat_maps


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as opened:
        yield opened


def _place(at: Line) -> tuple[str, str]:
    """The page of a part, and the address of the map of its photo."""
    found = at.inspect(DARK)
    return f"/parts/{found['id']}", f"/photos/{found['photos'][0]['sha256']}/heatmap"


def test_a_map_is_a_jpeg_and_is_made_once(at: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    _, address = _place(at)
    answer = at.client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (16, 16, 3)
    monkeypatch.setattr(heat_maps, "picture_of", None)  # it would be called for another map
    assert at.client.get(address).content == answer.content


def test_the_dark_place_of_a_bright_photo_is_the_evidence(at: Line) -> None:
    """The tiny network decides by the mean brightness: a dark place speaks for a crack."""
    photo = np.full((16, 16, 3), GREY, np.uint8)
    photo[2:7, 2:7] = 0
    data = bytes(cv2.imencode(".png", photo)[1])
    picture = heat_maps.picture_of(at.engine.loaded.scorer, data, at.engine.gate).astype(int)
    coloured = picture.max(axis=2) - picture.min(axis=2)
    assert coloured[2:7, 2:7].mean() > 5 * coloured[9:, 9:].mean()


def test_the_page_of_a_part_shows_it_if_its_bundle_still_decides(at: Line) -> None:
    page, address = _place(at)
    assert address in at.client.get(page).text
    banded_bundle(at.bundle, threshold=0.0001)
    assert at.client.post("/reload").status_code == 200
    assert address not in at.client.get(page).text


def test_an_unknown_photo_and_a_queue_that_is_too_long_are_problems(
    at: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = _place(at)
    assert at.client.get(f"/photos/{'0' * 64}/heatmap").status_code == 404
    monkeypatch.setattr(heat_maps, "_PATIENCE", 0.01)
    with at.client.app.state.desk.heat_maps._turn:  # type: ignore[attr-defined]
        busy = at.client.get(address)
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "5")
    assert "one is made at a time" in busy.json()["detail"]


def test_the_queue_shows_no_map(at: Line) -> None:
    at.inspect(GREY)
    at.client.cookies.set("person", "Ines")
    assert "heatmap" not in at.client.get("/review").text
