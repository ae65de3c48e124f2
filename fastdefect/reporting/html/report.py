"""The report of a run: its sections in the order of their importance."""

from fastdefect.reporting.html.facts import RunFacts
from fastdefect.reporting.html.page import Page, Section, render_page
from fastdefect.reporting.html.sections import (
    choice,
    evidence,
    judgement,
    record,
    trust,
    unseen,
)
from fastdefect.reporting.html.texts import say

_SECTIONS = {
    "verdict": judgement.verdict,
    "figures": judgement.figures,
    "decide": choice.decide,
    "photos": choice.photos,
    "data": evidence.data,
    "training": evidence.training,
    "calibration": trust.calibration,
    "stress": trust.stress,
    "unseen": unseen.unseen,
    "labels": trust.labels,
    "before": trust.before,
    "card": record.card,
    "record": record.record,
}
_OF_A_MODEL = ("stress", "before")  # which a cross-validation lacks


def render_report(facts: RunFacts) -> str:
    """The HTML of the report, one self-contained file."""
    subtitle = say(
        "page.subtitle",
        arch=facts.model["arch"],
        classes=" and ".join(facts.classes),
        started=str(facts.state.get("started", ""))[:10],
        version=facts.version,
        time=facts.time[:10],
    )
    sections = tuple(
        Section(name, say(f"sections.{name}"), build(facts))
        for name, build in _SECTIONS.items()
        if (facts.has_model or name not in _OF_A_MODEL) and (name != "unseen" or facts.unseen)
    )
    return render_page(
        Page(
            say("page.title", name=facts.folder.name), subtitle, sections, choice.script_data(facts)
        )
    )
