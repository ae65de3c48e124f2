"""The limits of ``gate`` as outcomes."""

from collections.abc import Mapping, Sequence

from fastdefect.evaluation.gate import At, Check
from fastdefect.files import typed
from fastdefect.reporting.ci.outcomes import Outcome, Outcomes
from fastdefect.reporting.tables.fit import interval_text, metric_text, metric_title
from fastdefect.run import Run


def gate_outcomes(
    run: Run, checks: Sequence[Check], *, at: At, photos: str, about: Mapping[str, str]
) -> Outcomes:
    """An outcome for each limit; ``photos`` names the photos that the metrics refer to."""
    where = f"{run.folder}, {photos}"
    outcomes = tuple(_outcome(check, run, at, where) for check in checks)
    return Outcomes("gate", outcomes, {"run": run.name, "folder": str(run.folder), **about})


def _outcome(check: Check, run: Run, at: At, where: str) -> Outcome:
    side = "at most" if check.at_most else "at least"
    limit = f"{side} {metric_text(check.metric, check.limit)}"
    found, interval = check.estimate.value, interval_text(check.metric, check.estimate.interval)
    value = f"{metric_text(check.metric, found)} (95 % interval: {interval})"
    judged = "the value" if at == "point" else "the bad end of its 95 % interval"
    title = metric_title(check.metric)
    verdict = f"{title}: expected {limit} for {judged}, found {value}"
    details = {"expected": limit, "judged by": judged, "found": value, "where": where}
    if not check.holds:
        folder = typed(run.folder)
        details["what to do"] = (
            f"see all metrics with fastdefect evaluate {folder}, choose the threshold with "
            f"fastdefect threshold {folder}, or train on more photos"
        )
    name = f"{check.metric} {side} {check.limit:g}"
    return Outcome(name, "passed" if check.holds else "failed", f"{verdict}.", details)
