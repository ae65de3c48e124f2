"""The page of a comparison: the verdict, the differences, and what became of each photo."""

import math

from fastdefect.evaluation.compare import FigureChange
from fastdefect.evaluation.compared import Pair
from fastdefect.evaluation.statistics.rates import Rate, upper_bound
from fastdefect.metrics import METRICS
from fastdefect.reporting.html.comparison_facts import (
    CHANGES,
    MENDED,
    NEW,
    STILL,
    ComparedPair,
    ComparisonFacts,
)
from fastdefect.reporting.html.forest import Effect, forest_chart
from fastdefect.reporting.html.page import Block, Chart, Gallery, Grid, Heading, Words
from fastdefect.reporting.html.sections.choice import picture_notes
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.compare import changes_table, mcnemar_table
from fastdefect.reporting.tables.fit import change_text, interval_text, metric_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted

_FEW = 60  # defective parts; without an escape they prove a rate of 5 %
_UNPLOTTED = ("log_loss",)  # on another scale
# The first sentence by the verdicts on escape and overkill rate; "-" is any other verdict.
_SHIP = {
    ("better", "worse"): "trade",
    ("better", "-"): "ship",
    ("worse", "-"): "keep",
    ("-", "better"): "cheaper",
    ("-", "worse"): "dearer",
}


def verdict(facts: ComparisonFacts) -> tuple[Block, ...]:
    """Which model may ship and by which metric, what changed, and what can't be told."""
    blocks: list[Block] = []
    for each in facts.pairs:
        if len(facts.pairs) > 1:
            blocks.append(Heading(_title(each.pair)))
        blocks += [Words(text, "lead") for text in _leads(each.pair)]
    return (*blocks, *_doubts(facts))


def _title(pair: Pair) -> str:
    return say("compared.pair", before=pair.before, after=pair.after)


def _leads(pair: Pair) -> tuple[str, str, str]:
    names = {"before": pair.before, "after": pair.after}
    figures = pair.comparison.figures
    if not pair.photos.good:
        accuracy = figures["accuracy"]
        key = {"better": "better_class", "worse": "worse_class"}.get(accuracy.verdict, "same_class")
        first = say(f"compared.{key}", accuracy=numbers("accuracy", accuracy), **names)
        return first, _changed(pair, "balanced_accuracy"), _limit(pair, "accuracy")
    escape, overkill = figures["escape_rate"], figures["overkill_rate"]
    keys = (
        (escape.verdict, overkill.verdict),
        (escape.verdict, "-"),
        ("-", overkill.verdict),
    )
    key = next((_SHIP[each] for each in keys if each in _SHIP), "same")
    first = say(
        f"compared.{key}",
        escape=numbers("escape_rate", escape),
        overkill=numbers("overkill_rate", overkill),
        **names,
    )
    other = "escape_rate" if key in ("cheaper", "dearer") else "overkill_rate"
    return first, _changed(pair, other), _limit(pair, "escape_rate")


def numbers(name: str, change: FigureChange) -> str:
    """A metric before and after, with its difference and the interval of the difference."""
    of = change.difference
    if of.interval is not None:
        low, high = (change_text(name, 0.0, end) for end in of.interval)
        interval = say("compared.interval", low=low.removesuffix(" pts"), high=high)
    else:
        unknown = change.verdict == "can't tell"
        interval = say("compared.no_interval" if unknown else "compared.agree")
    return say(
        "compared.numbers",
        before=metric_text(name, of.before),
        after=metric_text(name, of.after),
        difference=change_text(name, of.before, of.after),
        interval=interval,
    )


def _changed(pair: Pair, figure: str) -> str:
    """A figure that the first sentence does not name, and the number of changes of each kind."""
    found = {
        name: sum(len(change.photos) for change in pair.comparison.of_kind(kind))
        for kind, name in {**NEW, **MENDED}.items()
    }
    return say(
        "compared.changed" if pair.photos.good else "compared.changed_class",
        metric=METRICS[figure].title.capitalize(),
        numbers=numbers(figure, pair.comparison.figures[figure]),
        compared=_size(pair),
        **found,
    )


def _size(pair: Pair) -> str:
    """The number of photos and parts."""
    parts = counted(pair.comparison.n_parts, "part")
    if pair.comparison.unit == "part":
        return parts
    return f"{counted(pair.comparison.n, 'photo')} of {parts}"


def _limit(pair: Pair, name: str) -> str:
    """What these photos can't tell: a smaller change than the interval allows."""
    change = pair.comparison.figures[name]
    n = _n_bad(pair) if name == "escape_rate" else pair.comparison.n_parts
    parts = counted(n, "defective part" if name == "escape_rate" else "part")
    if change.difference.interval is not None and change.changed_parts:
        low, high = change.difference.interval
        key = "compared.limit" if name == "escape_rate" else "compared.limit_class"
        return say(key, parts=parts, half=f"{50 * (high - low):.1f}")
    if change.changed_parts or not n:
        return say("compared.limit_open", parts=parts)
    return say("compared.limit_none", parts=parts, at_most=f"{upper_bound(0, n):.1%}")


def _n_bad(pair: Pair) -> int:
    return len({part for part, bad in zip(pair.photos.parts, pair.defective, strict=True) if bad})


def _doubts(facts: ComparisonFacts) -> list[Block]:
    """The reasons why the figures may be too good, most important first."""
    found: list[str] = []
    pair = facts.pairs[0].pair
    opening = max((each.pair.opening or 0 for each in facts.pairs), default=0)
    if facts.trained:
        found.append(say("compared.trained"))
    if facts.split == "valid":
        found.append(say("compared.on_validation"))
    elif opening > 1:
        found.append(say("compared.opened", n=opening))
    n_bad = _n_bad(pair)
    if pair.photos.good and 0 < n_bad < _FEW:
        best = metric_text("escape_rate", upper_bound(0, n_bad))
        found.append(say("compared.few", parts=counted(n_bad, "defective part"), best=best))
    if banded := [model.name for model in facts.models if model.rule.has_band]:
        found.append(say("compared.band", names=", ".join(banded)))
    if pair.comparison.unit == "part":
        found.append(say("compared.by_part"))
    return [Words(text, "warning") for text in found]


def differences(facts: ComparisonFacts) -> tuple[Block, ...]:
    """Each metric of both models, with the difference, its interval and the verdict."""
    pairs = (block for each in facts.pairs for block in (Grid(each.figures), _forest(each.pair)))
    return (*pairs, *(Grid(table, folded=True) for table in facts.products))


def _forest(pair: Pair) -> Chart:
    effects = [
        Effect(
            METRICS[name].title,
            100 * change.difference.difference,
            _scaled(change.difference.interval),
            change.verdict in ("better", "worse"),
            f"{100 * change.difference.difference:+.2f}  {change.verdict}",
        )
        for name, change in pair.comparison.figures.items()
        if name not in _UNPLOTTED and math.isfinite(change.difference.difference)
    ]
    told = [effect.name for effect in effects if effect.shown]
    shown = say("compared.plot_some", names=", ".join(told)) if told else say("compared.plot_none")
    svg = forest_chart(
        effects,
        label=say("compared.plot_axis"),
        description=say("compared.plot_text", shown=shown),
    )
    title = say("compared.plot", before=pair.before, after=pair.after)
    return Chart(title, svg, say("compared.plot_means", after=pair.after), "forest")


def _scaled(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (100 * interval[0], 100 * interval[1])


def changes(facts: ComparisonFacts) -> tuple[Block, ...]:
    """Each photo with a changed decision, and those that both decide wrongly."""
    pictures = facts.pictures
    if not pictures.cards:
        return (Words(say("compared.no_changes")),)
    still = sum(pictures.counts[name] for name in STILL[:-1])
    listed = counted(len(pictures.cards), "photo")
    count = say("compared.listed", still=still, shown=listed, **pictures.counts)
    notes: list[Block] = [Words(count)]
    if len(facts.pairs) > 1:
        notes.append(Words(say("compared.several"), "note"))
    sides = {model.record.model["preprocessing"]["image_size"] for model in facts.models}
    seen = " or ".join(map(str, sorted(sides)))
    notes += picture_notes(pictures, seen, facts.command)
    return (*notes, Gallery(pictures.cards, CHANGES, tuple(NEW.values()), say("compared.worse")))


def types(facts: ComparisonFacts) -> tuple[Block, ...]:
    """The escape rates of both models by type of defect."""
    if not facts.pairs[0].pair.photos.good:
        return (Words(say("compared.no_good")),)
    tables = tuple(
        Grid(_types_table(each, column)) for each in facts.pairs for column in each.by_type
    )
    if not tables:
        return (Words(say("compared.no_types")),)
    return (*tables, Words(say("compared.types_note"), "note"))


def _types_table(of: ComparedPair, column: str) -> TableData:
    names = {"before": of.pair.before, "after": of.pair.after, "column": column}
    rows = tuple(
        (value, *_rate_cells(before), *_rate_cells(after), str(before.photos), str(before.parts))
        for value, (before, after) in of.by_type[column].items()
    )
    columns = tuple(say("compared.types_columns", **names).split("|"))
    return TableData(say("compared.types_of", **names), columns, rows)


def _rate_cells(rate: Rate) -> tuple[str, str]:
    value = metric_text("escape_rate", rate.value)
    return f"{value} ({rate.count})", interval_text("escape_rate", rate.interval)


def flips(facts: ComparisonFacts) -> tuple[Block, ...]:
    """How many decisions became right or wrong, and in which parts."""
    blocks: list[Block] = []
    for each in facts.pairs:
        pair = each.pair
        blocks.append(Grid(mcnemar_table(pair.comparison, pair.before, pair.after)))
        blocks.append(Grid(changes_table(pair.comparison, pair.before, pair.after), folded=True))
    return tuple(blocks)
