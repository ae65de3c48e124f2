"""What is reported of the shortcut probes."""

from dataclasses import replace

import pytest
from helpers.scenes import probe

from fastdefect.data.audit.shortcuts import Probe, shortcut_findings


@pytest.mark.parametrize(
    ("found", "severity"),
    [
        (probe(0.9, 0.8), "error"),
        (probe(0.9, 0.79), "warning"),
        (probe(0.7, 0.61), "warning"),
        (probe(0.7, 0.6), None),
        (probe(0.9, 0.85, excess=2.9), None),
        (probe(0.9, 0.85, excess=2.1, p_value=1 / 401), "error"),
        (probe(0.9, 0.85, shuffled_interval=(0.1, 0.9)), None),
        (probe(0.9, 0.85, limit="warning"), "warning"),
        (probe(0.7, 0.65, limit="warning"), "warning"),
        (probe(0.9, 0.85, limit="info"), "info"),
    ],
)
def test_severity(found: Probe, severity: str | None) -> None:
    said = [finding.severity for finding in shortcut_findings([found], [None] * 90)]
    assert said == ([] if severity is None else [severity])


def test_a_finding_has_an_advice() -> None:
    found = probe(0.912, 0.86, note="Bear this in mind.")
    (finding,) = shortcut_findings([found], [None] * 90)
    assert finding.kind == "shortcut"
    assert (finding.value, finding.interval) == (0.912, (0.86, 0.99))
    assert finding.message == (
        "The class can be predicted from the outer ring alone: AUC 0.91 [0.86, 0.99], with "
        "shuffled labels 0.50 [0.42, 0.58]. Bear this in mind. Photograph all classes in one "
        "session on one background, crop or mask the background, or train with "
        "--randomize-background-light."
    )
    (harmless,) = shortcut_findings([replace(found, limit="info")], [None] * 90)
    assert harmless.message.endswith("Bear this in mind.")


def test_the_gravest_come_first() -> None:
    probes = [probe(0.7, 0.65), probe(0.9, 0.85, limit="info"), probe(0.9, 0.85)]
    found = [finding.severity for finding in shortcut_findings(probes, [None] * 90)]
    assert found == ["error", "warning", "info"]
