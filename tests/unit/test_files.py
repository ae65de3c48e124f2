"""Files are written atomically, and reading them gives the same values."""

import json
import math
import os
import shlex
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.errors import UsageError
from fastdefect.files import (
    atomic_path,
    cache_folder,
    check_output_path,
    finite,
    read_csv,
    typed,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)


def test_typed_paths() -> None:
    assert typed(Path("runs") / "a") == str(Path("runs") / "a")
    assert typed(Path("my runs/a")) == f'"{Path("my runs/a")}"'


@pytest.mark.skipif(os.name == "nt", reason="signs of the shells of other systems")
@pytest.mark.parametrize(
    "name",
    ["a", "Gießerei", "a b", "a&b", "a;b", "(a)", "a*", "~a", "a'b", 'a"b', "$a", "a\\b", "`a`"],
)
def test_a_shell_reads_a_typed_path_as_one_unchanged_word(name: str) -> None:
    assert shlex.split(typed(Path(name))) == [name]
    done = subprocess.run(
        ["sh", "-c", f"printf %s {typed(Path(name))}"], capture_output=True, check=True
    )
    assert done.stdout.decode("utf-8") == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x.csv", r"--out .*x\.csv: expected a file that ends in \.json"),
        ("none/x.json", "there is no folder"),
        ("folder.json", "expected a file, but it is a folder"),
    ],
)
def test_an_output_path_is_checked_before_the_work(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder.json").mkdir()
    check_output_path(tmp_path / "new.JSON", "--out", (".json",))
    with pytest.raises(UsageError, match=said):
        check_output_path(tmp_path / name, "--out", (".json",))


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    target.write_bytes(b"old")

    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        temporary.write_bytes(b"half of the n")
        raise KeyboardInterrupt

    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_raises_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "new") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_stays_until_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    write_text(target, "old")
    with atomic_path(target) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert target.read_text(encoding="utf-8") == "old"
    assert target.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_the_block_may_replace_the_temporary_file_itself(tmp_path: Path) -> None:
    # As libraries do that write beside and rename.
    target = tmp_path / "x.bin"
    with atomic_path(target) as temporary:
        other = tmp_path / "other"
        other.write_bytes(b"content")
        other.replace(temporary)
    assert target.read_bytes() == b"content"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_file_can_be_read_by_colleagues(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_bytes(tmp_path / "x", b"")
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644
        assert os.umask(0o022) == 0o022  # reading the mask has not changed it
    finally:
        os.umask(before)


def test_text_keeps_its_line_ends_and_letters(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "défaut\nnächste\r\n")
    assert (tmp_path / "x").read_bytes() == "défaut\nnächste\r\n".encode()


def test_json_has_null_for_nan_and_infinities(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(
        path,
        {
            "nan": math.nan,
            "deep": [{"inf": (-math.inf, 1.5)}],
            "numpy": np.float64("nan"),
            "class": "é",
        },
    )
    text = path.read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text) == {
        "nan": None,
        "deep": [{"inf": [None, 1.5]}],
        "numpy": None,
        "class": "é",
    }


@examples(100)
@given(
    st.recursive(
        st.floats() | st.integers() | st.text() | st.none() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
def test_finite_always_gives_strict_json(value: object) -> None:
    json.dumps(finite(value), allow_nan=False)


def test_csv_gives_floats_back_exactly(tmp_path: Path) -> None:
    values = [0.1, 1 / 3, 1e-308, 5e-324, 123456789.123456789, float(np.float32(0.1)), 1e22, -0.0]
    write_csv(tmp_path / "x.csv", [{"v": value} for value in values], ["v"])
    assert [float(row["v"]) for row in read_csv(tmp_path / "x.csv")] == values


@examples(100)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_csv_gives_any_float_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    write_csv(path, [{"v": np.float64(value)} for value in values], ["v"])
    assert [float(row["v"]) for row in read_csv(path)] == values


def test_csv_has_empty_cells_for_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [
        {"a": None, "b": math.nan, "c": 0.0, "d": ""},
        {"a": 1, "b": np.float64("nan"), "c": 0, "d": "x"},
    ]
    write_csv(path, rows, ["a", "b", "c", "d"])
    assert path.read_text(encoding="utf-8") == "a,b,c,d\n,,0.0,\n1,,0,x\n"


def test_csv_keeps_all_characters_of_file_names(tmp_path: Path) -> None:
    names = ["a,b.png", 'say "hi".png', "line\nend.png", " é  .png", "#x"]
    write_csv(tmp_path / "x.csv", [{"path": name, "n": 1} for name in names], ["path", "n"])
    assert [row["path"] for row in read_csv(tmp_path / "x.csv")] == names


def test_csv_without_rows_has_its_header(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [], ["a", "b"])
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "a,b\n"
    assert read_csv(tmp_path / "x.csv") == []


def test_csv_refuses_a_value_without_a_column(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="extra"):
        write_csv(tmp_path / "x.csv", [{"a": 1, "extra": 2}], ["a"])
    assert list(tmp_path.iterdir()) == []


def test_the_cache_is_in_the_cache_folder_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTDEFECT_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("FASTDEFECT_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for platform, folder in (
        ("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local"),
    ):  # fmt: skip
        monkeypatch.setattr("sys.platform", platform)
        assert cache_folder() == tmp_path / folder / "fastdefect"
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "fastdefect"


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FASTDEFECT_CACHE")
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None
