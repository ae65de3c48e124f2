"""The audit: all checks of the photos before a training."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastdefect.data.audit.appearance import Appearance
from fastdefect.data.audit.part_checks import check_parts
from fastdefect.data.audit.quality_checks import check_quality
from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.audit.shortcuts import Probe, probe_shortcuts, shortcut_findings
from fastdefect.data.findings import SEVERITIES, Finding
from fastdefect.data.parts.search import Link
from fastdefect.data.photos import Manifest


@dataclass(frozen=True)
class Audit:
    """The photos and the results of the audit: ``findings``, most severe first.

    ``parts`` names the part of every photo of the manifest, and ``looks`` is the appearance of
    each. ``links`` are pairs of photos (indices) that a search assigned to the same part.
    """

    manifest: Manifest
    findings: tuple[Finding, ...]
    parts: tuple[str, ...]
    links: tuple[Link, ...]
    probes: tuple[Probe, ...]
    looks: tuple[Appearance, ...]


def audit_photos(
    manifest: Manifest,
    looks: Sequence[Appearance],
    parts: Sequence[str],
    links: Sequence[Link],
    *,
    seed: int,
) -> Audit:
    """Check files, labels, repeats, leaks and shortcuts. Deterministic for a given seed."""
    photos = manifest.photos
    probes = probe_shortcuts(photos, looks, parts, manifest.classes, seed=seed)
    findings = [
        *manifest.findings,
        *check_parts(photos, manifest.classes, parts, links, manifest.good),
        *check_quality(photos, looks),
        *shortcut_findings(probes, photos),
    ]
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), CHECKS[f.kind].rank))
    return Audit(manifest, tuple(findings), tuple(parts), tuple(links), tuple(probes), tuple(looks))
