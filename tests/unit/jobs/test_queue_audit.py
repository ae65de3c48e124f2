"""From a store to the rates: which answers count, what is refused, and what is a warning."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.line_store import START, line

from fastdefect.errors import DataError, StoreError, UsageError
from fastdefect.evaluation.statistics import line_rates
from fastdefect.events import Event, Note
from fastdefect.jobs.queue_audit import Asked, QueueAudited, queue_audit


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_rates, "DRAWS", 500)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "line"


def audit(asked: Asked) -> tuple[QueueAudited, list[str]]:
    """The result, and its warnings."""
    events: list[Event] = []
    found = queue_audit(asked, on_event=events.append)
    return found, [event.text for event in events if isinstance(event, Note)]


def test_rates_of_a_line(folder: Path) -> None:
    with line(folder) as made:
        made.inspect("OK", 45)
        made.check("OK", 5, 1)
        made.check("look", 4, 3)
        made.check("reject", 2, 2)
        found, warnings = audit(Asked(folder))  # beside the open store
    # Defects: 50 * 1/5 = 10 passed, 3 of look, 2 rejected.
    assert found.rates.escape.value == pytest.approx(10 / 15)
    assert found.rates.shipped == 51
    assert found.by_model == {}
    assert warnings == []


def test_shares_are_strata(folder: Path) -> None:
    with line(folder) as made:
        made.inspect("OK", 18)
        made.check("OK", 2, 1)
        made.check("OK", 20, 0, share=1.0)
        found, _ = audit(Asked(folder))
    assert found.rates.shipped_defects.value == pytest.approx(10 / 40)  # not 1 of 22


def test_models_have_rows_of_their_own_and_are_one_sample_in_total(folder: Path) -> None:
    with line(folder) as made:
        made.check("OK", 4, 1)
        made.model("0123456789ab", "castings 2")
        made.check("OK", 4, 0)
        found, _ = audit(Asked(folder))
    assert list(found.by_model) == ["castings (m1)", "castings 2 (01234567)"]
    values = [rates.shipped_defects.value for rates in found.by_model.values()]
    assert values == pytest.approx([1 / 4, 0])
    assert len(found.rates.strata) == 1


def test_the_last_inspection_of_a_part_counts(folder: Path) -> None:
    with line(folder) as made:
        made.inspect("reject", part="A1")
        made.inspect("OK", part="A1", chosen=True)
        made.check("look", 1, 1)
        found, _ = audit(Asked(folder))
    assert found.rates.parts == 2
    assert found.rates.of("reject").parts == 0


def test_an_escape_that_a_check_found_stays_one_if_the_part_is_inspected_again(
    folder: Path,
) -> None:
    with line(folder) as made:
        (passed,) = made.inspect("OK", part="A1", chosen=True)
        made.answer(passed, "defect")
        made.inspect("OK", part="A1")
        found, _ = audit(Asked(folder))
    assert found.rates.of("OK") == line_rates.Stratum("OK", 2, 1, 1, 1)


def test_answers_to_parts_that_were_not_chosen_are_not_used(folder: Path) -> None:
    with line(folder) as made:
        (seen,) = made.inspect("OK")
        made.answer(seen, "defect")
        made.check("OK", 3, 0)
        found, warnings = audit(Asked(folder))
    assert found.rates.of("OK").defects == 0
    assert found.unused == 1
    assert any("1 answer to parts that were not chosen" in text for text in warnings)


def test_unanswered_checks_are_a_warning_above_five_percent(folder: Path) -> None:
    with line(folder) as made:
        made.check("OK", 18, 0)
        made.inspect("OK", 2, chosen=True)
        _, warnings = audit(Asked(folder))
        assert len(warnings) == 1
        assert "(OK: 2 of 20)" in warnings[0]
        assert "at most 100% of" not in warnings[0]
        made.check("OK", 20, 0)
        assert audit(Asked(folder))[1] == []


def test_a_decision_without_checks_is_a_warning(folder: Path) -> None:
    with line(folder) as made:
        made.inspect("OK", 5)
        made.check("look", 3, 1)
        _, warnings = audit(Asked(folder))
    assert len(warnings) == 1
    assert "None of 5 parts with the decision OK" in warnings[0]
    assert "--check-ok" in warnings[0]


def test_persons_who_differ_are_counted(folder: Path) -> None:
    with line(folder) as made:
        for i, each in enumerate(made.inspect("OK", 20, chosen=True)):
            made.answer(each, "defect" if i < 3 else "OK")
            made.answer(each, "defect" if i < 2 else "OK", person="Bo")
        found, warnings = audit(Asked(folder))
    assert found.agreement is not None
    assert (found.agreement.parts, found.agreement.differ) == (20, 1)
    assert found.rates.of("OK").defects == 2  # the last answer counts
    assert any("differ on 1 part" in text for text in warnings)


def test_a_period(folder: Path) -> None:
    with line(folder) as made:
        made.check("OK", 3, 3)
        made.now = START + timedelta(days=1)
        made.check("OK", 4, 0)
        day = START + timedelta(days=1)
        assert audit(Asked(folder, since=day))[0].rates.of("OK").defects == 0
        assert audit(Asked(folder, until=day))[0].rates.of("OK").defects == 3


def test_values_are_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit.json"
    with line(folder) as made:
        made.check("OK", 3, 0)
        found, _ = audit(Asked(folder, out=out, target=0.01))
    written = json.loads(out.read_text("utf-8"))
    assert written["escape_rate"]["value"] is None  # no defect was found
    assert written["plan"]["checks"] == 296  # 299 good ones show 1 % at 95 %
    assert found.written == (out,)


def test_no_answers_is_an_error_that_says_what_to_do(folder: Path) -> None:
    with line(folder) as made:
        with pytest.raises(DataError, match="found none") as empty:
            audit(Asked(folder))
        assert "fastdefect serve" in empty.value.hint
        made.inspect("OK", 3)
        with pytest.raises(DataError, match=r"\(3 parts, 0 of them chosen\)") as unchosen:
            audit(Asked(folder))
        assert "--check-ok" in unchosen.value.hint
        made.inspect("OK", 1, chosen=True)
        with pytest.raises(DataError, match="1 of them chosen") as waiting:
            audit(Asked(folder))
        assert "Answer the queue" in waiting.value.hint


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        audit(Asked(tmp_path))


def test_values_that_cannot_be_used_are_refused_before_reading(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    later = START + timedelta(days=1)
    for asked, message in [
        (Asked(nowhere, out=tmp_path / "audit.txt"), r"ends in \.json"),
        (Asked(nowhere, out=nowhere / "audit.json"), "there is no folder"),
        (Asked(nowhere, since=later, until=START), "is not before"),
        (Asked(nowhere, target=1.5), "less than 100%"),
    ]:
        with pytest.raises(UsageError, match=message):
            audit(asked)
