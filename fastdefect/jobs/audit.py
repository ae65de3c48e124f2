"""``fastdefect audit``: check photos without training on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import DataConfig
from fastdefect.data.audit.audit import Audit
from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.audit.survey import Survey
from fastdefect.data.describe import describe_photos, describe_pixels, tell
from fastdefect.data.findings import findings_as_json
from fastdefect.data.load import audit_survey, list_data, read_listing, settle_white
from fastdefect.data.reading.images import Reading
from fastdefect.errors import UsageError
from fastdefect.events import OnEvent
from fastdefect.files import written_to
from fastdefect.reporting.ci.audit import audit_outcomes
from fastdefect.reporting.ci.outcomes import Outcomes
from fastdefect.reporting.plots.shortcuts import draw_shortcut
from fastdefect.reporting.sheets.audit import worst_cases
from fastdefect.reporting.tables.audit import findings_table
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.reporting.tables.tabled import Tabled
from fastdefect.run_files import write_findings


@dataclass(frozen=True)
class AuditReport(Tabled):
    """The findings, the files written to ``out``, and the kinds found among those to fail on."""

    audit: Audit
    out: Path
    files: tuple[Path, ...]
    failed: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "photos": len(self.audit.manifest.photos),
            "parts": len(set(self.audit.parts)),
            "findings": findings_as_json(self.audit.findings),
            "failed": list(self.failed),
            "files": [str(file) for file in self.files],
        }

    def tables(self) -> list[TableData]:
        """The findings."""
        return [findings_table(self.audit.findings)]

    def outcomes(self) -> Outcomes:
        """The checks for the system that runs the pipeline."""
        manifest = self.audit.manifest
        about = {"photos": str(len(manifest.photos)), "parts": str(len(set(self.audit.parts)))}
        return audit_outcomes(
            self.audit.findings, self.failed, data=manifest.root, out=self.out, about=about
        )


def parse_kinds(fail_on: str | None) -> tuple[str, ...]:
    """The kinds of finding in a comma-separated list; ``UsageError`` for an unknown kind."""
    kinds = tuple(kind.strip() for kind in (fail_on or "").split(",") if kind.strip())
    unknown = [kind for kind in kinds if kind not in CHECKS]
    if unknown:
        raise UsageError(
            f"--fail-on: expected kinds of finding, but got {', '.join(unknown)}.",
            f"Choose from {', '.join(CHECKS)}.",
        )
    return kinds


def audit(
    config: DataConfig, *, seed: int, out: Path, fail_on: Sequence[str], on_event: OnEvent
) -> AuditReport:
    """Read every photo once, run all checks and write the findings to the folder ``out``.

    Raises ``UsageError`` if ``out`` can't be written, and the errors of reading the photos.
    """
    listing = list_data(config, new=True)
    config = settle_white(listing, config, on_event)
    # Search even if every photo has a given part: the audit also checks the given parts.
    survey = Survey(len(listing.entries), search=config.parts == "auto")
    manifest = read_listing(listing, config, on_event=on_event, on_photo=survey.put)
    found = audit_survey(manifest, survey, config, seed=seed, on_event=on_event)
    tell([*describe_photos(manifest), *describe_pixels(manifest, config)], on_event)
    files = _write(found, out, Reading.of(config))
    kinds = {finding.kind for finding in found.findings}
    return AuditReport(found, out, files, tuple(kind for kind in fail_on if kind in kinds))


def _write(found: Audit, out: Path, how: Reading) -> tuple[Path, ...]:
    with written_to(out, folder=True):
        out.mkdir(parents=True, exist_ok=True)
        files = [*write_findings(out, findings_as_json(found.findings))]
        if worst_cases(found, out / "worst.png", how=how):
            files.append(out / "worst.png")
        else:
            (out / "worst.png").unlink(missing_ok=True)  # of an earlier audit
        if found.probes:
            labels = np.array(found.manifest.labels)
            draw_shortcut(
                found.probes, found.looks, labels, found.manifest.classes, out / "shortcuts.png"
            )
            files.append(out / "shortcuts.png")
    return tuple(files)
