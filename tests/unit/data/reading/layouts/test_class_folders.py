import json
from pathlib import Path

import pytest
from helpers.layouts import lay_out

from fastdefect.config import DataConfig
from fastdefect.data.load import refuse_untrainable
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.errors import DataError


def two_classes(folder: str, start: int = 0) -> dict[str, int]:
    return {f"{folder}/{c}/{start + n}.png": start + n for n, c in enumerate(("crack", "ok"))}


@pytest.mark.parametrize(
    ("names", "sides"),
    [
        (("training", "testing"), {"train", "test"}),
        (("Train", "DEV", "Testing"), {"train", "valid", "test"}),
        (("train", "eval", "tst"), {"train", "valid", "test"}),
        (("trn",), {"train"}),
    ],
)
def test_sides_by_any_usual_name(tmp_path: Path, names: tuple[str, ...], sides: set[str]) -> None:
    for n, name in enumerate(names):
        lay_out(tmp_path, two_classes(name, 10 * n))
    listing = list_photos(tmp_path)
    assert listing.layout == "splits"
    assert listing.classes == ("crack", "ok")
    assert {entry.split for entry in listing.entries} == sides
    assert listing.findings == ()
    assert all(name in listing.seen for name in names)


def test_photos_that_are_left_out_are_a_warning_with_count_and_reason(tmp_path: Path) -> None:
    lay_out(tmp_path, {**two_classes("train"), **two_classes("test", 10), **two_classes("old", 20)})
    lay_out(tmp_path, {"holdout/x.png": 30, "docs/plan.txt": "x"})
    (found,) = list_photos(tmp_path).findings
    assert (found.kind, found.severity, found.value) == ("left_out", "warning", 3)
    assert found.paths == ("holdout/x.png", "old/crack/20.png", "old/ok/21.png")
    assert (
        "3 photos not used, in holdout/, old/: beside the folders test and train" in found.message
    )


def mvtec(root: Path) -> Path:
    files = {f"train/good/{n}.png": n for n in range(3)}
    files |= {f"test/good/{n}.png": 10 + n for n in range(2)}
    files |= {f"test/crack/{n}.png": 20 + n for n in range(2)}
    return lay_out(root, {**files, "ground_truth/crack/0_mask.png!": None})


def test_mvtec_is_recognised_and_refused_before_reading(tmp_path: Path) -> None:
    listing = list_photos(mvtec(tmp_path))
    assert listing.layout == "mvtec"
    assert listing.classes == ("crack", "good")
    assert "MVTec AD" in listing.seen
    assert "1 mask" in listing.seen
    assert listing.findings == ()
    with pytest.raises(DataError, match="train photos do not contain") as caught:
        refuse_untrainable(listing, DataConfig())
    assert "do not contain crack" in caught.value.message
    for flag in ("--learn good", "--resplit"):
        assert flag in caught.value.hint
    refuse_untrainable(listing, DataConfig(learn="good"))
    alone = read_photos(listing, good=("good",), only_good=True)
    assert "absent_class" not in {finding.kind for finding in alone.findings}
    absent = {f.kind: f for f in read_photos(listing, good=("good",)).findings}["absent_class"]
    assert "train photos do not contain crack: a model cannot learn it" in absent.message


def test_resplit_ignores_the_given_sides(tmp_path: Path) -> None:
    listing = list_photos(mvtec(tmp_path), resplit=True)
    assert {entry.split for entry in listing.entries} == {None}
    assert "--resplit ignores its split" in listing.seen
    refuse_untrainable(listing, DataConfig())


def test_train_without_a_class_that_is_not_good(tmp_path: Path) -> None:
    lay_out(tmp_path, {"train/crack/1.png": 1, "train/dent/2.png": 2, "test/ok/3.png": 3})
    with pytest.raises(DataError, match="train photos do not contain ok"):
        refuse_untrainable(list_photos(tmp_path), DataConfig())


def test_train_without_a_spelling_of_a_class_names_the_flag(tmp_path: Path) -> None:
    photos = ("train/crack/1.png", "train/crack/2.png", "train/ok/3.png", "test/Crack/4.png")
    lay_out(tmp_path, {name: number for number, name in enumerate(photos)})
    with pytest.raises(DataError, match="--rename Crack=crack"):
        refuse_untrainable(list_photos(tmp_path), DataConfig())


def test_runs_and_audits_below_the_photos_are_no_classes(tmp_path: Path) -> None:
    lay_out(tmp_path, two_classes("."))
    run = {"run.json": json.dumps({}), "config.toml": "", "evaluation.png": 5}
    lay_out(tmp_path / "runs" / "first", run)
    lay_out(tmp_path / "audit", {"findings.json": "[]", "findings.csv": "", "worst.png": 6})
    listing = list_photos(tmp_path)
    assert listing.classes == ("crack", "ok")
    assert listing.findings == ()


def test_numbered_classes_are_no_sides(tmp_path: Path) -> None:
    lay_out(tmp_path, {"test1/1.png": 1, "test2/2.png": 2})
    assert list_photos(tmp_path).classes == ("test1", "test2")


def test_a_folder_of_data_sets_is_refused(tmp_path: Path) -> None:
    for item in ("bottle", "cable"):
        mvtec(tmp_path / item)
    with pytest.raises(DataError, match="but found 2, each with classes of its own") as caught:
        list_photos(tmp_path)
    assert str(tmp_path / "bottle") in caught.value.hint
    lay_out(tmp_path / "x", {"crack/train/1.png": 1, "ok/train/2.png": 2})
    assert list_photos(tmp_path / "x").classes == ("crack", "ok")


@pytest.mark.parametrize(
    "files",
    [
        {"images/ok/1.png": 1, "images/ng/2.png": 2},
        {"train/images/ok/1.png": 1, "train/images/ng/2.png": 2, "val/images/ng/3.png": 3},
        {"Photos/train/ok/1.png": 1, "Photos/train/ng/2.png": 2},
    ],
)
def test_a_folder_that_is_named_after_photos_is_no_class(
    tmp_path: Path, files: dict[str, int]
) -> None:
    listing = list_photos(lay_out(tmp_path, {**files, "labels/1.xml": "x"}))
    assert listing.classes == ("ng", "ok")
    assert listing.findings == ()
    assert len(listing.entries) == len(files)


def test_sides_in_the_class_folders(tmp_path: Path) -> None:
    photos = [f"{c}/{side}/{c}{side}.png" for c in ("crack", "ok") for side in ("train", "Test")]
    lay_out(tmp_path, {name: number for number, name in enumerate(photos)})
    listing = list_photos(tmp_path)
    assert listing.seen == "Layout: class folders with train and Test (as test)."
    sides = {(entry.label, entry.split) for entry in listing.entries}
    assert sides == {(c, side) for c in ("crack", "ok") for side in ("train", "test")}


def test_one_class_with_other_folders_has_no_sides_in_it(tmp_path: Path) -> None:
    lay_out(tmp_path, {"ok/train/1.png": 1, "ok/test/2.png": 2, "crack/3.png": 3})
    assert {entry.split for entry in list_photos(tmp_path).entries} == {None}


@pytest.mark.parametrize("inner", [("ok", "crack"), ("train/a", "train/b", "test/a", "test/b")])
def test_folders_around_a_data_set_are_passed(inner: tuple[str, ...], tmp_path: Path) -> None:
    photos = [f"archive/castings/{folder}/{n}.png" for n, folder in enumerate(inner)]
    lay_out(tmp_path, {name: number for number, name in enumerate(photos)})
    listing = list_photos(tmp_path)
    assert set(listing.classes) == {folder.rpartition("/")[2] for folder in inner}
    assert " in archive/castings" in listing.seen


def test_a_table_in_a_folder_around_a_data_set_is_not_passed_over(tmp_path: Path) -> None:
    table = "path,label\nok/1.png,ok\ncrack/2.png,crack\n"
    lay_out(tmp_path / "archive", {"ok/1.png": 1, "crack/2.png": 2, "photos.csv": table})
    with pytest.raises(DataError, match="one class folder, archive"):
        list_photos(tmp_path)


def test_a_class_with_folders_is_one_class(tmp_path: Path) -> None:
    lay_out(tmp_path, {"ok/monday/1.png": 1, "ok/tuesday/2.png": 2})
    with pytest.raises(DataError, match="one class folder, ok"):
        list_photos(tmp_path)


def test_data_sets_side_by_side_are_refused(tmp_path: Path) -> None:
    # As the casting photos are downloaded: a set with sides beside one without.
    photos = [
        *(f"data/data/{side}/{c}/1.png" for side in ("train", "test") for c in ("def", "ok")),
        *("512/512/def/1.png", "512/512/ok/1.png"),
    ]
    lay_out(tmp_path, {name: number for number, name in enumerate(photos)})
    with pytest.raises(DataError, match="but found 2, each with classes of its own") as caught:
        list_photos(tmp_path)
    assert str(tmp_path / "512" / "512") in caught.value.hint


def test_an_unknown_table_beside_photos_without_classes_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path, {"img/1.png": 1, "img/2.png": 2, "list.csv": "img/1.png,ok"})
    with pytest.raises(DataError) as caught:
        list_photos(tmp_path)
    assert "list.csv is not used" in caught.value.hint
    assert "img/1.png,ok" in caught.value.hint


def test_other_files_beside_the_sides_in_a_class_folder(tmp_path: Path) -> None:
    photos = [f"{c}/{side}/{c}{side}.png" for c in ("crack", "ok") for side in ("train", "test")]
    lay_out(tmp_path, {name: number for number, name in enumerate(photos)})
    lay_out(tmp_path, {"ok/notes/readme.txt": "x", "ok/plan.txt": "x", "docs/old/a.txt": "x"})
    listing = list_photos(tmp_path)
    assert [entry.name for entry in listing.entries] == sorted(photos)
    (found,) = [each for each in listing.findings if each.kind == "not_a_photo"]
    assert set(found.paths) >= {"ok/notes/readme.txt", "ok/plan.txt"}
