"""The verdict in three sentences, and every figure with its interval."""

from fastdefect.evaluation.statistics.rates import Rate, parts_needed, upper_bound
from fastdefect.inference.part_rule import about
from fastdefect.metrics import METRICS
from fastdefect.reporting.html.facts import Measured, RunFacts
from fastdefect.reporting.html.page import Block, Fold, Grid, Heading, Missing, Words
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.by_half import half_tables
from fastdefect.reporting.tables.by_part import part_tables
from fastdefect.reporting.tables.evaluate import claim_lines, evaluation_tables
from fastdefect.reporting.tables.fit import MeasuredOn, metric_text
from fastdefect.reporting.tables.products import product_table
from fastdefect.reporting.tables.table_data import TableData

_CLAIMS = (0.05, 0.01, 0.001)  # escape rates that a factory asks for
_FEW = 60  # defective parts; without an escape they prove a rate of 5 %
_EXAMPLES = (30, 300, 3000)


def verdict(facts: RunFacts) -> tuple[Block, ...]:
    """What the model can promise, at what price, and what it can't; then the reasons for doubt."""
    judged = facts.judged
    if judged is None:
        return (Words(say("verdict.nothing"), "lead"), evaluate_first(facts))
    leads = _leads(judged) if facts.good else _without_good(judged)
    rule = judged_rule(facts)
    return (
        *(Words(text, "lead") for text in leads),
        Words(f"{say('verdict.decided_by', rule=rule)} {_of_a_part(judged)}", "note"),
        *_doubts(facts, judged),
    )


def judged_rule(facts: RunFacts) -> str:
    """The decision rule in words."""
    return facts.rule.rule if facts.rule else "-"


def _of_a_part(judged: Measured) -> str:
    """When a part counts as passed."""
    if judged.by_part is None:
        return say("verdict.hits_one")
    rule = judged.by_part.rule
    return say("verdict.one_decision", about=about(rule), rule=rule)


def evaluate_first(facts: RunFacts) -> Missing:
    """The line for a run without predictions."""
    if not facts.has_model:
        return Missing(say("series.unfinished"), f"fastdefect fit --resume {facts.command}")
    return Missing(say("figures.missing"), f"fastdefect evaluate {facts.command}")


def _leads(judged: Measured) -> tuple[str, str, str]:
    evaluation = judged.evaluation
    claim = judged.figures.escape_claim
    if claim is None:
        return (say("verdict.no_escape"), _cost(judged), say("verdict.no_good_limit"))
    at_most = metric_text("escape_rate", claim.at_most)
    promise = say(
        "verdict.promise",
        photos=evaluation.metrics.n,
        split=say(f"splits.{judged.split}"),
        parts=evaluation.n_parts,
        hits=claim.hits,
        n=claim.parts,
        confidence=f"{100 * claim.confidence:g} %",
        at_most=at_most,
    )
    aim = next((rate for rate in _CLAIMS if rate < claim.at_most), None)
    if aim is None:
        return promise, _cost(judged), say("verdict.limit_met", at_most=at_most)
    limit = say(
        "verdict.limit",
        at_most=at_most,
        rate=f"{aim:.1%}",
        needed=f"{parts_needed(aim, claim.confidence, claim.hits):,}",
        few="no further escape" if claim.hits else "no escape",
    )
    return promise, _cost(judged), limit


def _cost(judged: Measured) -> str:
    sent = judged.reviewed
    rate = sent.overkill if sent else judged.figures.overkill
    if rate is None or rate.interval is None:
        return say("verdict.no_overkill")
    units = judged.unit if rate.photos == 1 else f"{judged.unit}s"
    values = dict(count=rate.count, n=rate.photos, units=units, **_rate_texts(rate))
    if sent is None:
        return say("verdict.cost", **values)
    return say(
        "verdict.cost_band",
        bad=metric_text("escape_rate", sent.defective.value),
        fine=metric_text("escape_rate", sent.good.value),
        **values,
    )


def _rate_texts(rate: Rate) -> dict[str, str]:
    low, high = rate.interval or (0.0, 1.0)
    return {
        name: metric_text("escape_rate", value)
        for name, value in (("value", rate.value), ("low", low), ("high", high))
    }


def _without_good(judged: Measured) -> tuple[str, str, str]:
    evaluation = judged.evaluation
    accuracy = evaluation.estimates["accuracy"]
    low, high = accuracy.interval or (0.0, 1.0)
    right = say(
        "verdict.no_good",
        right=round(accuracy.value * evaluation.metrics.n),
        n=evaluation.metrics.n,
        split=say(f"splits.{judged.split}"),
        parts=evaluation.n_parts,
        value=metric_text("accuracy", accuracy.value),
        low=metric_text("accuracy", low),
        high=metric_text("accuracy", high),
    )
    return right, say("verdict.no_good_more"), say("verdict.no_good_limit")


def _doubts(facts: RunFacts, judged: Measured) -> list[Block]:
    """The reasons why the figures may be too good, most important first."""
    found: list[Block] = []
    status = str(facts.state.get("status", ""))
    if status not in ("finished", "early stopping"):
        found.append(Words(say("verdict.unfinished", status=status), "warning"))
    if judged.split != "test":
        said = _on_validation(facts)
        found.append(Words(said, "note") if facts.is_out_of_fold else Words(said, "warning"))
    elif len(facts.openings) > 1:
        found.append(Words(say("verdict.opened", n=len(facts.openings)), "warning"))
    n_bad = judged.figures.n_defective_parts
    if facts.good and 0 < n_bad < _FEW:
        best = metric_text("escape_rate", upper_bound(0, n_bad))
        found.append(Words(say("verdict.few", n=n_bad, best=best), "warning"))
    warned = [each["kind"] for each in facts.findings if each["severity"] != "info"]
    if n_shortcuts := warned.count("shortcut"):
        found.append(Words(say("verdict.shortcut", n=n_shortcuts), "warning"))
    swap = facts.swap.get("valid") or {}
    if swap.get("interval") and swap["interval"][1] > 0.2:
        low, high = (metric_text("escape_rate", end) for end in swap["interval"])
        text = say("verdict.swap", flips=swap["flips"], n=swap["n"], low=low, high=high)
        found.append(Words(text, "warning"))
    if facts.good and not facts.point and facts.has_model:
        found.append(Words(say("verdict.no_point"), "warning"))
        found.append(Missing(say("verdict.choose_point"), f"fastdefect threshold {facts.command}"))
    return found


def _on_validation(facts: RunFacts) -> str:
    n, told = len(facts.side("test")), "verdict.on_validation"
    if facts.is_out_of_fold:
        told = "series.final" if facts.has_model else "series.crossed"
    if not n:
        rest = say("verdict.no_test")
    elif facts.openings:
        rest = say("verdict.opened_elsewhere", n=len(facts.openings))
    else:
        rest = say("verdict.sealed", n=n)
    return f"{say(told)} {rest}"


def figures(facts: RunFacts) -> tuple[Block, ...]:
    """The figures of each split with their meaning, and what the escapes prove."""
    if not facts.measured:
        return (evaluate_first(facts),)
    main, *others = reversed(facts.measured)
    blocks = _of_split(facts, main)
    blocks += [Grid(facts.compared)] if facts.compared else []
    blocks += [
        Fold(
            say("figures.of_split", split=say(f"splits.{each.split}")),
            tuple(_of_split(facts, each)),
        )
        for each in others
    ]
    if facts.has_model and facts.side("test") and facts.measured_on("test") is None:
        command = f"fastdefect evaluate {facts.command} --split test"
        blocks.append(Missing(say("figures.test_missing"), command))
    return tuple(blocks)


def _of_split(facts: RunFacts, measured: Measured) -> list[Block]:
    rule, evaluation = facts.rule, measured.evaluation
    if rule is None:
        return []
    opening = len(facts.openings) if measured.split == "test" else None
    measured_on = MeasuredOn(say(f"splits.{measured.split}"), opening)
    by_part: list[Block] = []
    if measured.by_part is not None:
        tables = part_tables(measured.by_part, rule, measured_on=measured_on)
        by_part = [Grid(_with_meaning(tables[0])), *map(Grid, tables[1:])]
    first, *others = evaluation_tables(
        evaluation,
        measured.uncalibrated,
        measured.by_type,
        rule,
        measured.sent,
        measured_on=measured_on,
    )
    intro = say(
        "figures.intro",
        split=say(f"splits.{measured.split}"),
        photos=evaluation.metrics.n,
        parts=evaluation.n_parts,
        rule=rule.rule,
    )
    calibration = "Calibration"  # has its own section
    return [
        Words(intro),
        *by_part,
        Grid(_with_meaning(first)),
        *_proof(measured),
        *(Grid(table) for table in others if table.title != calibration),
        *_of_halves(facts, measured),
        *([Grid(product_table(measured.products, rule.unit))] if measured.products else []),
    ]


def _of_halves(facts: RunFacts, measured: Measured) -> list[Block]:
    """The figures of each half of a joint model, as ``evaluate`` measured them."""
    if measured.by_half:
        return [Grid(table) for table in half_tables(measured.by_half)]
    if not facts.is_joint:
        return []
    option = "" if measured.split == "valid" else f" --split {measured.split}"
    return [Missing(say("figures.halves_missing"), f"fastdefect evaluate {facts.command}{option}")]


def _with_meaning(table: TableData) -> TableData:
    meanings = {metric.title: say(f"meaning.{name}") for name, metric in METRICS.items()}
    rows = tuple((*row, meanings.get(row[0], "")) for row in table.rows)
    return TableData(
        table.title, (*table.columns, say("figures.meaning")), rows, table.caption, table.marks
    )


def _proof(measured: Measured) -> list[Block]:
    claim = measured.figures.escape_claim
    if claim is None:
        return []
    examples = ", ".join(
        say("figures.example", n=f"{n:,}", bound=f"{upper_bound(0, n):.2%}") for n in _EXAMPLES
    )
    zero = say("figures.zero", examples=examples, hits=claim.hits, n=claim.parts)
    lines = " ".join(claim_lines(measured.figures))
    return [Heading(say("figures.proof")), Words(lines), Words(zero, "note")]
