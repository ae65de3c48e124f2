"""Coverage and width of intervals of the escape rate, by method, on simulated lines.

    python benchmarks/line_rates.py [--repeats 400] [--draws 1000] [--shares 1]

Of each line, the checks are drawn again and again, and each method gives its 95 % interval:
that of the program, the same with Beta(x + 1/2, n - x + 1/2) for both limits, MOVER with exact
limits (Donner and Zou 2012), and the normal approximation of the stratified ratio. Prints the share
of intervals that contain the line's own escape rate, and their mean width. With --shares 3, the
share of checks changes twice in the period.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import betabinom

from fastdefect.evaluation.statistics.line_rates import Stratum, line_rates

Limits = tuple[float, float]
Method = Callable[[Sequence[Stratum], int], Limits]
SHARE = 0.02


@dataclass(frozen=True)
class Line:
    """A line by its parts: ``defects`` of all parts, ``escapes`` of the defects that are passed.

    Of the other defects 30 % are look; of the good parts 2 % are look and 1 % are rejected.
    """

    parts: int
    defects: float
    escapes: float

    @property
    def cells(self) -> dict[str, tuple[int, int]]:
        """Numbers of defects and of good parts by decision."""
        bad = round(self.parts * self.defects)
        passed, good = round(bad * self.escapes), self.parts - bad
        sent = round((bad - passed) * 0.3)
        look, rejected = round(good * 0.02), round(good * 0.01)
        return {
            "OK": (passed, good - look - rejected),
            "look": (sent, look),
            "reject": (bad - passed - sent, rejected),
        }

    @property
    def truth(self) -> dict[str, float]:
        """The rates of the line, by their names in ``LineRates``."""
        (escaped, ok), (sent, look), (caught, overkill) = self.cells.values()
        bad, good = escaped + sent + caught, ok + look + overkill
        return {
            "escape": escaped / bad if bad else math.nan,
            "shipped_defects": escaped / (escaped + ok + look),
            "overkill": overkill / good,
            "defects": bad / self.parts,
        }

    def checked(self, rng: np.random.Generator, share: float, periods: int = 1) -> list[Stratum]:
        """Checks that are drawn at random; the share falls to 40 % over the periods."""
        sent, look = self.cells["look"]
        strata = [Stratum("look", sent + look, sent + look, sent + look, sent)]
        for decision in ("OK", "reject"):
            bad, good = (
                rng.multinomial(count, [1 / periods] * periods) for count in self.cells[decision]
            )
            for b, g, factor in zip(bad, good, np.linspace(1, 0.4, periods), strict=True):
                n = int(rng.binomial(b + g, share * factor))
                found = int(rng.hypergeometric(b, g, n)) if n else 0
                strata.append(Stratum(decision, int(b + g), n, n, found))
        return strata


def program(strata: Sequence[Stratum], draws: int) -> Limits:
    return line_rates(strata, draws=draws).escape.interval


def middle(strata: Sequence[Stratum], draws: int) -> Limits:
    """Both limits from Beta(x + 1/2, n - x + 1/2)."""
    rng = np.random.default_rng(0)
    hits = {"OK": np.zeros(draws), "others": np.zeros(draws)}
    for each in strata:
        shares = rng.beta(each.defects + 0.5, each.answered - each.defects + 0.5, draws)
        rest = rng.binomial(each.parts - each.answered, shares)
        hits["OK" if each.decision == "OK" else "others"] += each.defects + rest
    total = hits["OK"] + hits["others"]
    rate = np.divide(hits["OK"], total, out=np.zeros(draws), where=total > 0)
    low, high = np.quantile(rate, (0.025, 0.975))
    return float(low), float(high)


def mover(strata: Sequence[Stratum], _: int) -> Limits:
    """The ratio of two totals by the method of variance estimates recovery."""
    a, a_low, a_high = _total([each for each in strata if each.decision == "OK"])
    b, b_low, b_high = _total([each for each in strata if each.decision != "OK"])

    def odds(of_a: float, of_b: float, sign: int) -> float:
        below = of_b * (2 * b - of_b)
        if below <= 0:
            return 0.0 if sign < 0 else math.inf
        root = math.sqrt(max((a * b) ** 2 - of_a * (2 * a - of_a) * below, 0))
        return (a * b + sign * root) / below

    low, high = max(odds(a_low, b_high, -1), 0.0), odds(a_high, b_low, 1)
    return low / (1 + low), 1.0 if math.isinf(high) else high / (1 + high)


def normal(strata: Sequence[Stratum], _: int) -> Limits:
    totals = {True: [0.0, 0.0], False: [0.0, 0.0]}
    for each in strata:
        if n := each.answered:
            p = each.defects / n
            of = totals[each.decision == "OK"]
            of[0] += each.parts * p
            of[1] += each.parts**2 * (1 - n / each.parts) * p * (1 - p) / max(n - 1, 1)
    (a, var_a), (b, var_b) = totals[True], totals[False]
    if not a + b:
        return 0.0, 1.0
    rate = a / (a + b)
    error = math.sqrt((1 - rate) ** 2 * var_a + rate**2 * var_b) / (a + b)
    return max(rate - 1.96 * error, 0.0), min(rate + 1.96 * error, 1.0)


METHODS: dict[str, Method] = {
    "program": program,
    "middle": middle,
    "MOVER": mover,
    "normal": normal,
}


def _total(strata: Sequence[Stratum]) -> tuple[float, float, float]:
    """A total and its limits, by MOVER over the strata."""
    values, lows, highs = np.array([_limits(each) for each in strata]).T
    total = values.sum()
    low = total - math.sqrt(((values - lows) ** 2).sum())
    return total, low, total + math.sqrt(((highs - values) ** 2).sum())


def _limits(stratum: Stratum) -> tuple[float, float, float]:
    n, x, parts = stratum.answered, stratum.defects, stratum.parts
    if not n:
        return parts / 2, 0, parts
    rest = parts - n
    low = x + betabinom.ppf(0.025, rest, x, n - x + 1) if x and rest else x
    high = x + betabinom.ppf(0.975, rest, x + 1, n - x) if x < n and rest else x + rest * (x == n)
    return parts * x / n, low, high


def measured(line: Line, periods: int, repeats: int, draws: int) -> dict[str, tuple[float, float]]:
    """The coverage and the mean width of each method."""
    rng, truth = np.random.default_rng(0), line.truth["escape"]
    known: dict[tuple[str, tuple[Stratum, ...]], Limits] = {}
    found: dict[str, list[Limits]] = {name: [] for name in METHODS}
    for _ in range(repeats):
        strata = line.checked(rng, SHARE, periods)
        for name, method in METHODS.items():
            key = (name, tuple(strata))
            if key not in known:
                known[key] = method(strata, draws)
            found[name].append(known[key])
    return {
        name: (
            float(np.mean([low - 1e-9 <= truth <= high + 1e-9 for low, high in limits])),
            float(np.mean([high - low for low, high in limits])),
        )
        for name, limits in found.items()
    }


def lines() -> Iterator[tuple[Line, int]]:
    """Lines, and the number of checks that are expected."""
    for defects in (0.001, 0.01, 0.1):
        for escapes in (0.0, 0.02, 0.2):
            for checks in (20, 200, 2000):
                yield Line(round(checks / SHARE), defects, escapes), checks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--shares", type=int, default=1)
    asked = parser.parse_args()
    print("| defects | escapes | checks |", " | ".join(METHODS), "|")
    print("|---" * (3 + len(METHODS)) + "|")
    for line, checks in lines():
        if (not line.cells["OK"][0] and line.escapes) or math.isnan(line.truth["escape"]):
            continue  # too few parts for one escape
        found = measured(line, asked.shares, asked.repeats, asked.draws)
        cells = (f"{share:.1%}, {width:.3f}" for share, width in found.values())
        print(
            f"| {line.defects:.1%} | {line.escapes:.0%} | {checks} |",
            " | ".join(cells),
            "|",
            flush=True,
        )


if __name__ == "__main__":
    main()
