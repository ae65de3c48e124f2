"""The split alone, for other tools: a CSV and a table, without torch."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from helpers.cli import invoke
from helpers.folders import castings_of, photo_folder

from fastdefect.files import read_csv


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(20, 3), "part")


def test_a_split_is_written_and_shown(castings: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "split.csv"
    result = invoke("split", str(castings), "--out", str(out), "--valid", "0.2", "--test", "0.2")
    assert result.exit_code == 0, result.output
    rows = read_csv(out)
    assert list(rows[0]) == ["path", "label", "part", "split", "sha256"]
    assert Counter(row["split"] for row in rows) == {"train": 36, "valid": 12, "test": 12}
    assert len({(row["part"], row["split"]) for row in rows}) == 20
    for text in ("12 (4)", "36 (12)", "60 (20)", "A plain split would have leaked", str(out)):
        assert text in result.output


def test_folds_are_written_and_shown(castings: Path, tmp_path: Path) -> None:
    out = tmp_path / "folds.csv"
    result = invoke("split", str(castings), "--out", str(out), "--folds", "4", "--test", "0.2")
    assert result.exit_code == 0, result.output
    rows = read_csv(out)
    assert list(rows[0]) == ["path", "label", "part", "split", "sha256", "fold"]
    assert Counter(row["fold"] for row in rows) == {"": 12, **dict.fromkeys("1234", 12)}
    assert {row["split"] for row in rows if row["fold"]} == {"train"}
    assert {row["split"] for row in rows if not row["fold"]} == {"test"}
    assert "fold" in result.output


def test_the_same_test_is_sealed_with_and_without_folds(castings: Path, tmp_path: Path) -> None:
    sealed = []
    for extra in ([], ["--folds", "3"]):
        out = tmp_path / f"{len(extra)}.csv"
        assert invoke("split", str(castings), "--out", str(out), *extra).exit_code == 0
        sealed.append({row["path"] for row in read_csv(out) if row["split"] == "test"})
    assert sealed[0] == sealed[1] != set()


def test_parts_and_seed_are_options(castings: Path, tmp_path: Path) -> None:
    def written(*extra: str) -> list[dict[str, str]]:
        out = tmp_path / "split.csv"
        assert invoke("split", str(castings), "--out", str(out), *extra).exit_code == 0
        return read_csv(out)

    assert written("--seed", "1") == written("--seed", "1") != written("--seed", "2")
    assert len({row["part"] for row in written("--parts", "none")}) == 60
    by_name = written("--parts", "regex", "--part-from", r"(\w+/\d+)-")
    assert {row["part"] for row in by_name} == {row["path"].rpartition("-")[0] for row in by_name}


def test_json_has_the_counts_of_each_side(castings: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    result = invoke("split", str(castings), "--out", str(out), "--test", "0", "--json")
    closing = json.loads(result.stdout.splitlines()[-1])
    assert closing["photos"] == {"train": 54, "valid": 6, "test": 0, "unused": 0}
    assert closing["parts"]["train"] == 18


def test_the_labels_are_not_written_over(castings: Path, tmp_path: Path) -> None:
    table = castings / "photos.csv"
    before = table.read_bytes()
    for data in (castings, table):
        result = invoke("split", str(data), "--out", str(table))
        assert result.exit_code == 2
        assert "would overwrite the labels" in result.stderr
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--folds", "1"], 2, "--folds"),
        (["--folds", "11"], 1, "11 folds need at least 11"),
        (["--parts", "regex"], 2, "--part-from"),
    ],
)
def test_mistakes_are_errors_and_nothing_is_written(
    castings: Path, tmp_path: Path, arguments: list[str], code: int, text: str
) -> None:
    out = tmp_path / "split.csv"
    result = invoke("split", str(castings), "--out", str(out), *arguments)
    assert result.exit_code == code
    assert text in result.stderr
    assert not out.exists()


def test_a_folder_in_the_place_of_the_file(castings: Path, tmp_path: Path) -> None:
    result = invoke("split", str(castings), "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "expected a path that can be written" in result.stderr


def test_no_torch_is_imported(castings: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from fastdefect.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print('HEAVY', *{'torch', 'fastai'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "split", str(castings), "--out", str(tmp_path / "s.csv")],
        capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY"
