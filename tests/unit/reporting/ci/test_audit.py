"""The checks of an audit as outcomes."""

from collections.abc import Sequence
from pathlib import Path

from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.findings import Finding
from fastdefect.reporting.ci.audit import audit_outcomes
from fastdefect.reporting.ci.outcomes import Outcome

LEAK = Finding("leak", "error", "2 parts are in train and test.", 0.5, None, ("a.png", "b.png"))
BLANK = Finding("blank", "warning", "1 photo is blank.", 1.0, None, ("c.png",))
ANIMATED = Finding("animated", "info", "1 photo has several pictures.", 1.0, None, ("d.png",))


def _outcomes(findings: Sequence[Finding], *failed: str) -> dict[str, Outcome]:
    found = audit_outcomes(
        findings, failed, data=Path("photos"), out=Path("audit"), about={"photos": "4"}
    )
    assert found.properties["photos"] == "4"
    return {check.name: check for check in found.checks}


def test_each_kind_is_a_check_and_passes_without_a_finding() -> None:
    found = _outcomes([])
    assert set(found) == set(CHECKS)
    assert all(check == Outcome(check.name, "passed") for check in found.values())


def test_only_the_kinds_to_fail_on_fail() -> None:
    found = _outcomes([LEAK, BLANK, ANIMATED], "leak")
    states = {name: check.state for name, check in found.items() if check.message}
    assert states == {"leak": "failed", "blank": "warned", "animated": "passed"}
    assert _outcomes([LEAK])["leak"].state == "warned"


def test_a_failure_names_the_photos_and_the_files_with_the_rest() -> None:
    many = Finding(
        "blank", "warning", "30 photos.", 30.0, None, tuple(f"{i}.png" for i in range(30))
    )
    leak, blank = (_outcomes([LEAK, many], "leak", "blank")[kind] for kind in ("leak", "blank"))
    assert leak.message == LEAK.message
    assert leak.details is not None
    assert leak.details["where"] == "photos: a.png, b.png"
    assert CHECKS["leak"].meaning in leak.details["expected"]
    assert str(Path("audit") / "findings.csv") in leak.details["what to do"]
    assert blank.details is not None
    assert blank.details["where"].endswith("19.png and 10 more")


def test_findings_of_one_kind_are_one_check() -> None:
    other = Finding("blank", "info", "1 more.", 1.0, None, ("e.png",))
    blank = _outcomes([BLANK, other])["blank"]
    assert blank.message == "1 photo is blank. 1 more."
    assert blank.state == "warned"
