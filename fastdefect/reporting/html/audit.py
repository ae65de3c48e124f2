"""The page of an audit: its sections in the order of their importance."""

from fastdefect.reporting.html.audit_facts import AuditFacts
from fastdefect.reporting.html.page import Page, Section, render_page
from fastdefect.reporting.html.sections import audited
from fastdefect.reporting.html.texts import say

_SECTIONS = {
    "verdict": audited.verdict,
    "findings": audited.findings,
    "pairs": audited.pairs,
    "groups": audited.groups,
    "shortcuts": audited.shortcuts,
    "photos": audited.photos,
    "files": audited.files,
    "record": audited.record,
}


def render_audit(facts: AuditFacts) -> str:
    """The HTML of the page, one self-contained file."""
    manifest = facts.audit.manifest
    subtitle = say(
        "audit.subtitle",
        photos=len(manifest.photos),
        parts=facts.n_parts,
        classes=", ".join(manifest.classes),
        version=facts.version,
        time=facts.time[:10],
    )
    sections = tuple(
        Section(f"audit-{name}", say(f"audit_sections.{name}"), make(facts))
        for name, make in _SECTIONS.items()
    )
    return render_page(Page(say("audit.title", name=manifest.root.name), subtitle, sections))
