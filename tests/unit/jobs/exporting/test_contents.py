"""What a bundle has beside its network, from the photos of a run that was never trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.bundles import photo_of, tiny_bundle
from helpers.exports import even, made_model, validation_photos

from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.errors import DataError
from fastdefect.events import Event, Progress, silent
from fastdefect.inference.bundle import read_bundle
from fastdefect.jobs.exporting import contents
from fastdefect.jobs.exporting.contents import calibration_photos, example_files, examples_of


def test_only_the_training_photos_that_are_used_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_CALIBRATION", 3)
    reads: list[Path] = []
    read = contents.read_photo

    def counted(path: Path, *others: Any) -> np.ndarray:
        reads.append(path)
        return read(path, *others)

    monkeypatch.setattr(contents, "read_photo", counted)
    events: list[Event] = []
    found = calibration_photos(made_model(tmp_path, train=8, valid=4), events.append)
    assert len(found) == len(reads) == len({*reads}) == 3
    for path, (pixels,) in zip(reads, found, strict=True):
        assert int(path.stem) < 8  # the others are validation photos
        np.testing.assert_array_equal(pixels[0], photo_of(10 + int(path.stem)))
    assert events[-1] == Progress("reading training photos for int8", 3, 3)


def test_an_unreadable_training_photo_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *others: Any) -> np.ndarray:
        raise UnreadablePhoto(path, "it is cut")

    monkeypatch.setattr(contents, "read_photo", refuse)
    with pytest.raises(DataError, match=r"training photo (defect|good)/\d.png, but: it is cut"):
        calibration_photos(made_model(tmp_path), silent)


def test_missing_training_photos_are_named(tmp_path: Path) -> None:
    model = made_model(tmp_path)
    (tmp_path / "data/defect/0.png").unlink()
    with pytest.raises(DataError, match=r"1 missing or unreadable: defect/0.png"):
        calibration_photos(model, silent)


def test_a_name_with_control_characters_is_escaped(tmp_path: Path) -> None:
    name = "good/a\x1b[31m\nb\udcff.png"
    photos = validation_photos(tmp_path, [name])
    (example,) = examples_of(photos, 1, even(1))
    assert example.path == r"good/a\x1b[31m\nb\udcff.png"
    path = tiny_bundle(tmp_path / "x.fdb", files=example_files(photos, 1), examples=(example,))
    assert read_bundle(path).card.examples == (example,)


@pytest.mark.parametrize("suffix", [".PNG", ".png~", ".a longer one", ""])
def test_an_example_has_a_name_that_readers_accept(suffix: str, tmp_path: Path) -> None:
    photos = validation_photos(tmp_path, [f"good/a{suffix}"])
    files = example_files(photos, 1)
    path = tiny_bundle(tmp_path / "x.fdb", files=files, examples=examples_of(photos, 1, even(1)))
    (example,) = read_bundle(path).card.examples
    assert read_bundle(path).files[example.file] == photos.photos[0].path.read_bytes()


def test_examples_are_spread_over_the_photos(tmp_path: Path) -> None:
    photos = validation_photos(tmp_path, [f"good/{i}.png" for i in range(9)])
    chosen = examples_of(photos, 3, even(9))
    assert [each.path for each in chosen] == ["good/0.png", "good/4.png", "good/8.png"]
    assert [each.file for each in chosen] == list(example_files(photos, 3))
    assert len(examples_of(photos, 20, even(9))) == 9
