"""How many parts more? A power law through the errors of trainings on fewer of them.

error(n) = b * n ** -c, a straight line in logarithms: Hestness et al. 2017, "Deep learning
scaling is predictable, empirically"; Viering and Loog 2021, "The shape of learning curves";
Mahmood et al. 2022, "How much more data do I need?". Two numbers and no more: a floor under
the curve (labels that are wrong, defects that no photo shows) can't be told from a slower fall
by a handful of trainings. A curve that has one is forecast too well, the more so the farther
off: twice the data is a fair question, ten times isn't.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from fastdefect.aliases import Floats, Interval
from fastdefect.errors import DataError

_TAIL = 0.025
_FEWEST_SIZES = 3  # through two any law fits
# Errors don't rise with data; measured laws fall no faster than n ** -1, with some slack.
_STEEPEST = 2.0


@dataclass(frozen=True)
class Forecast:
    """The ``error`` to expect from a training on ``n`` parts, and its 95 % ``interval``."""

    n: float
    error: float
    interval: Interval

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """error(n) = ``scale`` * n ** -``exponent``, at most 1.

    ``exponent_interval`` is 95 %, within 0 and 2. ``flat``: it holds 0, so that these
    trainings don't show that more parts help at all. Twice the parts leave 2 ** -``exponent``
    of the error. ``levels`` and ``slopes`` (draws,) are the lines that could be the true one:
    log error at the ``centre``, the mean log n, and its fall with log n.
    """

    scale: float
    exponent: float
    exponent_interval: Interval
    centre: float
    levels: Floats
    slopes: Floats

    @property
    def flat(self) -> bool:
        """Whether the trainings can't tell the curve from a flat one."""
        return self.exponent_interval[0] <= 0

    def forecast(self, n: float) -> Forecast:
        """What a training on ``n`` > 0 parts would err; raises ``ValueError`` for another n."""
        if not 0 < n < float("inf"):
            raise ValueError(f"Expected a number of parts above 0 but got {n}")
        lines = np.minimum(self.levels - self.slopes * (np.log(n) - self.centre), 0.0)
        low, high = np.quantile(np.exp(lines), [_TAIL, 1 - _TAIL])
        error = min(self.scale * n**-self.exponent, 1.0)
        return Forecast(float(n), error, (float(low), float(high)))

    def as_json(self) -> dict[str, Any]:
        """The law without its draws."""
        names = ("scale", "exponent", "exponent_interval", "flat")
        return {name: getattr(self, name) for name in names}


def fit_power_law(
    n: NDArray[np.floating[Any]] | NDArray[np.integer[Any]],
    error: NDArray[np.floating[Any]],
    *,
    photos: int,
    parts: int,
    draws: int = 4000,
    seed: int,
) -> PowerLaw:
    """Fit the law by least squares of log error, each training counted alike.

    ``n`` (k,): the parts of each training, three sizes at least, which may repeat; ``error``
    (k,): the share of wrong photos, from 0 to 1, all measured on the same ``photos``
    validation photos of ``parts`` parts. A share of 0 has no logarithm, so half a photo is
    added to the wrong and one to all; that also takes most of the bias
    out of a count's logarithm (Anscombe 1956).

    The interval has two sources. The scatter of the trainings about the line (which parts and
    seed they got; whether the law holds): Student's t with k - 2 degrees of freedom for level
    and slope, since a resampling of two or three repeats sees too little of it. And the luck of
    the validation parts, which all trainings share and no scatter shows: the share of wrong
    ones at the largest size as a binomial of ``parts`` (Jeffreys' posterior). With three
    trainings the first is a wide guess, and says so.

    Raises ``DataError`` for fewer than three sizes, and ``ValueError`` if the lengths differ,
    an error is not from 0 to 1, a size not above 0, or ``parts`` not from 1 to ``photos``.
    """
    sizes, errors = np.asarray(n, np.float64), np.asarray(error, np.float64)
    _check(sizes, errors, photos, parts)
    x, y = np.log(sizes), np.log((errors * photos + 0.5) / (photos + 1))
    centre, level, width = float(x.mean()), float(y.mean()), float(((x - x.mean()) ** 2).sum())
    free = -float(((x - centre) * y).sum()) / width
    exponent = float(np.clip(free, 0.0, _STEEPEST))
    left = y - level + exponent * (x - centre)
    freedom = len(x) - 2
    sigma = float(np.sqrt((left**2).sum() / freedom))
    reach = float(student.ppf(1 - _TAIL, freedom)) * sigma / np.sqrt(width)
    low, high = (float(np.clip(free + side * reach, 0.0, _STEEPEST)) for side in (-1, 1))
    rng = np.random.default_rng(seed)
    sigmas = sigma * np.sqrt(freedom / rng.chisquare(freedom, draws))
    # Level at the centre and slope are independent, so that bounding the one keeps the other.
    levels = level + sigmas / np.sqrt(len(x)) * rng.standard_normal(draws)
    slopes = free + sigmas / np.sqrt(width) * rng.standard_normal(draws)
    largest = min(float(np.exp(level - exponent * (x.max() - centre))), 1.0)
    return PowerLaw(
        scale=float(np.exp(level + exponent * centre)),
        exponent=exponent,
        exponent_interval=(low, high),
        centre=centre,
        levels=levels + _shared_luck(largest, parts, draws, rng),
        slopes=np.clip(slopes, 0.0, _STEEPEST),
    )


def _shared_luck(error: float, parts: int, draws: int, rng: np.random.Generator) -> Floats:
    """(draws,): the log of the true share over the one seen, ``error``, on ``parts`` parts."""
    wrong = error * parts
    return np.log(rng.beta(wrong + 0.5, parts - wrong + 0.5, draws) / error)


def _check(sizes: Floats, errors: Floats, photos: int, parts: int) -> None:
    if len(sizes) != len(errors):
        raise ValueError(f"Expected an error for each of {len(sizes)} sizes, got {len(errors)}")
    if not ((sizes > 0) & np.isfinite(sizes)).all():
        raise ValueError("Expected numbers of parts above 0")
    if not ((errors >= 0) & (errors <= 1)).all():
        raise ValueError("Expected errors as shares from 0 to 1")
    if not 1 <= parts <= photos:
        raise ValueError(f"Expected 1 to {photos} validation parts but got {parts}")
    found = len(np.unique(sizes))
    if found < _FEWEST_SIZES:
        raise DataError(
            f"Expected trainings on {_FEWEST_SIZES} numbers of parts at least, but got {found}.",
            "Train on a quarter, a half and all of the parts, for example.",
        )
