"""The columns and counts of a result."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from helpers.bundles import tiny_bundle

from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.outputs import Outputs
from fastdefect.inference.stream import Decided
from fastdefect.jobs.predicting.rows import (
    Tally,
    as_line,
    class_columns,
    photo_columns,
    photo_row,
)
from fastdefect.jobs.trained.names import Names, Patterns


def test_a_class_called_defective_does_not_overwrite_p_defective() -> None:
    columns = photo_columns(["defective", "scratch", "ok"])
    assert len(set(columns)) == len(columns)
    assert class_columns(["defective", "ok"]) == {"defective": "p_class_defective", "ok": "p_ok"}


def test_a_photo_that_cannot_be_read_is_for_a_person(tmp_path: Path) -> None:
    scorer = bundle_scorer(read_bundle(tiny_bundle(tmp_path / "m.fdb")), "m")
    candidate = Candidate("a.png", Path("a.png"), label="ok")
    row = photo_row(Decided(candidate, None, "empty file"), Names(Patterns("^."), scorer), scorer)
    assert tuple(row) == photo_columns(["crack", "ok"])
    assert {name: value for name, value in row.items() if value is not None} == {
        "path": "a.png",
        "decision": "look",
        "part": "a",
        "true_label": "ok",
        "error": "empty file",
        "model": scorer.identity[:12],
    }


def test_a_probability_that_is_no_number_is_none(tmp_path: Path) -> None:
    scorer = bundle_scorer(read_bundle(tiny_bundle(tmp_path / "m.fdb")), "m")
    nan = np.full((1, 2), np.nan)
    (decision,) = scorer.judge.decide(Outputs(nan), [1.0])
    photo = Candidate("a.png", Path("a.png"))
    row = photo_row(Decided(photo, decision), Names(Patterns(), scorer), scorer)
    assert (row["decision"], row["p_defective"], row["p_ok"]) == ("look", None, None)


def test_a_value_that_is_no_number_is_null_in_json() -> None:
    assert json.loads(as_line({"path": "ü\n", "p": float("nan")})) == {"path": "ü\n", "p": None}


def test_the_tally_keeps_counts_and_the_most_suspicious_rows() -> None:
    tally = Tally()

    def row(number: int, decision: str, p: float | None) -> dict[str, Any]:
        error = None if p is not None else "empty file"
        values = {"decision": decision, "p_defective": p, "unlike": None, "error": error}
        return {"path": str(number), **values}

    for number in range(300):
        tally.add(row(number, "OK", number / 1000))
    tally.add(row(300, "reject", 0.6))
    tally.add(row(301, "look", None))
    assert tally.as_json() == {
        **{"photos": 302, "OK": 300, "look": 1, "reject": 1},
        **{"unlike": 0, "unreadable": 1},
    }
    assert [each["path"] for each in tally.most_suspicious()][:3] == ["301", "300", "299"]
    assert len(tally.most_suspicious()) == 20
    assert len(tally.worst) < 100
