"""Deep photos are read as their 8-bit copies: same pixels, same findings, one scale for a run."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.encode import encode, tiff

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.audit.audit import Audit
from fastdefect.data.load import load_training_data, read_and_audit, read_data
from fastdefect.data.settle import as_read
from fastdefect.data.store import PhotoStore
from fastdefect.events import Event, Note, Progress, silent


def _part(index: int, white: int, *, bright: bool) -> np.ndarray:
    """A dark part with grain; of every other one a scratch uses the whole range."""
    rng = np.random.default_rng(index)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (90, 90)).astype(np.float32), (0, 0), 1.2)
    y, x = np.mgrid[:90, :90]
    disc = np.hypot(y - 45 + rng.integers(-4, 5), x - 45 + rng.integers(-4, 5)) < 30
    photo = np.clip(0.08 + 0.02 * grain / grain.std() + 0.05 * disc, 0, 0.2)
    if bright:
        a, b = (tuple(map(int, p)) for p in rng.integers(25, 65, (2, 2)))
        cv2.line(photo, a, b, 0.85, 1)
    return np.rint(photo * white)


def _sets(root: Path, white: int, write: str) -> tuple[Path, Path]:
    """The same photos twice: deep, and as copies of 8 bits."""
    for index in range(28):
        values = _part(index, white, bright=index % 2 == 1)
        name = f"{('ok', 'ng')[index % 2]}/{index}"
        deep = values.astype(np.uint16)
        eight = np.rint(values * (255 / white)).astype(np.uint8)
        data = tiff(deep) if write == "tif" else encode(deep, "PNG")
        for folder, suffix, content in (
            ("deep", write, data),
            ("eight", "png", encode(eight, "PNG")),
        ):
            path = root / folder / f"{name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root / "deep", root / "eight"


def _audit(data: Path) -> tuple[Audit, PhotoStore, list[Event]]:
    events: list[Event] = []
    config = DataConfig(data, image_size=32, parts="none")
    audit, store = read_and_audit(config, seed=1, workers=0, on_event=events.append)
    return audit, store, events


@pytest.mark.parametrize(("white", "write"), [(4095, "tif"), (16383, "png")])
def test_deep_photos_have_no_finding_that_their_8_bit_copies_do_not_have(
    white: int, write: str, tmp_path: Path
) -> None:
    deep, eight = (_audit(data) for data in _sets(tmp_path, white, write))
    np.testing.assert_array_equal(deep[1][np.arange(28)], eight[1][np.arange(28)])
    assert (deep[0].manifest.white, eight[0].manifest.white) == (white, None)
    seen = {(each.kind, each.severity, each.message) for each in eight[0].findings}
    suffix = f".{write}"
    new = [
        each
        for each in deep[0].findings
        if (each.kind, each.severity, each.message.replace(suffix, ".png")) not in seen
    ]
    assert [each.kind for each in new] == ["grey_scale"]
    notes = [event.text for event in deep[2] if isinstance(event, Note)]
    assert sum(f"{white} is white in all of them" in text for text in notes) == 1
    assert sum("90 x 90 -> 32 x 32: 2.8 times" in text for text in notes) == 1
    tasks = {event.task for event in deep[2] if isinstance(event, Progress)}
    assert "reading the scale of deep photos" in tasks
    tasks = {event.task for event in eight[2] if isinstance(event, Progress)}
    assert "reading the scale of deep photos" not in tasks


def test_noise_that_no_model_sees_is_no_shortcut_by_the_size_of_the_file(tmp_path: Path) -> None:
    for index in range(40):
        rng = np.random.default_rng(index)
        base = np.full((40, 40), 20000) + 40 * rng.integers(0, 300, (40, 1))
        noisy = base + rng.integers(0, 60 if index % 2 else 2, base.shape)
        path = tmp_path / ("ok", "ng")[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(noisy.astype(np.uint16), "PNG"))
    sizes = [path.stat().st_size for path in sorted(tmp_path.rglob("*.png"))]
    assert max(sizes) > 1.3 * min(sizes)
    audit, _, _ = _audit(tmp_path)
    assert not [each for each in audit.findings if "size of the file" in each.message]


def test_a_given_white_is_kept_and_no_photo_is_read_twice(tmp_path: Path) -> None:
    data, _ = _sets(tmp_path, 4095, "png")
    events: list[Event] = []
    config = DataConfig(data, image_size=32, parts="none", white=2000)
    loaded = load_training_data(config, seed=1, workers=0, on_event=events.append)
    assert loaded.manifest.white == 2000
    assert {"over_white", "grey_scale"} <= {each.kind for each in loaded.findings}
    assert {event.task for event in events if isinstance(event, Progress)} == {"reading photos"}


def test_what_reads_photos_again_takes_the_run_s_scale_and_never_chooses(tmp_path: Path) -> None:
    data, _ = _sets(tmp_path, 4095, "png")
    config = RunConfig(data=DataConfig(data, image_size=32, parts="none"))
    audit, store = read_and_audit(config.data, seed=1, workers=0, on_event=silent)
    kept = as_read(config, audit.manifest)
    assert kept.data.white == 4095
    brightest = np.full((90, 90), 60000, np.uint16)  # would make another scale of it
    (data / "ok" / "new.png").write_bytes(encode(brightest, "PNG"))
    manifest, again = read_data(kept.data, workers=0, on_event=silent)
    rows = {photo.name: photo.row for photo in manifest.photos}
    for photo in audit.manifest.photos:
        np.testing.assert_array_equal(again[rows[photo.name]], store[photo.row])
    assert [each.paths for each in manifest.findings if each.kind == "over_white"] == [
        ("ok/new.png",)
    ]
    assert read_data(config.data, workers=0, on_event=silent)[0].white is None


def test_photos_with_values_that_are_no_numbers_are_a_warning(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((32, 32), np.float32)
    for index, holes in enumerate((0, 0, 5, 1, 0, 0)):
        path = tmp_path / ("ok", "ng")[index % 2] / f"{index}.tiff"
        path.parent.mkdir(exist_ok=True)
        photo = np.roll(values, index)
        photo[0, :holes] = (np.nan, np.inf, -np.inf, np.nan, np.nan)[:holes]
        path.write_bytes(tiff(photo))
    config = DataConfig(tmp_path, image_size=32, parts="none")
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    (found,) = [each for each in loaded.findings if each.kind == "not_finite"]
    assert found.paths == ("ok/2.tiff", "ng/3.tiff")
    assert "ok/2.tiff (5 values), ng/3.tiff (1 value)" in found.message
    assert loaded.manifest.white == 1
