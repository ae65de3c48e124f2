"""The journal and the formats of a result."""

import errno
import json
import resource
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fastdefect.errors import DataError, UsageError
from fastdefect.jobs.predicting.result_file import Journal, cut_torn_line, write_result
from fastdefect.machine import MachineError

COLUMNS = ("path", "decision", "p_defective", "unlike", "n_ok")


def _row(path: str, **more: Any) -> dict[str, Any]:
    row = {"path": path, "decision": "OK", "p_defective": 0.25, "unlike": False, "n_ok": 1}
    return {**row, "part": None, "model": "m", **more}


def _journal(out: Path | None, *, resume: bool) -> Journal:
    return Journal(out, COLUMNS, "m", resume=resume)


def test_the_result_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    with _journal(out, resume=False) as journal:
        journal.append(_row("a\nb.png"))
        journal.append(_row('c"d', p_defective=None))
        assert not out.exists()
        journal.complete(journal.rows(), COLUMNS)
    assert out.read_text(encoding="utf-8") == (
        'path,decision,p_defective,unlike,n_ok\n"a\nb.png",OK,0.25,false,1\n"c""d",OK,,false,1\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_a_killed_run_leaves_whole_rows_to_continue_with(tmp_path: Path) -> None:
    out, part = tmp_path / "r.jsonl", tmp_path / "r.jsonl.part"
    with _journal(out, resume=False) as journal:
        journal.append(_row("a"))
    part.write_bytes(part.read_bytes() + b'{"path": "torn')
    with pytest.raises(DataError, match="not finished"):
        _journal(out, resume=False)
    with _journal(out, resume=True) as journal:
        journal.append(_row("b"))
        assert [row["path"] for row in journal.rows()] == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"no newline", b"x" * 200_000])
def test_a_journal_without_a_whole_line_becomes_empty(tmp_path: Path, content: bytes) -> None:
    part = tmp_path / "r.part"
    part.write_bytes(content)
    cut_torn_line(part)
    assert part.read_bytes() == b""


def test_a_damaged_journal_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "r.csv.part").write_text(json.dumps(_row("a")) + "\n\0\0\0\n")
    with (
        _journal(tmp_path / "r.csv", resume=True) as journal,
        pytest.raises(DataError, match="ne 2"),
    ):
        list(journal.rows())


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\n",
        b"[]\n",
        json.dumps({**_row("b"), "decision": "good"}).encode() + b"\n",
        json.dumps({**_row("b"), "p_defective": "0.5"}).encode() + b"\n",
        b'{"path": "b", "model": "m"}\n',
    ],
)
def test_a_row_that_is_damaged_anywhere_is_an_error_with_its_line(
    tmp_path: Path, line: bytes
) -> None:
    (tmp_path / "r.csv.part").write_bytes(json.dumps(_row("a")).encode() + b"\n" + line)
    with (
        _journal(tmp_path / "r.csv", resume=True) as journal,
        pytest.raises(DataError, match="line 2: .* damaged"),
    ):
        list(journal.rows())


@pytest.mark.parametrize("content", [b"mine", b"mine\nand more", b'{"a": 1}\n{"a"'])
def test_a_file_that_is_no_journal_is_refused_unchanged(tmp_path: Path, content: bytes) -> None:
    part = tmp_path / "r.csv.part"
    part.write_bytes(content)
    with pytest.raises(DataError, match="line 1"):
        _journal(tmp_path / "r.csv", resume=True)
    assert part.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b'{"pa', b'{"path": "a", "dec'])
def test_a_journal_with_a_torn_first_row_begins_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.csv.part").write_bytes(content)
    with _journal(tmp_path / "r.csv", resume=True) as journal:
        assert list(journal.rows()) == []
    assert not list(tmp_path.iterdir())  # a journal without rows is not left behind


@pytest.mark.parametrize(
    ("name", "resume", "text"),
    [
        ("r.txt", False, "expected a file that ends in"),
        ("none/r.csv", False, "no folder"),
        ("r" * 300 + ".csv", False, "a path that can be written"),
        ("old.csv", False, "exists already"),
        ("old.csv", True, "nothing to continue"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(
    tmp_path: Path, name: str, resume: bool, text: str
) -> None:
    (tmp_path / "old.csv").touch()
    with pytest.raises((UsageError, DataError), match=text):
        _journal(tmp_path / name, resume=resume)


def test_a_full_disk_is_an_error_that_keeps_the_rows(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with (
            pytest.raises(MachineError, match="can't be written any more"),
            _journal(tmp_path / "r.csv", resume=False) as journal,
        ):
            journal.append(_row("a"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, usual[1]))
            journal.append(_row("b" * 400))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    with _journal(tmp_path / "r.csv", resume=True) as journal:
        assert [row["path"] for row in journal.rows()] == ["a"]


def test_a_disk_that_is_full_at_the_end_is_an_error_that_keeps_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with _journal(tmp_path / "r.csv", resume=False) as journal:
        journal.append(_row("a"))
        with pytest.raises(MachineError, match=r"r.csv.part can't be written any more: No space"):
            journal.complete(journal.rows(), COLUMNS)
    assert (tmp_path / "r.csv.part").exists()


def test_parquet_has_numbers_and_truth_values(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write_result(tmp_path / "r.parquet", [_row("a"), _row("b", p_defective=None)], COLUMNS)
    frame = pd.read_parquet(tmp_path / "r.parquet")
    assert list(frame.columns) == list(COLUMNS)
    assert frame.p_defective.tolist()[0] == 0.25
    assert frame.unlike.tolist() == [False, False]
    assert frame.n_ok.sum() == 2


def test_without_a_file_nothing_is_kept() -> None:
    with _journal(None, resume=False) as journal:
        journal.append(_row("a"))
        assert list(journal.rows()) == []
        journal.complete([], COLUMNS)
