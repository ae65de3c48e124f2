"""The audit job: what it refuses, what it writes, and what it leaves."""

from pathlib import Path

import pytest
from helpers.folders import castings_of, photo_folder

from fastdefect.config import DataConfig
from fastdefect.data.audit.registry import CHECKS
from fastdefect.errors import UsageError
from fastdefect.events import silent
from fastdefect.jobs.audit import audit, parse_kinds


def test_kinds_to_fail_on() -> None:
    assert parse_kinds(None) == ()
    assert parse_kinds("leak, shortcut,") == ("leak", "shortcut")
    assert set(parse_kinds(",".join(CHECKS))) == set(CHECKS)
    with pytest.raises(UsageError, match="sharks"):
        parse_kinds("leak,sharks")


def test_an_earlier_sheet_does_not_outlive_its_findings(tmp_path: Path) -> None:
    data = photo_folder(tmp_path / "data", castings_of(4, 1), "part")
    out = tmp_path / "audit"
    out.mkdir()
    (out / "worst.png").write_bytes(b"old")
    report = audit(DataConfig(data), seed=1, out=out, fail_on=("leak",), on_event=silent)
    assert report.failed == ()
    assert ((out / "worst.png") in report.files) == (out / "worst.png").exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    data = photo_folder(tmp_path / "data", castings_of(4, 1), "part")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="expected a path that can be written"):
        audit(DataConfig(data), seed=1, out=tmp_path / "file", fail_on=(), on_event=silent)
