"""The Inspector: each form of a photo, many threads, and its errors."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.bundles import photo_of, tiny_bundle, tiny_reference

from fastdefect import Decision, Inspector
from fastdefect.data.reading.damage import UnreadablePhoto


def _timeless(decisions: list[Decision]) -> list[Decision]:
    return [replace(each, milliseconds=0) for each in decisions]


def test_many_threads_decide_as_one(tmp_path: Path) -> None:
    inspector = Inspector(tiny_bundle(tmp_path / "model.fdb", reference=tiny_reference()))
    photos = []
    for number in range(40):
        photos.append(str(tmp_path / f"{number}.png"))
        cv2.imwrite(photos[-1], photo_of(5 * number + 20, 24))
    expected = _timeless(inspector.inspect(photos))
    assert len({each.probability for each in expected}) == len(photos)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert _timeless(list(pool.map(inspector.inspect, photos))) == expected


def test_the_score_of_one_photo_is_that_among_many() -> None:
    reference = tiny_reference()
    features = np.random.default_rng(0).random((20, 4), np.float32)
    alone = [reference.score(features[i : i + 1])[0] for i in range(20)]
    np.testing.assert_allclose(alone, reference.score(features), rtol=1e-4)


def test_each_form_of_a_photo_gives_the_same_decision(tmp_path: Path) -> None:
    inspector = Inspector(tiny_bundle(tmp_path / "model.fdb"))
    path, pixels = tmp_path / "photo.png", photo_of(200, 24)
    cv2.imwrite(str(path), pixels)
    data = path.read_bytes()
    forms = [path, str(path), data, bytearray(data), memoryview(data), pixels, pixels[:, :, 0]]
    first, *others = _timeless(inspector.inspect(forms))
    assert first.decision == "OK"
    assert others == [first] * 6
    assert inspector.inspect([]) == []


def test_what_is_no_photo_is_an_error(tmp_path: Path) -> None:
    inspector = Inspector(tiny_bundle(tmp_path / "model.fdb"))
    with pytest.raises(UnreadablePhoto):
        inspector.inspect(b"no photo")
    with pytest.raises(UnreadablePhoto, match="no such file"):
        inspector.inspect(tmp_path / "none.png")
    with pytest.raises(ValueError):
        inspector.inspect(np.zeros((4, 4, 2), np.uint8))
