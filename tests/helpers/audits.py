"""Audits of photos that never were files."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fastdefect.config import DataConfig
from fastdefect.data.audit.appearance import measure_appearance
from fastdefect.data.audit.audit import Audit
from fastdefect.data.audit.part_checks import check_parts
from fastdefect.data.audit.shortcuts import Probe
from fastdefect.data.findings import SEVERITIES, Finding
from fastdefect.data.parts.search import Link
from fastdefect.data.photos import Manifest, Photo
from fastdefect.data.reading.checks import check_photos
from fastdefect.reporting.html.audit_facts import AuditFacts, Shown
from helpers.manifests import FACTS

LOOK = measure_appearance(np.full((8, 8, 3), 90, np.uint8))


def made_photo(name: str, label: str, split: str | None = None, same_file: str = "") -> Photo:
    """A photo of 8 x 8 pixels; ``same_file`` names one with the same bytes."""
    digest = hashlib.sha256((same_file or name).encode()).hexdigest()
    return Photo(name, Path(name), label, None, split, digest, 8, 8, 0, FACTS)


def made_audit(
    photos: Sequence[tuple[Photo, str]],
    links: Sequence[Link] = (),
    found: Sequence[Finding] = (),
    probes: Sequence[Probe] = (),
) -> Audit:
    """The audit of photos with their parts: the findings of the checks of parts, and ``found``."""
    of = tuple(replace(photo, row=row) for row, (photo, _) in enumerate(photos))
    parts = tuple(part for _, part in photos)
    classes = tuple(sorted({photo.label for photo in of}))
    manifest = Manifest(Path("data"), "classes", of, classes, ("good",), ())
    checked = [*check_photos(of, classes, {}), *check_parts(of, classes, parts, links, ("good",))]
    findings = sorted([*checked, *found], key=lambda each: SEVERITIES.index(each.severity))
    return Audit(manifest, tuple(findings), parts, tuple(links), tuple(probes), (LOOK,) * len(of))


def made_facts(audit: Audit, **changes: object) -> AuditFacts:
    """The facts of its page, without photos."""
    nothing = Shown((), 0)
    facts = AuditFacts(
        audit,
        DataConfig(Path("data")),
        nothing,
        nothing,
        nothing,
        has_pictures=False,
        sheet="",
        command="fastdefect audit data",
        settings='data = "data"',
        versions={"Python": "3"},
        time="2026-01-02T03:04:05+00:00",
        version="1",
    )
    return replace(facts, **changes)  # type: ignore[arg-type]
