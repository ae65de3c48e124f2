"""Many photos: their order, errors, memory, and one result for both ways to run a network."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.bundles import photo_of, tiny_bundle
from numpy.typing import NDArray

from fastdefect.inference import stream
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.outputs import Outputs
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import decide_all


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    path = tiny_bundle(tmp_path_factory.mktemp("bundle") / "x.fdb")
    return bundle_scorer(read_bundle(path), "x", threads=1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """40 photos, brighter and brighter; one is damaged and one is missing."""
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{i:02}.png" for i in range(40)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), photo_of(6 * i))
    paths[7].write_bytes(paths[7].read_bytes()[:40])
    paths[23].unlink()
    return paths


@pytest.mark.parametrize("threads", [1, 3, None])
def test_both_ways_decide_alike_in_order(
    scorer: Scorer, photos: list[Path], threads: int | None
) -> None:
    found = [
        list(decide_all(replace(scorer, concurrent=way), photos, lambda p: p, threads=threads))
        for way in (True, False)
    ]
    for each in found:
        assert [done.item for done in each] == photos
        assert [i for i, done in enumerate(each) if done.decision is None] == [7, 23]
        assert "truncated" in each[7].error
        assert each[23].error == "no such file"
    for alone, batch in zip(*found, strict=True):
        if alone.decision and batch.decision:
            assert dict(batch.decision.probabilities) == pytest.approx(
                alone.decision.probabilities, abs=1e-4
            )
            assert batch.decision.milliseconds > 0


@pytest.mark.parametrize("concurrent", [True, False])
def test_photos_are_read_only_a_little_ahead(
    scorer: Scorer, photos: list[Path], concurrent: bool
) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield photos[0]

    done = decide_all(replace(scorer, concurrent=concurrent), endless(), lambda p: p, threads=2)
    for _ in range(100):
        next(done)
    done.close()
    assert taken < 200


def test_an_error_of_the_network_is_not_hidden(scorer: Scorer, photos: list[Path]) -> None:
    def broken(pixels: object) -> None:
        raise RuntimeError("the network")

    for concurrent in (True, False):
        bad = replace(scorer, network=broken, concurrent=concurrent)
        with pytest.raises(RuntimeError, match="the network"):
            list(decide_all(bad, photos[:3], lambda p: p, threads=2))


def test_no_photos_give_no_decisions(scorer: Scorer) -> None:
    assert list(decide_all(scorer, [], lambda p: p)) == []


@pytest.mark.parametrize(
    ("cores", "shared", "expected"), [(8, False, 8), (8, True, 4), (2, True, 2)]
)
def test_as_many_threads_as_are_fastest(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch, cores: int, shared: bool, expected: int
) -> None:
    running, lock = [0], threading.Lock()

    def network(pixels: NDArray[np.uint8]) -> Outputs:
        """More than four at a time disturb one another, if they share cores."""
        with lock:
            running[0] += 1
            crowded = shared and running[0] > 4
        time.sleep(0.02 if crowded else 0.002)
        with lock:
            running[0] -= 1
        return Outputs(np.ones((1, 2)))

    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr(stream, "_TRIAL", 0.1)
    assert stream.fastest_workers(replace(scorer, network=network)) == expected
    assert stream.fastest_workers(replace(scorer, network=network, concurrent=False)) == cores
