"""Which photos a run knows: its own, by its networks, and those of the runs that it continues."""

from pathlib import Path

import pytest
from helpers.made_runs import made_run, split_row

from fastdefect.config import ModelConfig, TrainingConfig
from fastdefect.data.splitting.earlier import KnownPhoto
from fastdefect.errors import RunError
from fastdefect.evaluation.by_part import Shown
from fastdefect.jobs.training.sides import (
    given_parts,
    keep_known_photos,
    known_photos,
    shown_by,
    views_among,
)
from fastdefect.run import Run

ROWS = [split_row(f"good/{i}.png", f"P{i}") for i in range(4)]
SEALED = split_row("defect/8.png", "P8", "test")
RIGHT = {row["path"]: 0.5 for row in ROWS}


def by_folds(runs: Path, final: str = "folds") -> Run:
    training = TrainingConfig(final=final)  # type: ignore[arg-type]
    run = made_run(runs, final, [*ROWS, SEALED], RIGHT, training=training)
    folds = [{**row, "split": "train", "fold": str(i % 2 + 1)} for i, row in enumerate(ROWS)]
    run.write("folds.csv", [without(row) for row in [*folds, {**SEALED, "fold": ""}]])
    return run


def without(row: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in row.items() if key != "given_part"}


def sides(run: Run, *, whole: bool = False) -> list[str]:
    return [photo.side for photo in known_photos(run, whole=whole)]


def test_the_first_network_of_folds_has_not_seen_its_fold(tmp_path: Path) -> None:
    run = by_folds(tmp_path)
    assert sides(run) == ["valid", "train", "valid", "train", "test"]
    assert sides(run, whole=True) == ["train"] * 4 + ["test"]
    assert sides(by_folds(tmp_path, "refit")) == ["train"] * 4 + ["test"]


def test_a_run_knows_the_photos_of_all_that_it_continues(tmp_path: Path) -> None:
    first = by_folds(tmp_path)
    model = ModelConfig(from_run=first.folder.as_posix())
    second, third = (made_run(tmp_path, name, ROWS[:1], RIGHT, model=model) for name in "ab")
    keep_known_photos(second, first)
    keep_known_photos(third, second)
    own = KnownPhoto(ROWS[0]["sha256"], "P0", "valid")
    assert known_photos(second) == (own, *known_photos(first))
    assert set(known_photos(third)) == set(known_photos(second))
    assert len(known_photos(third)) == 6


def test_a_run_whose_earlier_photos_are_lost_is_refused(tmp_path: Path) -> None:
    run = made_run(tmp_path, "a", ROWS, RIGHT, model=ModelConfig(from_run="gone"))
    with pytest.raises(
        RunError, match="the photos of gone, which a continues, in .*earlier.csv"
    ) as caught:
        known_photos(run)
    assert caught.value.hint == "Restore the file, or the folder gone, from a copy."


def test_a_run_of_an_earlier_version_knows_the_photos_of_the_runs_that_still_exist(
    tmp_path: Path,
) -> None:
    """It has no ``earlier.csv``."""
    first = by_folds(tmp_path)
    second, third = (
        made_run(tmp_path, name, ROWS[:1], RIGHT, model=ModelConfig(from_run=str(tmp_path / of)))
        for name, of in (("second", first.name), ("third", "second"))
    )
    own = KnownPhoto(ROWS[0]["sha256"], "P0", "valid")
    assert known_photos(third) == (own, own, *known_photos(first))
    assert known_photos(third) == (own, *known_photos(second))


def test_parts_that_are_stored_under_one_name_keep_the_names_that_the_user_gave() -> None:
    rows = [split_row("good/1.png", "A"), {**split_row("good/2.png", "A"), "given_part": "B"}]
    assert given_parts(rows) == ["A", "B"]
    assert given_parts([{**rows[0], "given_part": ""}]) == [None]


def test_in_a_split_of_an_earlier_version_a_found_part_has_the_name_of_a_photo() -> None:
    parts = {"good/1": "good/0", "good/2": "./good/0", "good/0": "good/0", "good/3": "P7"}
    rows = [without(split_row(name, part)) for name, part in parts.items()]
    assert given_parts(rows) == [None, None, None, "P7"]


def test_what_photos_show_is_read_from_rows_of_any_version() -> None:
    rows = [
        {**split_row("good/1.png", "A"), "view": "left"},
        {**split_row("good/2.png", "A"), "given_part": "", "view": ""},
    ]
    assert shown_by(rows, ["good/2.png", "good/1.png"]) == Shown(
        ("A", "A"), (False, True), (None, "left")
    )
    old = [
        {"path": path, "part": part} for path, part in (("a.png", "P7"), ("b.png", "b.png"))
    ]  # without the given parts and views
    assert shown_by(old, ["a.png", "b.png"]) == Shown(("P7", "b.png"), (True, False), (None, None))
    with pytest.raises(KeyError):
        shown_by(rows, ["other.png"])


def test_the_views_of_the_training_are_those_of_train() -> None:
    rows = [
        {**split_row(f"good/{i}.png", str(i), side), "view": view}
        for i, (side, view) in enumerate([("train", "top"), ("train", ""), ("valid", "left")])
    ]
    assert views_among(rows) == {"top"}
    assert views_among(rows[2:]) == {"left"}  # all photos were held out in turn
    assert views_among([split_row("good/1.png", "A", "train")]) == frozenset()
