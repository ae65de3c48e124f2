"""The page of an ablation, one function for each section: from the facts to blocks."""

import math
from statistics import fmean, median

from fastdefect.evaluation.ablation import COMPARED, Gain, Span, Step, gain_of, spans
from fastdefect.reporting.html.ablation_facts import AblationFacts
from fastdefect.reporting.html.forest import Effect, forest_chart
from fastdefect.reporting.html.page import Block, Chart, Grid, Missing, Row, Terms, Words
from fastdefect.reporting.html.sections.record import run_blocks, run_terms
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.ablate import gain_text
from fastdefect.reporting.tables.fit import metric_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, value_text

_TOLD = ("more", "less")  # from chance
_FEW_SEEDS = 3
_MOST_NAMED = 4


def verdict(facts: AblationFacts) -> tuple[Block, ...]:
    """Which steps help, what all of them do together, and what these seeds can't tell."""
    if facts.table is None:
        return (Words(say("ablated.nothing"), "lead"), *_doubts(facts))
    leads = [_found(facts), *_together(facts), _limit(facts)]
    return (*(Words(text, "lead") for text in leads if text), *_doubts(facts))


def judged_by(step: Step) -> str:
    """The figure that decides on a step: the gap if its claim is about it, else accuracy."""
    return "gap" if step.claim.startswith("gap") else "accuracy"


def _judged(facts: AblationFacts) -> list[tuple[Step, Gain]]:
    return [
        (step, facts.gains[step.name][judged_by(step)])
        for step in facts.steps
        if step.name in facts.gains and facts.gains[step.name]["accuracy"].by_seed
    ]


def _found(facts: AblationFacts) -> str:
    judged = _judged(facts)
    if not judged:
        return say("ablated.one_step")
    named = {
        kind: [
            f"{step.title} {gain_text(gain, points=True)}"
            for step, gain in judged
            if _kind(step, gain) == kind
        ]
        for kind in ("better", "worse")
    }
    rest = len(judged) - sum(map(len, named.values()))
    parts = [say(f"ablated.{kind}", names=_first(names)) for kind, names in named.items() if names]
    parts.append(say("ablated.rest", n=rest, all=counted(len(judged), "difference")))
    return say("ablated.found", found="; ".join(parts))


def _kind(step: Step, gain: Gain) -> str:
    """Whether the step is better or worse by its figure, or neither."""
    if gain.verdict not in _TOLD:
        return ""
    less_is_better = judged_by(step) == "gap"
    return "better" if (gain.verdict == "less") == less_is_better else "worse"


def _first(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    text = ", ".join(names[:_MOST_NAMED])
    return f"{text} {say('ablated.others', n=more)}" if more > 0 else text


def _together(facts: AblationFacts) -> list[str]:
    """The sentence about the whole ladder, if there is one and its ends are measured."""
    for span in spans(facts.steps)[-1:]:
        gain = _gain_over(facts, span)
        if gain.by_seed:
            values = {"gain": gain_text(gain, points=True), "claim": span.claim}
            start, end = (_mean(facts, name, "accuracy") for name in (span.start, span.end))
            return [say("ablated.together", start=start, end=end, **values)]
    return []


def _gain_over(facts: AblationFacts, span: Span) -> Gain:
    after, before = (facts.figures.get(name, {}) for name in (span.end, span.start))
    return gain_of("accuracy", after, before)


def _mean(facts: AblationFacts, step: str, figure: str) -> str:
    return metric_text(figure, fmean(of[figure] for of in facts.figures[step].values()))


def _limit(facts: AblationFacts) -> str:
    halves = [
        (gain.interval[1] - gain.interval[0]) / 2
        for _, gain in _judged(facts)
        if gain.interval is not None
    ]
    n = counted(facts.seeds_done, "seed")
    if not halves:
        return say("ablated.limit_open", seeds=n)
    return say("ablated.limit", seeds=n, half=f"{100 * median(halves):.1f}")


def _doubts(facts: AblationFacts) -> list[Block]:
    found: list[Block] = []
    if facts.left:
        text = say("ablated.left", n=counted(len(facts.left), "training"))
        found.append(Missing(text, facts.resume))
    if facts.diverged:
        found.append(Words(say("ablated.diverged", names=", ".join(facts.diverged)), "warning"))
    if facts.table is not None:
        if facts.seeds_done < _FEW_SEEDS:
            n = counted(facts.seeds_done, "seed")
            found.append(Words(say("ablated.few", seeds=n), "warning"))
        found.append(Words(say("ablated.on_validation"), "warning"))
    return found


def steps(facts: AblationFacts) -> tuple[Block, ...]:
    """The table of the command: each step with its gains, the claim and the evidence."""
    return () if facts.table is None else (Grid(facts.table),)


def plots(facts: AblationFacts) -> tuple[Block, ...]:
    """A forest plot for accuracy, F1, AUC and the gap."""
    charts = tuple(chart for name in COMPARED if (chart := _plot(facts, name)) is not None)
    if not charts:
        return ()
    order = sorted(charts, key=lambda chart: chart.title != say("ablated.plot_accuracy"))
    return (Row(tuple(order)), Words(say("ablated.plot_means"), "note"))


def _plot(facts: AblationFacts, figure: str) -> Chart | None:
    effects = [
        Effect(
            f"({step.title})" if step.aside else step.title,
            100 * gain.mean,
            None if gain.interval is None else (100 * gain.interval[0], 100 * gain.interval[1]),
            gain.verdict in _TOLD,
            f"{100 * gain.mean:+.1f} {say('ablated.' + gain.verdict.replace(' ', '_'))}",
        )
        for step in facts.steps
        if (gain := facts.gains.get(step.name, {}).get(figure)) and math.isfinite(gain.mean)
    ]
    if not effects:
        return None
    told = [effect.name for effect in effects if effect.shown]
    shown = say("compared.plot_some", names=", ".join(told)) if told else say("compared.plot_none")
    title = say(f"ablated.plot_{figure}")
    svg = forest_chart(
        effects,
        label=say("ablated.plot_axis"),
        description=say("ablated.plot_text", title=title, shown=shown),
    )
    return Chart(title, svg, kind="forest")


def seeds(facts: AblationFacts) -> tuple[Block, ...]:
    """The figures of each step for each seed."""
    if facts.table is None:
        return ()
    tables = [
        Grid(_by_seed(facts, figure), folded=figure != "accuracy")
        for figure in sorted(COMPARED, key=lambda name: name != "accuracy")
    ]
    return (Words(say("ablated.seeds")), *tables)


def _by_seed(facts: AblationFacts, figure: str) -> TableData:
    rows = tuple(
        (
            step.title,
            *(
                metric_text(figure, facts.figures[step.name].get(seed, {}).get(figure))
                for seed in facts.seeds
            ),
        )
        for step in facts.steps
        if step.name in facts.figures
    )
    columns = (say("ablated.step"), *(say("ablated.seed", seed=seed) for seed in facts.seeds))
    return TableData(say(f"ablated.by_seed_{figure}"), columns, rows)


def settings(facts: AblationFacts) -> tuple[Block, ...]:
    """What each step changes."""
    before = {step.name: step for step in facts.steps}
    rows = []
    for step in facts.steps:
        reference = before.get(step.against or "")
        known = dict(reference.settings) if reference else {}
        changed = {name: of for name, of in step.settings.items() if known.get(name) != of}
        if step.views != "none":
            changed["views"] = step.views
        text = ", ".join(
            f"{name.replace('_', '-')} {value_text(of)}" for name, of in changed.items()
        )
        rows.append((step.title, reference.title if reference else "-", text))
    columns = tuple(say("ablated.settings_columns").split("|"))
    return (Grid(TableData(say("ablated.settings"), columns, tuple(rows))),)


def trainings(facts: AblationFacts) -> tuple[Block, ...]:
    """Each training with its time and its validation photos."""
    if not facts.trainings:
        return ()
    rows = tuple(
        (each.name, str(each.seed), str(each.photos), str(each.epochs), f"{each.seconds:,.0f} s")
        for each in facts.trainings
    )
    columns = tuple(say("ablated.trainings_columns").split("|"))
    seconds = sum(each.seconds for each in facts.trainings)
    total = say(
        "ablated.total",
        n=counted(len(facts.trainings), "training"),
        minutes=f"{seconds / 60:,.1f}",
    )
    table = TableData(say("ablated.trainings"), columns, rows)
    return (Words(total), Grid(table, folded=True))


def record(facts: AblationFacts) -> tuple[Block, ...]:
    """Fingerprint, commands, versions and settings."""
    own = {
        say("record.seeds"): say("ablated.seeds_text", seeds=", ".join(map(str, facts.seeds))),
        say("record.model"): say("ablated.no_model"),
    }
    terms = [(term, own.get(term, text)) for term, text in run_terms(facts.record)]
    made = say("record.report_text", time=facts.time, version=facts.version)
    rows = (*terms, (say("ablated.made"), made), (say("ablated.made_by"), facts.command))
    return (Terms(rows), *run_blocks(facts.record), Words(say("ablated.files"), "note"))
