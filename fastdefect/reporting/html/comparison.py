"""The page of a comparison: its sections in the order of their importance."""

from fastdefect.reporting.html.comparison_facts import ComparisonFacts
from fastdefect.reporting.html.page import Page, Section, render_page
from fastdefect.reporting.html.sections import compared, compared_record
from fastdefect.reporting.html.texts import say

_SECTIONS = {
    "verdict": compared.verdict,
    "differences": compared.differences,
    "changes": compared.changes,
    "types": compared.types,
    "flips": compared.flips,
    "points": compared_record.points,
    "judged": compared_record.judged,
    "record": compared_record.record,
}


def render_comparison(facts: ComparisonFacts) -> str:
    """The HTML of the comparison, one self-contained file."""
    sections = tuple(
        Section(name, say(f"sections.{name}"), build(facts)) for name, build in _SECTIONS.items()
    )
    names = " → ".join([facts.pairs[0].pair.before, *(each.pair.after for each in facts.pairs)])
    subtitle = say(
        "compared.subtitle", where=facts.where, version=facts.version, time=facts.time[:10]
    )
    return render_page(Page(say("compared.title", names=names), subtitle, sections))
