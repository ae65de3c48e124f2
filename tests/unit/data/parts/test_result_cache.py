"""The result of a search on the disk."""

from pathlib import Path

import pytest

from fastdefect.data.parts import result_cache
from fastdefect.data.parts.result_cache import read_result, result_path, write_result
from fastdefect.data.parts.search import Link, SameParts

FOUND = SameParts((0, 0, 2, 0), (Link(0, 1, 4.25, True, False), Link(0, 3, 1.1, False, True)))
DIGESTS = [bytes([i]) * 32 for i in range(4)]


@pytest.mark.parametrize("found", [FOUND, SameParts((0, 1, 2, 3), ())])
def test_a_result_is_read_as_it_was_written(tmp_path: Path, found: SameParts) -> None:
    path = result_path(tmp_path / "new", DIGESTS)
    assert read_result(path, 4) is None
    write_result(path, found)
    assert read_result(path, 4) == found
    assert read_result(path, 5) is None


def test_other_photos_another_order_and_other_code_have_other_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {result_path(tmp_path, each) for each in (DIGESTS, DIGESTS[:3], DIGESTS[::-1])}
    assert len(paths) == 3
    monkeypatch.setattr(result_cache, "code_digest", lambda *names: "changed")
    assert result_path(tmp_path, DIGESTS) not in paths


def test_a_result_of_an_earlier_format_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_cache, "FORMAT", "fastdefect-same-parts-1")
    earlier = result_path(tmp_path, DIGESTS)
    write_result(earlier, FOUND)
    monkeypatch.undo()
    assert result_path(tmp_path, DIGESTS) != earlier
    assert read_result(earlier, 4) is None


def test_a_damaged_result_is_not_read(tmp_path: Path) -> None:
    path = result_path(tmp_path, DIGESTS)
    write_result(path, FOUND)
    content = path.read_bytes()
    for damaged in (b"", content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
        path.write_bytes(damaged)
        assert read_result(path, 4) is None


def test_a_folder_that_cannot_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    write_result(result_path(tmp_path / "file", DIGESTS), FOUND)
    assert (tmp_path / "file").read_text() == "not a folder"
