"""How well two persons agree on the same parts: Cohen's kappa."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastdefect.aliases import Floats, Interval
from fastdefect.files import finite

FEWEST = 20  # parts; with fewer, an interval of kappa has no use

_DRAWS = 10_000
_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Agreement:
    """Two persons' answers on ``parts`` parts, of which ``differ`` have different answers.

    ``kappa`` is the agreement beyond chance: 1 is perfect, 0 that of chance; NaN if all answers
    are equal. ``interval`` is its 95 % interval.
    """

    parts: int
    differ: int
    kappa: float
    interval: Interval

    def as_json(self) -> dict[str, Any]:
        """The values; None for NaN."""
        values: dict[str, Any] = finite(vars(self))
        return values


def agreement(pairs: Sequence[tuple[bool, bool]]) -> Agreement | None:
    """The agreement of pairs of answers (is a defect); None for fewer than ``FEWEST`` pairs.

    Kappa is that of Cohen (1960, "A coefficient of agreement for nominal scales"). Its interval
    is that of a multinomial with Jeffreys' prior (Basu et al. 2000, Biometrics 56, 577-582),
    which is also usable if the persons never differ. In simulations with 20 to 300 parts it held
    in 92 to 96 % of cases, and in 88 % of one with 30 parts and a kappa of 0.96.
    """
    if len(pairs) < FEWEST:
        return None
    first, second = np.asarray(pairs, bool).T
    cells = np.bincount(2 * first + second, minlength=4).astype(np.float64)
    drawn = np.random.default_rng(0).dirichlet(cells + 0.5, _DRAWS)
    low, high = np.quantile(_kappa(drawn), _TAILS)
    constant = len(set(first) | set(second)) == 1
    kappa = math.nan if constant else float(_kappa(cells[None] / len(pairs))[0])
    return Agreement(len(pairs), int((first != second).sum()), kappa, (float(low), float(high)))


def _kappa(shares: Floats) -> Floats:
    """Kappa (n,) of shares (n, 4): both OK, second defect, first defect, both defect."""
    first, second = shares[:, 2] + shares[:, 3], shares[:, 1] + shares[:, 3]
    by_chance = first * second + (1 - first) * (1 - second)
    return np.asarray((shares[:, 0] + shares[:, 3] - by_chance) / (1 - by_chance))
