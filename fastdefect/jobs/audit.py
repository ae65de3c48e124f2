"""``fastdefect audit``: check photos without training on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import DataConfig
from fastdefect.data.audit.audit import Audit
from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.audit.survey import Survey
from fastdefect.data.describe import describe_photos, describe_pixels, tell
from fastdefect.data.findings import findings_as_json
from fastdefect.data.load import audit_survey, list_data, read_listing
from fastdefect.data.reading.images import Reading
from fastdefect.data.settle import settle_reading
from fastdefect.errors import UsageError
from fastdefect.events import OnEvent
from fastdefect.files import check_output_path, written_to
from fastdefect.jobs.reports.of_audit import WantedPage, write_page
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
    """The findings, the files written to ``out``, and the kinds found among those to fail on.

    ``page`` is the report for people, if one was asked for.
    """

    audit: Audit
    out: Path
    files: tuple[Path, ...]
    failed: tuple[str, ...]
    page: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "photos": len(self.audit.manifest.photos),
            "parts": len(set(self.audit.parts)),
            "findings": findings_as_json(self.audit.findings),
            "failed": list(self.failed),
            "files": [str(file) for file in self.files],
            "report": str(self.page) if self.page else None,
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
    config: DataConfig,
    *,
    seed: int,
    out: Path,
    fail_on: Sequence[str],
    on_event: OnEvent,
    page: WantedPage | None = None,
) -> AuditReport:
    """Read every photo once, run all checks and write the findings to the folder ``out``.

    Raises ``UsageError`` if ``out`` or ``page`` can't be written, and the errors of reading the
    photos.
    """
    if page is not None:
        check_output_path(page.path, "--report", (".html", ".htm"))
    listing = list_data(config, new=True)
    config = settle_reading(listing, config, on_event)
    # Search even if every photo has a given part: the audit also checks the given parts.
    survey = Survey(len(listing.entries), search=config.parts == "auto")
    manifest = read_listing(listing, config, on_event=on_event, on_photo=survey.put)
    found = audit_survey(manifest, survey, config, seed=seed, on_event=on_event)
    tell([*describe_photos(manifest), *describe_pixels(manifest, config)], on_event)
    files = _write(found, out, Reading.of(config))
    kinds = {finding.kind for finding in found.findings}
    report = AuditReport(found, out, files, tuple(kind for kind in fail_on if kind in kinds))
    if page is None:
        return report
    sheet = next((file for file in files if file.name == "shortcuts.png"), None)
    write_page(found, config, seed, page, sheet)
    return replace(report, page=page.path)


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
