import re
from pathlib import Path

import pytest
from helpers.layouts import lay_out

from fastdefect.data.reading.layouts.names import propose_pattern
from fastdefect.data.reading.manifest import list_photos
from fastdefect.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("pattern", "labels"),
    [
        ("[A-Z]+", ["NG", "OK", "OK"]),
        (r"([A-Z]+)_\d", ["NG", "OK", "OK"]),
        (r"(x)?(?P<label>[A-Z]+)_(\d)", ["NG", "OK", "OK"]),
    ],
)
def test_labels_from_names(tmp_path: Path, pattern: str, labels: list[str]) -> None:
    lay_out(tmp_path, {"OK_1.png": 1, "NG_2.png": 2, "sub/OK_3.png": 3})
    listing = list_photos(tmp_path, label_from=pattern)
    assert listing.layout == "names"
    assert [entry.label for entry in listing.entries] == labels
    assert {entry.split for entry in listing.entries} == {None}


def test_names_that_do_not_match_are_a_warning(tmp_path: Path) -> None:
    lay_out(tmp_path, {"OK_1.png": 1, "NG_2.png": 2, "7.png": 3})
    (found,) = list_photos(tmp_path, label_from="[A-Z]+").findings
    assert (found.kind, found.severity, found.paths) == ("no_label", "warning", ("7.png",))
    assert "1 of 3 names do not match --label-from" in found.message


def test_sides_and_masks_with_labels_in_names(tmp_path: Path) -> None:
    files = {"train/OK_1.png": 1, "train/NG_2.png": 2, "test/OK_3.png": 3}
    listing = list_photos(
        lay_out(tmp_path, {**files, "train/NG_2_mask.png!": None}), label_from="OK|NG"
    )
    assert [(e.name, e.split) for e in listing.entries] == [
        ("test/OK_3.png", "test"),
        ("train/NG_2.png", "train"),
        ("train/OK_1.png", "train"),
    ]
    assert listing.entries[1].mask == tmp_path / "train/NG_2_mask.png"


def test_labels_from_names_of_a_table(tmp_path: Path) -> None:
    files = {"OK_1.png": 1, "NG_2.png": 2, "photos.csv": "path,part\nOK_1.png,a\nNG_2.png,b\n"}
    listing = list_photos(lay_out(tmp_path, files), label_from="[A-Z]+")
    assert [(e.label, e.part) for e in listing.entries] == [("NG", "b"), ("OK", "a")]


def test_bad_patterns(tmp_path: Path) -> None:
    lay_out(tmp_path, {"OK_1.png": 1})
    with pytest.raises(UsageError, match="--label-from, but .* is not valid"):
        list_photos(tmp_path, label_from="(")
    with pytest.raises(DataError, match="--label-from 'x' to match file names"):
        list_photos(tmp_path, label_from="x")


@pytest.mark.parametrize(
    "name",
    [
        "{label}_{n}.png",
        "{label}{n}.png",
        "{n}_{label}.png",
        "{n}-{label}-cam1.png",
        "line2_part{n}_{label}.png",
        "shift/{label}_{n}.png",
        "part{n}.{label}.png",
    ],
)
def test_the_error_proposes_a_pattern_that_fits(tmp_path: Path, name: str) -> None:
    names = [name.format(label=("OK", "crack")[n % 2], n=n) for n in range(8)]
    lay_out(tmp_path, {each: n for n, each in enumerate(names)})
    pattern = propose_pattern(names)
    found = [re.search(pattern, each)[1] for each in names]
    assert found == ["OK", "crack"] * 4
    with pytest.raises(DataError) as caught:
        list_photos(tmp_path)
    assert f"--label-from '{pattern}'" in caught.value.hint
    assert list_photos(tmp_path, label_from=pattern).classes == ("OK", "crack")


def test_no_pattern_for_names_without_labels() -> None:
    assert propose_pattern([f"IMG_{n}.jpg" for n in range(9)]) is None
    assert propose_pattern([f"{n:03d}.jpg" for n in range(9)]) is None


def test_a_table_of_something_else_does_not_replace_the_pattern(tmp_path: Path) -> None:
    files = {"monday/OK_1.png": 1, "tuesday/NG_2.png": 2, "lots.csv": "id,lot\n7,A\n8,B\n"}
    lay_out(tmp_path, files)
    listing = list_photos(tmp_path, label_from="(OK|NG)_")
    assert listing.classes == ("NG", "OK")
    assert "lots.csv is not used" in listing.seen
