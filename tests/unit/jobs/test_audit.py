"""The audit job: what it refuses, what it writes, and what it leaves."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.folders import castings_of, photo_folder

from fastdefect.config import DataConfig
from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.load import list_data, load_training_data, read_data
from fastdefect.errors import DataError, UsageError
from fastdefect.events import silent
from fastdefect.jobs.audit import audit, parse_kinds
from fastdefect.jobs.reports.of_audit import WantedPage


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


def test_the_labels_of_new_photos_are_checked_before_a_training(tmp_path: Path) -> None:
    rows = [("a.png", "ok"), ("b.png", "crack"), ("c.png", "burr"), ("d.png", "crack|burr")]
    data = photo_folder(tmp_path / "data", [*rows, ("e.png", "Crack")])
    config = DataConfig(data=data, image_size=16, parts="none")
    found = audit(config, seed=0, out=tmp_path / "out", fail_on=[], on_event=silent)
    kinds = {finding.kind for finding in found.audit.findings}
    assert {"several_defects", "similar_classes"} <= kinds
    with pytest.raises(DataError, match="1 photo with labels that list several defects"):
        load_training_data(config, seed=0, workers=0, on_event=silent)
    # A run of an earlier version has each combination as a class.
    assert "crack|burr" in read_data(config, workers=0, on_event=silent)[0].classes
    with pytest.raises(UsageError, match="found rust"):
        list_data(replace(config, rename=("rust=crack",)), new=True)


def test_the_page_is_refused_before_a_photo_is_read(tmp_path: Path) -> None:
    wanted = WantedPage(tmp_path / "audit.txt", "errors", "fastdefect audit")
    config = DataConfig(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"--report .*audit\.txt: expected a file that ends in"):
        audit(config, seed=1, out=tmp_path, fail_on=(), on_event=silent, page=wanted)
