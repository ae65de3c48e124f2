"""What a run has learned: which photos it is compared with, and when it is computed again."""

from pathlib import Path

import numpy as np
import pytest
from helpers.made_runs import made_run, split_row
from numpy.typing import NDArray

from fastdefect.errors import DataError, RunError
from fastdefect.events import Event, Note, silent
from fastdefect.inference.outputs import Given, TileFeatures
from fastdefect.inference.unlike import distances, normalised, part_scores, usual
from fastdefect.jobs.trained import reference as job
from fastdefect.run import Run

BLOCKS = (2, 3)
NAMES = [f"good/{i}.png" for i in range(12)]
FEATURES = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)


def _run(tmp_path: Path) -> Run:
    """Eight training photos of four parts, four validation photos of two parts."""
    rows = [
        {**split_row(name, f"part {i // 2}"), "split": "train" if i < 8 else "valid"}
        for i, name in enumerate(NAMES)
    ]
    return made_run(tmp_path / "runs", "x", rows, dict.fromkeys(NAMES, 0.1))


def _built(run: Run, on_event: job.OnEvent = silent) -> job.Learned:
    return job.build_learned(run, NAMES, FEATURES, BLOCKS, alpha=0.01, on_event=on_event)


def _unit() -> NDArray[np.float32]:
    return normalised(FEATURES, BLOCKS).astype(np.float16).astype(np.float32)


def test_validation_parts_calibrate_the_check_and_are_no_reference(tmp_path: Path) -> None:
    events: list[Event] = []
    learned = _built(_run(tmp_path), events.append)
    np.testing.assert_array_equal(learned.reference.features, _unit()[:8])
    found = distances(_unit()[8:], _unit()[:8], BLOCKS)
    expected = (found / np.array(usual(found))).max(axis=1)
    assert learned.distances == dict(zip(NAMES[8:], expected.tolist(), strict=True))
    parts = ["part 4", "part 4", "part 5", "part 5"]
    np.testing.assert_array_equal(learned.reference.scores, part_scores(expected, parts))
    # Two parts can't show a share of one per cent.
    (note,) = events
    assert isinstance(note, Note)
    assert note.text == (
        "Only 2 parts to calibrate: up to 33.3% of new parts go to people as unlike the training "
        "photos. With more parts it is 1.0%."
    )


def test_photos_that_were_trained_on_are_compared_with_other_parts(tmp_path: Path) -> None:
    run = _run(tmp_path)
    run.path("folds.csv").touch()
    learned = _built(run)
    assert len(learned.reference.features) == len(learned.distances) == 12
    others = np.delete(_unit(), [4, 5], axis=0)  # those of the part of photo 4
    alone = distances(_unit()[4:5], others, BLOCKS) / np.array(learned.reference.scales)
    assert learned.distances[NAMES[4]] == pytest.approx(alone.max())


def test_one_part_has_no_other_to_be_compared_with(tmp_path: Path) -> None:
    rows = [{**split_row(name, "part 0"), "split": "train"} for name in NAMES]
    run = made_run(tmp_path / "runs", "x", rows, {})
    with pytest.raises(DataError, match="x has photos of one part"):
        _built(run)


def test_stored_values_are_used_for_the_same_features_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asked = _run(tmp_path), []

    def learn(*args: object, **others: object) -> job.Learned:
        asked.append(args)
        return _built(run)

    def network(pixels: NDArray[np.uint8]) -> Given:
        raise AssertionError("not needed")

    monkeypatch.setattr(job, "learn", learn)
    first = job.learned_for(run, network, BLOCKS, silent)
    again = job.learned_for(run, network, BLOCKS, silent, alpha=0.2)
    assert first is not None
    assert again is not None
    assert len(asked) == 1
    np.testing.assert_array_equal(again.reference.features, first.reference.features)
    assert again.distances == first.distances
    assert again.reference.alpha == 0.2
    job.learned_for(run, network, (1, 4), silent)
    assert len(asked) == 2


def test_without_photos_there_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(*args: object, **others: object) -> job.Learned:
        raise DataError("The photos are gone.", "Restore them.")

    monkeypatch.setattr(job, "learn", learn)
    events: list[Event] = []
    assert (
        job.learned_for(_run(tmp_path), lambda pixels: Given(pixels, pixels), BLOCKS, events.append)
        is None
    )
    (note,) = events
    assert isinstance(note, Note)
    assert note.level == "warning"
    assert "are not detected" in note.text
    assert "Restore them." in note.text


def test_values_that_cannot_be_stored_are_returned_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, events = _run(tmp_path), list[Event]()

    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(job, "learn", lambda *args, **others: _built(run))
    monkeypatch.setattr(job, "write_bytes", refuse)
    learned = job.learned_for(run, lambda pixels: Given(pixels, pixels), BLOCKS, events.append)
    assert learned is not None
    assert learned.distances
    (note,) = events
    assert isinstance(note, Note)
    assert note.level == "warning"
    assert "can't be stored in" in note.text
    assert "Permission denied" in note.text


@pytest.mark.parametrize("name", ["reference.safetensors", "baseline.csv"])
def test_a_damaged_file_of_the_run_can_be_deleted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(tmp_path)
    monkeypatch.setattr(job, "learn", lambda *args, **others: _built(run))
    job.learned_for(run, lambda pixels: Given(pixels, pixels), BLOCKS, silent)
    run.path(name).write_bytes(b"nothing\n1")
    with pytest.raises(RunError, match=name) as caught:
        job.learned_for(run, lambda pixels: Given(pixels, pixels), BLOCKS, silent)
    assert caught.value.hint == "Delete it: it is then written again."


def test_the_worst_tile_counts_and_the_tiles_of_training_photos_are_the_reference(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(1)
    counts = np.ones((12, 3), bool)
    counts[:, 2] = np.arange(12) % 2 == 0
    tiles = TileFeatures(rng.normal(size=(12, 3, 5)).astype(np.float32), counts)
    learned = job.build_learned(
        _run(tmp_path), NAMES, FEATURES, BLOCKS, tiles=tiles, alpha=0.01, on_event=silent
    )
    reference = learned.reference
    assert reference.tiles is not None
    assert len(reference.tiles.features) == counts[:8].sum()
    # By hand: of each validation photo the farthest tile, in usual distances of such tiles.
    far = np.array(
        [
            distances(
                normalised(tiles.features[i][counts[i]], BLOCKS), reference.tiles.features, BLOCKS
            ).max(axis=0)
            for i in range(8, 12)
        ]
    )
    whole = distances(_unit()[8:], _unit()[:8], BLOCKS)
    expected = np.maximum((far / usual(far)).max(axis=1), (whole / usual(whole)).max(axis=1))
    np.testing.assert_allclose(list(learned.distances.values()), expected, atol=1e-5)
    found = reference.distances(FEATURES[8:], TileFeatures(tiles.features[8:], counts[8:]))
    np.testing.assert_allclose(found.photos, expected, atol=1e-3)
    assert found.tiles is not None
    assert (found.tiles[~counts[8:]] == -np.inf).all()


def test_a_stored_reference_without_tiles_is_computed_again_for_a_model_in_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, computed = _run(tmp_path), []

    def learn(*args: object, **others: object) -> job.Learned:
        computed.append(1)
        return _built(run)

    monkeypatch.setattr(job, "learn", learn)
    for in_tiles in (False, False, True):
        job.learned_for(
            run, lambda pixels: Given(pixels, pixels), BLOCKS, silent, in_tiles=in_tiles
        )
    assert len(computed) == 2
