"""The checks of ``audit`` as outcomes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.findings import Finding
from fastdefect.files import typed
from fastdefect.reporting.ci.outcomes import Outcome, Outcomes, State
from fastdefect.text import first

_LISTED = 20  # photos in a message; findings.csv has all of them


def audit_outcomes(
    findings: Sequence[Finding],
    failed: Sequence[str],
    *,
    data: Path,
    out: Path,
    about: Mapping[str, str],
) -> Outcomes:
    """An outcome for each kind of finding; ``failed`` are the kinds found that fail the audit."""
    by_kind: dict[str, list[Finding]] = {kind: [] for kind in CHECKS}
    for finding in findings:
        by_kind[finding.kind].append(finding)
    checks = tuple(
        _outcome(kind, found, kind in failed, data, out) for kind, found in by_kind.items()
    )
    return Outcomes("audit", checks, {"data": str(data), "findings": str(out), **about})


def _outcome(kind: str, found: Sequence[Finding], failed: bool, data: Path, out: Path) -> Outcome:
    if not found:
        return Outcome(kind, "passed")
    message = " ".join(finding.message for finding in found)
    paths = [path for finding in found for path in finding.paths]
    details = {
        "expected": f"no finding of the kind {kind}: {CHECKS[kind].meaning}",
        "found": message,
        "where": str(data) + (f": {first(paths, _LISTED)}" if paths else ""),
        "what to do": f"see the photos in {typed(out / 'worst.png')} and "
        f"{typed(out / 'findings.csv')}, then correct or remove them",
    }
    serious = any(finding.severity != "info" for finding in found)
    state: State = "failed" if failed else "warned" if serious else "passed"
    return Outcome(kind, state, message, details)
