"""One decision a part: by the decisions of its photos, or by the rule of the model."""

from dataclasses import replace
from typing import Any

import pytest
from helpers.bundles import tiny_bundle

from fastdefect.config import PartRule
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.parts import PART_COLUMNS, Parts


def _row(
    path: str, part: str | None, decision: str, p: float | None, view: str | None = None
) -> dict[str, Any]:
    error = "empty file" if p is None else None
    facts = {"unlike": False, "error": error, "model": "m", "view": view}
    classes = {"p_crack": p, "p_ok": None if p is None else 1 - p}
    return {"path": path, "part": part, "decision": decision, "p_defective": p, **facts, **classes}


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """Of a model that decides on photos, and rejects from a score of 0.5."""
    bundle = tiny_bundle(tmp_path_factory.mktemp("bundle") / "m.fdb")
    return bundle_scorer(read_bundle(bundle), "m.fdb")


def _by(scorer: Scorer, rule: PartRule, views: tuple[str, ...] = ()) -> Scorer:
    judge = replace(scorer.judge, rule=replace(scorer.judge.rule, part_rule=rule))
    return replace(scorer, judge=judge, views=views)


def test_the_worst_photo_decides_on_a_part(scorer: Scorer) -> None:
    parts = Parts(scorer)
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


def test_a_photo_without_a_probability_does_not_hide_those_of_the_others(scorer: Scorer) -> None:
    parts = Parts(scorer)
    for row in (_row("1", "p", "look", None), _row("2", "p", "OK", 0.1)):
        parts.add(row)
    (part,) = parts.rows()
    assert (part["p_defective"], part["path"]) == (0.1, "2")


def test_a_rule_decides_on_all_photos_together(scorer: Scorer) -> None:
    rows = (
        _row("1", "p", "reject", 0.6),
        _row("2", "p", "OK", 0.2),
        _row("3", "q", "OK", 0.4),
        _row("4", "q", "OK", 0.4),
        _row("5", "r", "OK", 0.1),
        _row("6", "r", "look", None),
    )
    expected: dict[PartRule, list[tuple[str, float]]] = {
        "worst": [("reject", 0.6), ("OK", 0.4), ("look", 0.1)],
        "mean": [("OK", 0.4), ("OK", 0.4), ("look", 0.1)],
        "noisy-or": [("reject", 0.68), ("reject", 0.64), ("look", 0.1)],
    }
    for rule, decisions in expected.items():
        parts = Parts(_by(scorer, rule))
        for row in rows:
            parts.add(row)
        found = list(parts.rows())
        assert [row["decision"] for row in found] == [decision for decision, _ in decisions]
        assert [row["p_defective"] for row in found] == pytest.approx([p for _, p in decisions])
        assert {row["part_rule"] for row in found} == {rule}


def test_views_that_a_part_lacks_are_named(scorer: Scorer) -> None:
    parts = Parts(_by(scorer, "worst", ("left", "right", "top")))
    for path, part, view in (("1", "p", "left"), ("2", "p", "top"), ("3", "q", None)):
        parts.add(_row(path, part, "OK", 0.1, view))
    assert [row["missing_views"] for row in parts.rows()] == ["right", "left|right|top"]
    assert parts.incomplete == 2
    blind = Parts(_by(scorer, "worst", ("left", "right", "top")))
    blind.add(_row("1", "p", "OK", 0.1))  # no photo has a view: nothing is known
    assert (blind.incomplete, next(blind.rows())["missing_views"]) == (0, None)
