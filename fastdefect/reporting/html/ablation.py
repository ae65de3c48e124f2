"""The page of an ablation: its sections in the order of their importance."""

from fastdefect.reporting.html.ablation_facts import AblationFacts
from fastdefect.reporting.html.page import Page, Section, render_page
from fastdefect.reporting.html.sections import ablated
from fastdefect.reporting.html.texts import say

_SECTIONS = {
    "verdict": ablated.verdict,
    "steps": ablated.steps,
    "plots": ablated.plots,
    "seeds": ablated.seeds,
    "settings": ablated.settings,
    "trainings": ablated.trainings,
    "record": ablated.record,
}


def render_ablation(facts: AblationFacts) -> str:
    """The HTML of the ablation, one self-contained file."""
    built = {name: build(facts) for name, build in _SECTIONS.items()}
    sections = tuple(
        Section(name, say(f"sections.{name}"), blocks) for name, blocks in built.items() if blocks
    )
    subtitle = say(
        "ablated.subtitle",
        plan=say(f"ablated.plan_{facts.plan.replace('-', '_')}"),
        version=facts.version,
        time=facts.time[:10],
    )
    title = say("ablated.title", name=facts.record.folder.name)
    return render_page(Page(title, subtitle, sections))
