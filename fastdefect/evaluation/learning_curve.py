"""The benefit of more parts: a power law fitted to the errors of trainings on fewer parts.

error(n) = b * n ** -c, a straight line in logarithms: Hestness et al. 2017, "Deep learning scaling
is predictable, empirically"; Viering and Loog 2021, "The shape of learning curves"; Mahmood et al.
2022, "How much more data do I need?". The law has only two parameters, because a few trainings
cannot separate a lower limit of the error (wrong labels, defects that no photo shows) from a slower
decrease. If there is such a limit, the forecast is too good, and more so at larger sizes. A
forecast for twice the data is reasonable, one for ten times is not.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from fastdefect.aliases import Floats, Interval
from fastdefect.errors import DataError

_TAIL = 0.025
_FEWEST_SIZES = 3  # any law fits through two
# Errors do not increase with data; measured laws decrease no faster than n ** -1, plus a margin.
_STEEPEST = 2.0


@dataclass(frozen=True)
class Forecast:
    """The expected ``error`` of a training on ``n`` parts, and its 95 % ``interval``."""

    n: float
    error: float
    interval: Interval

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """error(n) = ``scale`` * n ** -``exponent``, at most 1.

    ``exponent_interval`` is 95 %, within 0 and 2. If it includes 0, the law is ``flat``: these
    trainings do not show that more parts help. Doubling the parts multiplies the error by 2 **
    -``exponent``. ``levels`` and ``slopes`` (draws,) are possible true lines: the log error at
    ``centre``, the mean log n, and its decrease with log n.
    """

    scale: float
    exponent: float
    exponent_interval: Interval
    centre: float
    levels: Floats
    slopes: Floats

    @property
    def flat(self) -> bool:
        """Whether the trainings are consistent with a flat curve."""
        return self.exponent_interval[0] <= 0

    def forecast(self, n: float) -> Forecast:
        """The expected error with ``n`` > 0 parts; raises ``ValueError`` for another n."""
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
    """Fit the law by least squares of the log error; each training has the same weight.

    ``n`` (k,): the parts of each training, at least three different sizes, which can repeat.
    ``error`` (k,): the share of wrong photos, from 0 to 1, all measured on the same ``photos``
    validation photos of ``parts`` parts. A share of 0 has no logarithm, so half a photo is added to
    the wrong photos and one to all; this also removes most of the bias of the logarithm of a count
    (Anscombe 1956).

    The interval has two sources. The first is the scatter of the trainings around the line (their
    parts and seeds, and the fit of the law): Student's t with k - 2 degrees of freedom for level
    and slope, because resampling two or three repeats underestimates it. With three trainings it is
    wide. The second is the random choice of the validation parts, which all trainings share and
    which the scatter does not show: the share of wrong ones at the largest size as a binomial of
    ``parts`` (Jeffreys' posterior).

    Raises ``DataError`` for fewer than three sizes, and ``ValueError`` if the lengths differ, an
    error is not from 0 to 1, a size not above 0, or ``parts`` not from 1 to ``photos``.
    """
    sizes, errors = np.asarray(n, np.float64), np.asarray(error, np.float64)
    _check(sizes, errors, photos, parts)
    x, y = np.log(sizes), np.log((errors * photos + 0.5) / (photos + 1))
    centre, level, width = float(x.mean()), float(y.mean()), float(((x - x.mean()) ** 2).sum())
    free = -float(((x - centre) * y).sum()) / width
    exponent = float(np.clip(free, 0.0, _STEEPEST))
    residuals = y - level + exponent * (x - centre)
    freedom = len(x) - 2
    sigma = float(np.sqrt((residuals**2).sum() / freedom))
    reach = float(student.ppf(1 - _TAIL, freedom)) * sigma / np.sqrt(width)
    low, high = (float(np.clip(free + side * reach, 0.0, _STEEPEST)) for side in (-1, 1))
    rng = np.random.default_rng(seed)
    sigmas = sigma * np.sqrt(freedom / rng.chisquare(freedom, draws))
    # Level at the centre and slope are independent, so clipping one does not affect the other.
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
    """(draws,): the log of the true share over the observed ``error``, on ``parts`` parts."""
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
            f"Expected trainings on at least {_FEWEST_SIZES} numbers of parts, but got {found}.",
            "Train on a quarter, a half and all of the parts, for example.",
        )
