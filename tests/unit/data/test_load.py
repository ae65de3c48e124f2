"""From settings to parts and a split, and what is said of it."""

from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.manifests import manifest, photo, plain

from fastdefect.config import DataConfig
from fastdefect.data.load import (
    choose_parts,
    divide,
    divide_further,
    divide_into_folds,
    list_data,
    load_training_data,
    read_listing,
)
from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.earlier import EarlierSides, KnownPhoto
from fastdefect.data.splitting.folds import Folds
from fastdefect.data.splitting.split import Split, group_parts
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Event, Note, silent


def _texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def _read(config: DataConfig) -> Manifest:
    return read_listing(list_data(config), config, on_event=silent)


def _divide(photos: Manifest, config: DataConfig, **options: Any) -> Split:
    return divide(photos, choose_parts(photos, config), config, **options)


def _fold(photos: Manifest, config: DataConfig, k: int, **options: Any) -> Folds:
    return divide_into_folds(photos, choose_parts(photos, config), config, k, **options)


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve parts, three photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(12, 3), "part")


# ---- where parts come from ---------------------------------------------------------------


def test_parts_of_the_csv(castings: Path) -> None:
    for source in ("auto", "csv"):
        config = DataConfig(castings, parts=source)  # type: ignore[arg-type]
        manifest = _read(config)
        assert choose_parts(manifest, config) == tuple(p.part for p in manifest.photos)


def test_a_pattern_is_ignored_with_parts_csv(castings: Path) -> None:
    config = DataConfig(castings, parts="csv", part_from=r"-(\d)")
    assert len(set(choose_parts(_read(config), config))) == 12


@pytest.mark.parametrize("source", ["auto", "regex"])
def test_parts_by_names(castings: Path, source: Any) -> None:
    config = DataConfig(castings, parts=source, part_from=r"-(\d)")
    assert set(choose_parts(_read(config), config)) == {"0", "1", "2"}


def test_no_parts_but_copies_stay_together(castings: Path) -> None:
    config = DataConfig(castings, parts="none", part_from=r"-(\d)")
    assert len(set(choose_parts(_read(config), config))) == 36
    copies = manifest([*plain(a=3, b=3).photos, photo("copy", "a", "p", sha256="sha of a/0000")])
    parts = choose_parts(copies, DataConfig(parts="none"))
    assert parts[-1] == parts[0] == "a/0000"
    assert len(set(parts)) == 6


def test_a_source_without_parts_is_reported_before_any_photo_is_opened(tmp_path: Path) -> None:
    folder = photo_folder(tmp_path, [(f"{i}.png", "ab"[i % 2]) for i in range(8)])
    for path in folder.glob("*.png"):
        path.write_bytes(b"no photo")
    with pytest.raises(UsageError, match=r"--parts csv .* no row in .* has a part"):
        list_data(DataConfig(folder, parts="csv"))
    with pytest.raises(UsageError, match="needs --part-from"):
        list_data(DataConfig(folder, parts="regex"))
    with pytest.raises(UsageError, match="--parts csv"):
        choose_parts(plain(a=2, b=2), DataConfig(parts="csv"))


def test_the_split_keeps_the_parts_that_were_chosen(castings: Path) -> None:
    by_part = load_training_data(DataConfig(castings), seed=1, workers=0, on_event=silent)
    alone = load_training_data(
        DataConfig(castings, parts="none"), seed=1, workers=0, on_event=silent
    )
    parts = group_parts(by_part.manifest)

    def torn(split: Any) -> int:
        trained = {parts[i] for i in split.train}
        return sum(parts[i] in trained for i in (*split.valid, *split.test))

    assert torn(by_part.split) == 0
    assert torn(alone.split) > 0
    assert len(set(alone.split.parts)) == 36


# ---- what is said ------------------------------------------------------------------------


def test_what_a_plain_split_would_have_leaked_is_reported(castings: Path) -> None:
    config = DataConfig(castings)
    events: list[Event] = []
    _divide(_read(config), config, seed=1, on_event=events.append)
    torn = load_training_data(
        DataConfig(castings, parts="none"), seed=1, workers=0, on_event=silent
    )
    parts = group_parts(torn.manifest)
    trained = {parts[i] for i in torn.split.train}
    held_out = [*torn.split.valid, *torn.split.test]
    leaked = sum(parts[i] in trained for i in held_out)
    assert (
        f"A plain split would have leaked {leaked} of {len(held_out)} held-out photos "
        f"({leaked / len(held_out):.1%}): their parts are also in train."
    ) in _texts(events)
    assert any("Split by parts kept whole (12 parts): train " in text for text in _texts(events))


def test_no_leaks_are_reported_where_each_photo_is_a_part() -> None:
    events: list[Event] = []
    _divide(plain(a=20, b=20), DataConfig(), seed=1, on_event=events.append)
    assert not any("plain split" in text for text in _texts(events))
    assert "Split by parts kept whole (each photo its own part): " in "".join(_texts(events))


def _leaking() -> Manifest:
    return manifest(
        [
            *(
                photo(f"{side}/{c}/{i}", c, split=side)
                for side in ("train", "valid", "test")
                for c in "ab"
                for i in range(4)
            ),
            *(photo(f"p/{side}", "a", part="p", split=side) for side in ("train", "test")),
        ]
    )


def test_what_unleak_removes_is_reported() -> None:
    events: list[Event] = []
    config = DataConfig(unleak=True)
    split = _divide(_leaking(), config, seed=1, on_event=events.append)
    assert len(split.unused) == 1
    text = "\n".join(_texts(events))
    assert "test 9, unused 1." in text
    assert "--unleak removes 1 photo of train" in text
    folds = _fold(_leaking(), config, 3, seed=1, on_event=events.append)
    assert folds.unused == split.unused


def test_folds_are_reported_with_what_is_sealed() -> None:
    events: list[Event] = []
    folds = _fold(_leaking(), DataConfig(), 3, seed=1, on_event=events.append)
    text = "\n".join(_texts(events))
    sizes = ", ".join(str(len(folds.held_out(fold))) for fold in (1, 2, 3))
    assert f"3 folds of whole parts (25 parts): {sizes} photos; test 9, in no fold." in text
    assert "The given train and valid photos are allocated together." in text


def test_too_many_folds_are_an_error_for_people() -> None:
    with pytest.raises(DataError, match="Class a has 3 photos outside the test, but 4 folds"):
        _fold(plain(a=4, b=30), DataConfig(), 4, seed=0, on_event=silent)


# ---- fewer photos to train on ------------------------------------------------------------


def test_photos_per_class_removes_from_train_alone_and_reports_it() -> None:
    events: list[Event] = []
    photos = plain(bad=40, good=20)
    whole = _divide(photos, DataConfig(), seed=3, on_event=silent)
    split = _divide(photos, DataConfig(photos_per_class=15), seed=3, on_event=events.append)
    assert (split.valid, split.test, split.parts) == (whole.valid, whole.test, whole.parts)
    assert set(split.train) < set(whole.train)
    had = len([i for i in whole.train if photos.photos[i].label == "bad"])
    good = len(whole.train) - had
    assert _texts(events)[-1] == (
        f"--photos-per-class 15: training on bad 15 of {had}, good {min(good, 15)} of {good} "
        f"({15 + min(good, 15)} parts). The other train photos are unused."
    )


def test_photos_left_out_for_being_many_are_not_called_leaks() -> None:
    events: list[Event] = []
    config = DataConfig(photos_per_class=2, unleak=True)
    _divide(plain(bad=20, good=20), config, seed=3, on_event=events.append)
    assert not any("--unleak" in text for text in _texts(events))


@pytest.mark.parametrize("unleak", [False, True])
def test_leaks_of_a_continued_run_are_reported_and_unleak_removes_them(unleak: bool) -> None:
    leaking = [photo("good/t", "good", "P"), photo("good/v", "good", "P")]
    photos = manifest([*plain(good=9, crack=9).photos, *leaking])
    known = [KnownPhoto("sha of good/t", None, "train"), KnownPhoto("sha of good/v", None, "valid")]
    events: list[Event] = []
    split = divide_further(
        photos,
        group_parts(photos),
        EarlierSides.of("before", known),
        DataConfig(unleak=unleak),
        seed=1,
        on_event=events.append,
    )
    assert [photos.photos[i].name for i in split.unused] == ["good/t"] * unleak
    says = "--unleak removes 1 photo of train" if unleak else "The parts of 1 photo of train are"
    assert any(text.startswith(says) for text in _texts(events))
