"""Strata of a line and their rates, with few draws."""

from fastdefect.evaluation.statistics.line_rates import LineRates, Stratum, line_rates


def ok(parts: int, checks: int, defects: int = 0, unanswered: int = 0) -> Stratum:
    """Passed parts with answered checks, of which some are defects."""
    return Stratum("OK", parts, checks + unanswered, checks, defects)


def rates_of(*strata: Stratum, draws: int = 2000) -> LineRates:
    """The rates of these strata."""
    return line_rates(strata, draws=draws)
