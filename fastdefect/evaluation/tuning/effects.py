"""The effects of the searched settings, with intervals by a bootstrap over trials.

All trials are compared on the first rung, because every trial was trained there on the same photos
and for the same number of epochs. The effects after all epochs can be different.

A search samples more densely where scores are good, so its trials are not a random sample. The
table shows which settings go with good scores; it proves nothing about causes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.tuning.halving import Rung, Trial
from fastdefect.evaluation.tuning.search import Choice, Field, importances

FEWEST = 8  # trials; with fewer, a random forest finds effects that do not exist
_FEWEST_OF_A_VALUE = 3  # trials; a bootstrap of one or two shows no scatter
_TAIL = 0.025


@dataclass(frozen=True)
class Effect:
    """The effect of a setting on the first rung.

    ``importance``, from 0 to 1, has an interval. ``best`` is the value, or the third of the range,
    with the highest mean score; only those with at least three trials count, and ``n`` is its
    number of trials. ``gain`` is its mean score minus that of all other trials. Both are None if
    there are no values to compare.
    """

    field: str
    importance: float
    interval: Interval
    best: str | None
    n: int
    gain: float | None
    gain_interval: Interval | None

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def effects(
    fields: Sequence[Field],
    trials: Sequence[Trial],
    rungs: Sequence[Rung],
    *,
    seed: int,
    draws: int = 100,
) -> tuple[Effect, ...]:
    """The effect of each field, most important first; empty with fewer than ``FEWEST`` trials.

    Trials that diverged on the first rung have no score and are excluded.
    """
    scored = [trial for trial in trials if trial.reached(rungs)]
    if len(scored) < FEWEST:
        return ()
    scores = np.array([trial.score(rungs[0], rungs) for trial in scored])
    settings = [trial.settings for trial in scored]
    rng = np.random.default_rng(seed)
    picked = rng.integers(len(scored), size=(draws, len(scored)))
    drawn = [
        importances(fields, [settings[i] for i in of], scores[of].tolist(), seed) for of in picked
    ]
    whole = importances(fields, settings, scores.tolist(), seed)
    found = []
    for field in fields:
        low, high = np.quantile([of[field.name] for of in drawn], [_TAIL, 1 - _TAIL])
        groups = _groups(field, [of[field.name] for of in settings])
        best = _best(groups, scores)
        gain, interval = _gain(groups, best, scores, picked)
        found.append(
            Effect(
                field.name,
                whole[field.name],
                (float(low), float(high)),
                best,
                int((groups == best).sum()),
                gain,
                interval,
            )
        )
    return tuple(sorted(found, key=lambda effect: -effect.importance))


def _groups(field: Field, values: Sequence[Any]) -> NDArray[np.str_]:
    """The label of each trial's value: the value itself, or its third of the tried range."""
    if isinstance(field, Choice):
        return np.array([str(value) for value in values])
    numbers = np.array(values, np.float64)
    # By rank, with ties together, so that the thirds have about equal numbers of trials.
    cuts = np.quantile(numbers, [1 / 3, 2 / 3], method="inverted_cdf")
    third = np.searchsorted(cuts, numbers, side="left")
    names = {}
    for of in np.unique(third):
        inside = numbers[third == of]
        low, high = f"{inside.min():.3g}", f"{inside.max():.3g}"
        names[of] = low if low == high else f"{low} to {high}"
    return np.array([names[of] for of in third])


def _best(groups: NDArray[np.str_], scores: Floats) -> str | None:
    names, counts = np.unique(groups, return_counts=True)
    enough = [str(name) for name, n in zip(names, counts, strict=True) if n >= _FEWEST_OF_A_VALUE]
    if not enough or len(names) < 2:
        return None
    return max(enough, key=lambda name: float(scores[groups == name].mean()))


def _gain(
    groups: NDArray[np.str_],
    best: str | None,
    scores: Floats,
    picked: NDArray[np.int64],
) -> tuple[float | None, Interval | None]:
    """The mean score of ``best`` minus that of the others, and its interval over ``picked``."""
    if best is None:
        return None, None
    inside = groups == best
    gain = float(scores[inside].mean() - scores[~inside].mean())
    drawn = [
        scores[of][inside[of]].mean() - scores[of][~inside[of]].mean()
        for of in picked
        if 0 < inside[of].sum() < len(of)
    ]
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return gain, (float(low), float(high))
