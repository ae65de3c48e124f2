from collections.abc import Sequence
from pathlib import Path

import pytest

from fastdefect.data.reading.layouts.finder import find_photos

ROOT = Path("/photos of a set")


def found(text: str, photos: Sequence[str]) -> str | None:
    """The photo that is found by the end of the path alone: no folder holds any."""
    paths = find_photos([text], {}, {name: ROOT / name for name in photos}).paths
    path = paths[text]
    return path.relative_to(ROOT).as_posix() if path else None


@pytest.mark.parametrize(
    ("text", "photo"),
    [
        ("C:/photos/img/0.jpg", "img/0.jpg"),
        ("//server/share/img/0.JPG", "Img/0.jpg"),
        ("/photos/img/0", "img/0.jpg"),
        ("../img/./0.jpg", "img/0.jpg"),
        ("img/0.jpg", "2024/line 1/img/0.jpg"),
        ("0.jpg", "line 1/img/0.jpg"),
        ("C:/0.jpg", "img/0.jpg"),
        ("C:/q/crack/0.jpg", "0.jpg"),  # directly beside the table
    ],
)
def test_a_photo_whose_folders_fit_the_path(text: str, photo: str) -> None:
    assert found(text, [photo, "img/1.jpg"]) == photo


@pytest.mark.parametrize(
    ("text", "photo"),
    [
        ("C:/q/crack/0.jpg", "good/0.jpg"),
        ("crack/0.jpg", "good/0.jpg"),
        ("crack/0", "good/0.jpg"),
        ("C:/q/crack/img/0.jpg", "good/img/0.jpg"),
        ("crack/0.jpg", "set/crack/old/0.jpg"),
    ],
)
def test_a_lone_photo_in_folders_that_contradict_the_path_is_not_taken(
    text: str, photo: str
) -> None:
    assert found(text, [photo]) is None


@pytest.mark.parametrize(
    ("photos", "expected"),
    [
        (("0.jpg", "ok/0.jpg", "cam2/ok/0.jpg"), "cam2/ok/0.jpg"),
        (("0.jpg", "ok/0.jpg", "cam1/ok/0.jpg"), "ok/0.jpg"),
        (("cam2/ok/0.jpg", "a/cam2/ok/0.jpg"), "cam2/ok/0.jpg"),
        (("a/x/cam2/ok/0.jpg", "b/x/cam2/ok/0.jpg"), None),  # one of two: not guessed
        (("ok/0.jpg", "ok/0.JPG"), None),
    ],
)
def test_the_photo_that_shares_most_folders_is_taken(
    photos: tuple[str, ...], expected: str | None
) -> None:
    assert found("D:/x/cam2/ok/0.jpg", photos) == expected


def test_the_error_states_what_the_search_asks_for() -> None:
    tried = find_photos(["crack/0.jpg"], {"here": ROOT}, {"good/0.jpg": ROOT / "good/0.jpg"}).tried
    assert tried == (
        f"{ROOT / 'crack/0.jpg'} (here)",
        "a photo named 0.jpg, at any depth, in folders that do not contradict the path (1 photo)",
    )


def test_one_name_in_many_folders() -> None:
    """As a camera names its photos; each path must not be compared with every photo."""
    names = [f"cam{n}/0.jpg" for n in range(300)]
    paths = find_photos([f"C:/q/{n}" for n in names], {}, {n: ROOT / n for n in names}).paths
    assert list(paths.values()) == [ROOT / name for name in names]
