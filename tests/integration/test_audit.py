"""``fastdefect audit`` and the parts of a split, end to end on photos with planted trouble."""

import csv
import html
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cv2
import pytest
from helpers.cli import Result, invoke
from helpers.folders import castings_of, photo_folder

from fastdefect.sample.render import SampleSettings, render_sample

N_PARTS, PER_PART = 6, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of nine parts, the parts' names lost; with a copy, a mirror and a wreck."""
    root = tmp_path_factory.mktemp("audit")
    labels = render_sample(
        root / "sample",
        SampleSettings(n=N_PARTS * PER_PART, seed=5, size=160, photos_per_part=PER_PART),
    )
    data = root / "data"
    with labels.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for k, row in enumerate(rows):
        target = data / row["label"] / f"{k:03}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / "sample" / row["path"], target)
    first = next((data / "good").iterdir())
    photo = cv2.imread(str(first))
    assert photo is not None
    cv2.imwrite(str(data / "defect" / "copy.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, 60])
    cv2.imwrite(str(data / "good" / "mirror.png"), photo[:, ::-1])
    (data / "good" / "wreck.jpg").write_bytes(first.read_bytes()[:900])
    return data


@dataclass(frozen=True)
class Audited:
    """The folder and the page that ``audit`` wrote, and how it ended."""

    out: Path
    page: Path
    result: Result


@pytest.fixture(scope="module")
def audited(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """The search for parts takes seconds; the folder is audited once."""
    out = tmp_path_factory.mktemp("audited") / "audit"
    page = out.parent / "audit.html"
    arguments = ("audit", str(folder), "--out", str(out), "--fail-on", "unreadable,leak")
    return Audited(out, page, invoke(*arguments, "--report", str(page)))


def test_planted_troubles_are_found_and_written(audited: Audited) -> None:
    out = audited.out
    findings = json.loads((out / "findings.json").read_text(encoding="utf-8"))
    assert all(
        set(f) == {"kind", "severity", "message", "value", "interval", "paths"} for f in findings
    )
    by_kind: dict[str, dict[str, object]] = {}
    for f in findings:  # gravest first
        by_kind.setdefault(f["kind"], f)
    assert by_kind["unreadable"]["paths"] == ["good/wreck.jpg"]
    assert by_kind["label_conflict"]["severity"] == "error"
    assert "defect/copy.jpg" in str(by_kind["label_conflict"]["paths"])
    assert "defect/copy.jpg" in str(by_kind["near_duplicate"]["paths"])
    assert "good/mirror.png" in str(by_kind["same_part"]["paths"])
    assert {"findings.json", "findings.csv", "worst.png"} <= {p.name for p in out.iterdir()}


def test_the_page_has_the_findings_and_their_photos_side_by_side(audited: Audited) -> None:
    page = audited.page.read_text(encoding="utf-8")
    assert f"Written: {audited.page}" in audited.result.output.replace("\n", "")
    text = html.unescape(page)
    findings = json.loads((audited.out / "findings.json").read_text(encoding="utf-8"))
    assert all(finding["message"] in text for finding in findings)
    pairs = re.findall(r'(?s)<li data-kinds="([^"]*)".*?</li>', page)
    assert "label_conflict near_duplicate" in pairs
    assert "unreadable" in pairs
    assert page.count("data:image/jpeg;base64,") > len(pairs)
    assert page.count("data:image/png;base64,") == (audited.out / "shortcuts.png").exists()


def test_fail_on_makes_the_exit_code(audited: Audited, tmp_path: Path) -> None:
    assert audited.result.exit_code == 1
    assert "Failed on: unreadable" in audited.result.output
    data = photo_folder(tmp_path / "photos", castings_of(6, 2), "part")
    (data / "good" / "wreck.jpg").write_bytes(b"no photo")
    with (data / "photos.csv").open("a", encoding="utf-8") as table:
        table.write("good/wreck.jpg,good,part 9\n")
    out = str(tmp_path / "audit")
    junit = tmp_path / "reports" / "audit.xml"
    result = invoke(
        *("audit", str(data), "--out", out, "--fail-on", "unreadable,leak"),
        *("--junit", str(junit), "--annotations", "github"),
        *("--report", str(tmp_path / "page.html"), "--photos", "none"),
    )
    assert "<img" not in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert result.exit_code == 1
    assert "Failed on: unreadable" in result.output
    assert "::error title=fastdefect audit%3A unreadable::" in result.stderr
    assert "::" not in result.stdout
    failed = ElementTree.parse(junit).findall("*/testcase[failure]")
    assert [case.get("name") for case in failed] == ["unreadable"]
    result = invoke("audit", str(data), "--out", out, "--fail-on", "odd_mode,leak")
    assert result.exit_code == 0, result.output
    assert "unreadable" in result.output
    result = invoke("audit", str(data), "--out", out, "--fail-on", "sharks")
    assert result.exit_code == 2
    assert "expected kinds of finding, but got sharks" in result.output


@pytest.mark.slow
def test_a_split_keeps_the_parts_that_were_found(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    result = invoke("split", str(folder), "--out", str(out), "--seed", "3")
    assert result.exit_code == 0, result.output
    assert "plain split would have leaked" in result.output
    with out.open(encoding="utf-8", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    sides: dict[str, set[str]] = {}
    for row in rows.values():
        sides.setdefault(row["part"], set()).add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert len(sides) < len(rows) / 2  # parts were found
    assert rows["good/mirror.png"]["part"] == rows["defect/copy.jpg"]["part"]
