"""The tables of queue audit: what was checked, and the rates in total and by model."""

import math
from collections.abc import Iterable, Mapping

from fastdefect.evaluation.statistics.agreement import Agreement
from fastdefect.evaluation.statistics.line_rates import Estimate, LineRates, Plan
from fastdefect.inference.decision_rule import DECISIONS
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import careful_percent, counted, number_text, percent

_RATES = ("escape rate", "defects per 10,000 shipped", "overkill rate", "share of defects")


def audit_tables(rates: LineRates, by_model: Mapping[str, LineRates]) -> list[TableData]:
    """The checks, the rates, and a row for each of several models."""
    tables = [_checks_table(rates), _rates_table(rates)]
    return [*tables, _models_table(by_model)] if by_model else tables


def audit_lines(rates: LineRates, agreement: Agreement | None, plan: Plan | None) -> Iterable[str]:
    """What the checks prove, how well persons agree, and what more checks would prove."""
    passed = rates.of("OK")
    if passed.answered:
        found = counted(passed.defects, "escape") if passed.defects else "No escape"
        yield (
            f"{found} among {counted(passed.answered, 'check')} of {passed.parts} passed parts: "
            f"at 95 % confidence, at most {_at_most(rates.shipped_defects.at_most)} of 10,000 "
            "shipped parts are defects."
        )
    if plan is not None:
        yield _plan(plan, passed.defects)
    if agreement is not None:
        low, high = agreement.interval
        yield (
            f"Two persons differ on {agreement.differ} of {agreement.parts} parts: Cohen's kappa "
            f"{number_text(agreement.kappa, '{:.2f}')}, 95 % interval {low:.2f} to {high:.2f}."
        )


def _plan(plan: Plan, found: int) -> str:
    goal = f"less than {_of_10_000(plan.target)} of 10,000 at 95 %"
    if not plan.checks:
        return f"The checks show {goal}."
    so_far = f" (so far {counted(found, 'escape')})" if found else ""
    return (
        f"To show {goal}: {counted(plan.checks, 'more check')} of passed parts without an escape"
        f"{so_far}. At the present share of checks, these are {plan.passed} passed parts."
    )


def _checks_table(rates: LineRates) -> TableData:
    rows = []
    for decision in DECISIONS:
        counts = rates.of(decision)
        numbers = (counts.parts, counts.chosen, counts.answered, counts.defects)
        rows.append((decision, *map(str, (*numbers, counts.answered - counts.defects))))
    return TableData(
        f"{counted(rates.parts, 'part')}, {rates.shipped} shipped",
        ("decision", "parts", "for people", "answered", "defects", "good"),
        tuple(rows),
        caption="Shipped: the decision OK, and look that a person answered with OK. For people: "
        f"{careful_percent(rates.seen)} of the parts.",
    )


def _rates_table(rates: LineRates) -> TableData:
    return TableData(
        "The line, estimated from the checks",
        ("rate", "estimate", "95 % interval", "of"),
        tuple(
            (name, *_cells(name, estimate), of)
            for name, estimate, of in zip(
                _RATES,
                _estimates(rates),
                ("all defects", "shipped parts", "all good parts", "all parts"),
                strict=True,
            )
        ),
        caption="Escape: a defect that was passed. Overkill: a good part that was rejected. "
        "The answers of people count as the truth.",
    )


def _models_table(by_model: Mapping[str, LineRates]) -> TableData:
    rows = []
    for name, rates in by_model.items():
        cells = [
            f"{value} ({interval})" for value, interval in map(_cells, _RATES, _estimates(rates))
        ]
        rows.append((name, str(rates.parts), str(rates.of("OK").answered), *cells))
    return TableData("By model", ("model", "parts", "checked OK parts", *_RATES), tuple(rows))


def _estimates(rates: LineRates) -> tuple[Estimate, ...]:
    return rates.escape, rates.shipped_defects, rates.overkill, rates.defects


def _cells(name: str, estimate: Estimate) -> tuple[str, str]:
    """The value and the interval of a rate."""
    low, high = estimate.interval
    if "10,000" in name:
        value = "-" if math.isnan(estimate.value) else _of_10_000(estimate.value)
        return value, f"{_of_10_000(low)} to {_of_10_000(high)}"
    value = "-" if math.isnan(estimate.value) else percent(estimate.value, 2)
    return value, f"{percent(low, 2)} to {percent(high, 2)}"


def _at_most(share: float) -> str:
    """Of 10,000, rounded up: a limit must not become smaller by its rounding."""
    if not share:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(10_000 * share)))
    return f"{math.ceil(10_000 * share * 10**digits) / 10**digits:g}"


def _of_10_000(share: float) -> str:
    number = 10_000 * share
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
