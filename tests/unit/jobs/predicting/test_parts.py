"""One decision a part, and the part in a name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.bundles import tiny_bundle

from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.errors import UsageError
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.jobs.predicting.parts import PART_COLUMNS, PartOf, Parts


def _row(path: str, part: str | None, decision: str, p: float | None) -> dict[str, Any]:
    error = "empty file" if p is None else None
    facts = {"unlike": False, "error": error, "model": "m"}
    return {"path": path, "part": part, "decision": decision, "p_defective": p, **facts}


def test_the_worst_photo_decides_on_a_part() -> None:
    parts = Parts()
    for row in (
        _row("1", "p", "OK", 0.1),
        _row("2", "q", "OK", 0.2),
        _row("3", "p", "reject", 0.9),
        _row("4", "q", "look", None),
        _row("5", None, "OK", 0.3),
    ):
        parts.add(row)
    first, second, third = parts.rows()
    assert tuple(first) == PART_COLUMNS
    assert (first["decision"], first["p_defective"], first["path"]) == ("reject", 0.9, "3")
    assert (first["photos"], first["n_ok"], first["n_look"], first["n_reject"]) == (2, 1, 0, 1)
    assert (second["decision"], second["n_unreadable"], second["path"]) == ("look", 1, "2")
    assert (third["part"], third["decision"]) == ("5", "OK")
    assert len(parts) == 3
    assert parts.known


def test_a_photo_without_a_probability_does_not_hide_those_of_the_others() -> None:
    parts = Parts()
    for row in (_row("1", "p", "look", None), _row("2", "p", "OK", 0.1)):
        parts.add(row)
    (part,) = parts.rows()
    assert (part["p_defective"], part["path"]) == (0.1, "2")


@pytest.mark.parametrize(
    ("name", "inside", "given", "part"),
    [
        ("day_7_/12_a.png", "12_a.png", None, "12"),  # not 7, that of the folder
        ("12_/a.png", "a.png", None, "12"),  # no match inside
        ("a.png", "", None, None),
        ("12_a.png", "", "given", "given"),
    ],
)
def test_the_part_is_found_as_in_a_training(
    name: str, inside: str, given: str | None, part: str | None
) -> None:
    candidate = Candidate(name, Path(name), inside, given)
    assert PartOf(r"(\d+)_")(candidate) == part


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(UsageError, match="--part-from"):
        PartOf("(")


def test_the_pattern_of_a_model_is_not_searched_in_long_names(tmp_path: Path) -> None:
    scorer = bundle_scorer(read_bundle(tiny_bundle(tmp_path / "m.fdb")), "m.fdb")
    of_model = PartOf.given_or_of(None, replace(scorer, part_from="part_[0-9]+"))
    of_user = PartOf.given_or_of("part_[0-9]+", scorer)
    for name, part in (("part_7.png", "part_7"), ("x" * 250 + "part_7.png", None)):
        candidate = Candidate(name, Path(name))
        assert of_model(candidate) == part
        assert of_user(candidate) == "part_7"
