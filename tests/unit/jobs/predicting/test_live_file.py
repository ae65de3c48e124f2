"""The file of a watch: only its own files are continued, and others stay as they are."""

import json
from pathlib import Path

import pytest
from helpers.bundles import tiny_bundle

from fastdefect.errors import DataError, UsageError
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.live_file import LiveFile, place_key
from fastdefect.jobs.predicting.rows import photo_columns


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return bundle_scorer(read_bundle(tiny_bundle(tmp_path / "m.fdb")), "m.fdb")


def _header(scorer: Scorer) -> str:
    return ",".join(photo_columns(scorer.judge.classes)) + "\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.csv", b"part,weight\n1,2.5\n2,2.75"),
        ("mine.csv", b"no newline"),
        ("mine.csv", b"path,label\n"),
        ("mine.jsonl", b'{"path": "a.png"}'),
        ("mine.jsonl", b'{"path": "a.png"}\n{"path": "b.png"}'),
        ("mine.jsonl", b'{"path": 1, "decision": "OK", "model": "m"}\n'),
        ("mine.jsonl", b"\xff\n"),
        ("mine.jsonl", b"[1]\n2"),
    ],
)
def test_a_file_of_the_user_is_refused_unchanged(
    tmp_path: Path, scorer: Scorer, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="expected the file of an earlier watch"):
        LiveFile(tmp_path / name, scorer)
    assert (tmp_path / name).read_bytes() == content


def test_a_row_of_another_length_is_refused_unchanged(tmp_path: Path, scorer: Scorer) -> None:
    out = tmp_path / "r.csv"
    out.write_text(_header(scorer) + "a.png,OK\ntorn")
    with pytest.raises(DataError, match="a row has 2 cells"):
        LiveFile(out, scorer)
    assert out.read_text().endswith("torn")


@pytest.mark.parametrize("kept", [0, 7])
def test_a_torn_header_is_written_again(tmp_path: Path, scorer: Scorer, kept: int) -> None:
    out = tmp_path / "r.csv"
    out.write_text(_header(scorer)[:kept])
    with LiveFile(out, scorer) as file:
        assert file.decided == set()
    assert out.read_text() == _header(scorer)


def test_a_torn_row_is_cut_and_the_others_are_known(tmp_path: Path, scorer: Scorer) -> None:
    out = tmp_path / "r.jsonl"
    row = json.dumps({"path": "line/ü.png", "decision": "OK", "model": "m"}, ensure_ascii=False)
    out.write_bytes(f"{row}\n".encode() + row.encode()[:16])  # within the ü
    with LiveFile(out, scorer) as file:
        assert file.decided == {place_key("line/ü.png")}
    assert out.read_text(encoding="utf-8") == row + "\n"


def test_a_name_that_is_too_long_is_an_error(tmp_path: Path, scorer: Scorer) -> None:
    with pytest.raises(UsageError, match="a path that can be written"):
        LiveFile(tmp_path / ("r" * 300 + ".csv"), scorer)
