"""Can this data be trusted? Everything that is found out about photos before any training."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastdefect.data.audit.appearance import Appearance
from fastdefect.data.audit.part_checks import check_parts
from fastdefect.data.audit.quality_checks import condition_findings
from fastdefect.data.audit.shortcuts import Probe, probe_shortcuts, shortcut_findings
from fastdefect.data.findings import Finding
from fastdefect.data.parts.search import Link
from fastdefect.data.photos import Manifest

# Every kind of finding, in the order in which those of one severity are told.
KINDS = (
    *("leak", "label_conflict", "shortcut", "same_part", "near_duplicate", "duplicate"),
    *("unreadable", "small_class", "absent_class", "imbalance"),
    *("blank", "out_of_focus", "underexposed", "overexposed"),
    *("wrong_suffix", "odd_size", "odd_mode", "animated"),
    *("empty_class", "no_label", "left_out", "not_a_photo", "encoding", "no_part"),
)
_SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Audit:
    """The photos and all that was found: ``findings``, gravest first.

    ``parts`` names the part of every photo of the manifest and ``looks`` says how each looks;
    ``links`` are pairs of photos (indices) that a search found to show one part.
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
    """Check files, labels, repeats, leaks and shortcuts. The same for the same seed."""
    photos = manifest.photos
    probes = probe_shortcuts(photos, looks, parts, manifest.classes, seed=seed)
    findings = [
        *manifest.findings,
        *check_parts(photos, manifest.classes, parts, links),
        *condition_findings(photos, looks),
        *shortcut_findings(probes, photos),
    ]
    findings.sort(key=lambda f: (_SEVERITIES.index(f.severity), _place(f.kind)))
    return Audit(manifest, tuple(findings), tuple(parts), tuple(links), tuple(probes), tuple(looks))


def _place(kind: str) -> int:
    return KINDS.index(kind) if kind in KINDS else len(KINDS)
