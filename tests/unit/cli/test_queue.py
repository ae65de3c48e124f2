"""The group ``queue``: options of its commands."""

import json
from pathlib import Path

import pytest
from helpers.cli import invoke
from helpers.line_store import line

from fastdefect.evaluation.statistics import line_rates


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_rates, "DRAWS", 300)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with line(tmp_path / "line") as made:
        made.inspect("OK", 18)
        made.check("OK", 2, 0)
        made.check("look", 3, 2)
    return tmp_path / "line"


def test_audit_prints_tables_and_what_is_proven(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit.json"
    found = invoke("queue", "audit", str(store), "--target", "0.5%", "--out", str(out))
    assert found.exit_code == 0
    assert "escape rate" in found.output
    assert "No escape among 2 checks of 20 passed parts" in found.output
    assert "less than 50 of 10,000" in found.output
    assert json.loads(out.read_text("utf-8"))["parts"] == 23


def test_audit_as_json(store: Path) -> None:
    found = invoke("queue", "audit", str(store), "--json", "--target", "0.01")
    closing = json.loads(found.stdout.splitlines()[-1])
    assert closing["plan"]["target"] == 0.01
    assert closing["decisions"]["look"]["defects"] == 2


def test_a_period_without_inspections_is_an_error(store: Path) -> None:
    found = invoke("queue", "audit", str(store), "--until", "2020-01-01")
    assert found.exit_code == 1
    assert "found none in the period of --since and --until" in found.output


@pytest.mark.parametrize("target", ["x", "nan", "0", "100%"])
def test_a_target_that_is_no_share_is_refused(store: Path, target: str) -> None:
    found = invoke("queue", "audit", str(store), "--target", target)
    assert found.exit_code == 2
    assert "--target" in found.output
