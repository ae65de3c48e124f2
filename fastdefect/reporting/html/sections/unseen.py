"""What the model does with a type of defect that a training has not seen."""

from fastdefect.reporting.html.facts import RunFacts
from fastdefect.reporting.html.page import Block, Grid, Words
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.unseen import unseen_tables


def unseen(facts: RunFacts) -> tuple[Block, ...]:
    """The tables of ``evaluate --unseen-types``, by split."""
    intro = Words(say("unseen.intro"))
    return (intro, *(Grid(table) for each in facts.unseen for table in unseen_tables(each)))
