"""The page of a comparison: the rules, the photos that were judged, and the facts for an audit."""

from fastdefect.evaluation.compared import Pair
from fastdefect.reporting.html.comparison_facts import ComparedModel, ComparisonFacts
from fastdefect.reporting.html.page import Block, Fold, Grid, Terms, Words
from fastdefect.reporting.html.sections.record import fingerprint, run_blocks, run_terms
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, number_text


def points(facts: ComparisonFacts) -> tuple[Block, ...]:
    """The rule of each model, with what its training cost."""
    rows = tuple(_point(model) for model in facts.models)
    columns = tuple(say("compared.points_columns").split("|"))
    table = TableData(say("compared.points_table"), columns, rows)
    return (Grid(table), *(Grid(other) for other in facts.others))


def _point(model: ComparedModel) -> tuple[str, ...]:
    rule = model.rule
    return (
        model.name,
        rule.rule,
        number_text(rule.threshold, "{:.6g}"),
        number_text(rule.high if rule.has_band else rule.threshold, "{:.6g}"),
        f"{rule.temperature:.3f}",
        rule.views,
        str(model.record.point.get("chosen_on", "-")),
    )


def judged(facts: ComparisonFacts) -> tuple[Block, ...]:
    """Which photos were judged, and why these."""
    pair = facts.pairs[0].pair
    key = "trained" if facts.trained else facts.split
    text = say(
        f"compared.judged_{key}",
        where=facts.where,
        photos=counted(pair.comparison.n, "photo"),
        parts=counted(pair.comparison.n_parts, "part"),
    )
    return (Words(text), Words(say("compared.grouped"), "note"), Grid(_by_class(pair)))


def _by_class(pair: Pair) -> TableData:
    rows = []
    for index, name in enumerate(pair.photos.classes):
        parts = [
            part
            for part, truth in zip(pair.photos.parts, pair.photos.y_true, strict=True)
            if truth == index
        ]
        rows.append((name, f"{len(parts):,}", f"{len(set(parts)):,}"))
    columns = tuple(say("compared.by_class_columns").split("|"))
    return TableData(say("compared.by_class"), columns, tuple(rows))


def record(facts: ComparisonFacts) -> tuple[Block, ...]:
    """Fingerprint, command and versions of the comparison; then the record of each run."""
    digest = fingerprint(facts.hashes)
    n = counted(len(facts.hashes), "photo")
    rows = (
        (say("compared.fingerprint"), say("compared.fingerprint_text", digest=digest, n=n)),
        (say("record.command"), facts.command),
        (say("record.seeds"), say("compared.seeds")),
        (
            say("compared.made"),
            say("record.report_text", time=facts.time, version=facts.version),
        ),
    )
    runs = tuple(
        Fold(
            say("compared.run", name=model.name),
            (Terms(run_terms(model.record)), *run_blocks(model.record)),
        )
        for model in facts.models
    )
    return (Terms(rows), *runs, Words(say("compared.files"), "note"))
