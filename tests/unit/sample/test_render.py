"""The rendered sample: same bytes for the same seed, honest boxes, and no way to cheat."""

import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.rendered import labels

from fastdefect.errors import DataError, UsageError
from fastdefect.sample.render import (
    COLUMNS,
    DEFECTS,
    SampleSettings,
    render_sample,
)

BUNDLED = Path(__file__).parents[3] / "data"


def fingerprint(folder: Path) -> str:
    """Names and bytes of all files under ``folder``."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


# --- the folder ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample") / "made" / "here"
    render_sample(root, SampleSettings(n=23, seed=5, size=48, photos_per_part=2))
    return root


def test_labels_describe_every_photo(folder: Path) -> None:
    rows = labels(folder / "labels.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == sorted(
        path.relative_to(folder).as_posix() for path in (folder / "photos").iterdir()
    )
    assert len(rows) == 23
    assert b"\r" not in (folder / "labels.csv").read_bytes()
    for row in rows:
        photo = cv2.imread(str(folder / row["path"]))
        assert photo.shape == (48, 48, 3)
        assert row["path"] == f"photos/{row['part']}-{row['path'][-5]}.jpg"
        extras = [row[name] for name in COLUMNS[3:]]
        if row["label"] == "good":
            assert extras == [""] * 6
        else:
            assert row["label"] == "defect"
            assert row["defect"] in DEFECTS
            x, y, w, h = (int(value) for value in extras[2:])
            assert 0 <= x < x + w <= 48
            assert 0 <= y < y + h <= 48


def test_photos_of_a_part_share_its_label_and_defect(folder: Path) -> None:
    parts: dict[str, list[dict[str, str]]] = {}
    for row in labels(folder / "labels.csv"):
        parts.setdefault(row["part"], []).append(row)
    assert sorted(len(rows) for rows in parts.values()) == [1] + [2] * 11
    for rows in parts.values():
        assert len({(row["label"], row["defect"], row["difficulty"]) for row in rows}) == 1
    assert sum(rows[0]["label"] == "defect" for rows in parts.values()) == 6


def test_six_defects_are_of_six_types_and_mostly_easy(folder: Path) -> None:
    kinds = {row["part"]: row["defect"] for row in labels(folder / "labels.csv")}
    grades = {row["part"]: row["difficulty"] for row in labels(folder / "labels.csv")}
    assert sorted(kind for kind in kinds.values() if kind) == sorted(DEFECTS)
    assert sorted(grade for grade in grades.values() if grade) == list("111223")


def test_same_seed_gives_same_bytes_in_another_process(folder: Path, tmp_path: Path) -> None:
    # One thread there and all cores here: the number of threads must not matter either.
    code = (
        "import sys, cv2; cv2.setNumThreads(1); from pathlib import Path;"
        "from fastdefect.sample.render import SampleSettings, render_sample;"
        "render_sample(Path(sys.argv[1]), SampleSettings(n=23, seed=5, size=48, photos_per_part=2))"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b")], check=True, cwd=root)
    assert fingerprint(tmp_path / "b") == fingerprint(folder)


def test_another_seed_gives_other_parts(folder: Path, tmp_path: Path) -> None:
    render_sample(tmp_path / "b", SampleSettings(n=4, seed=6, size=48, photos_per_part=2))
    ours = {row["part"] for row in labels(folder / "labels.csv")}
    theirs = {row["part"] for row in labels(tmp_path / "b" / "labels.csv")}
    assert ours.isdisjoint(theirs)


def test_a_smaller_sample_is_a_piece_of_a_larger_one(folder: Path, tmp_path: Path) -> None:
    render_sample(tmp_path / "b", SampleSettings(n=8, seed=5, size=48, photos_per_part=2))
    large = {row["path"]: row for row in labels(folder / "labels.csv")}
    for row in labels(tmp_path / "b" / "labels.csv"):
        assert row == large[row["path"]]
        assert (tmp_path / "b" / row["path"]).read_bytes() == (folder / row["path"]).read_bytes()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.99])
def test_both_classes_are_there_in_the_smallest_sample(tmp_path: Path, share: float) -> None:
    path = render_sample(
        tmp_path, SampleSettings(n=3, seed=0, size=32, photos_per_part=2, defective=share)
    )
    assert {row["label"] for row in labels(path)} == {"good", "defect"}


def test_share_of_defective_parts_is_kept(tmp_path: Path) -> None:
    path = render_sample(
        tmp_path, SampleSettings(n=40, seed=0, size=32, photos_per_part=1, defective=0.2)
    )
    assert sum(row["label"] == "defect" for row in labels(path)) == 8


def test_difficulty_can_be_fixed(tmp_path: Path) -> None:
    path = render_sample(
        tmp_path, SampleSettings(n=12, seed=0, size=32, photos_per_part=1, difficulty=3)
    )
    assert {row["difficulty"] for row in labels(path)} == {"", "3"}


def test_progress_counts_every_photo(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    render_sample(tmp_path, SampleSettings(n=4, seed=0, size=32), lambda *step: seen.append(step))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="is not empty") as caught:
        render_sample(tmp_path, SampleSettings(n=6, seed=0, size=32))
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(DataError, match="is a file"):
        render_sample(tmp_path / "notes.txt", SampleSettings(n=6, seed=0, size=32))
    with pytest.raises(DataError, match="Cannot create"):
        render_sample(tmp_path / "notes.txt" / "below", SampleSettings(n=6, seed=0, size=32))


def test_an_aborted_rendering_has_no_labels_and_is_not_continued(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_sample(tmp_path, SampleSettings(n=6, seed=0, size=32), stop)
    assert len(list((tmp_path / "photos").iterdir())) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    with pytest.raises(DataError):
        render_sample(tmp_path, SampleSettings(n=6, seed=0, size=32))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n": 3}, "at least 4 photos, but got 3"),
        ({"n": 5, "photos_per_part": 5}, "at least 6 photos"),
        ({"photos_per_part": 0}, "at least 1 photo"),
        ({"seed": -1}, "seed of 0 or more"),
        ({"size": 31}, "at least 32 pixels"),
        ({"defective": 0.0}, "greater than 0 and less than 1"),
        ({"defective": float("nan")}, "greater than 0 and less than 1"),
        ({"difficulty": 4}, "difficulty of 1, 2 or 3"),
    ],
)
def test_arguments_out_of_range_are_refused(
    tmp_path: Path, wrong: dict[str, float], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        render_sample(tmp_path / "a", SampleSettings(**({"n": 12, "seed": 0} | wrong)))
    assert not (tmp_path / "a").exists()


# --- the sample that comes with the project --------------------------------------------------


def test_the_bundled_sample_is_whole_and_small() -> None:
    rows = labels(BUNDLED / "labels.csv")
    files = sorted(path.relative_to(BUNDLED).as_posix() for path in (BUNDLED / "photos").iterdir())
    assert [row["path"] for row in rows] == files
    assert len(rows) == 264
    assert len({row["part"] for row in rows}) == 132
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file()) < 3_000_000


def test_the_bundled_sample_matches_its_readme(tmp_path: Path) -> None:
    """Its first two parts, rendered again: not to the byte, as other machines round otherwise."""
    command = "fastdefect sample data --n 264 --seed 1 --size 224 --photos-per-part 2\n"
    assert command in (BUNDLED / "README.md").read_text("utf-8")
    bundled = {row["path"]: row for row in labels(BUNDLED / "labels.csv")}
    for row in labels(
        render_sample(tmp_path, SampleSettings(n=4, seed=1, size=224, photos_per_part=2))
    ):
        theirs = bundled[row["path"]]
        assert [row[name] for name in COLUMNS[:5]] == [theirs[name] for name in COLUMNS[:5]]
        for name in COLUMNS[5:]:
            assert row[name] == theirs[name] or abs(int(row[name]) - int(theirs[name])) <= 1
        ours = cv2.imread(str(tmp_path / row["path"])).astype(int)
        assert np.abs(ours - cv2.imread(str(BUNDLED / row["path"]))).mean() < 1
