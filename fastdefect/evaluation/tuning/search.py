"""The interface to Optuna: which settings to try next, and the importance of each setting.

Each call rebuilds the study from the finished trials, and seeds the sampler with (seed, trial). A
result therefore depends only on the trials before it, and a resumed search continues as if it had
not stopped. Optuna's own journal, a text log, is not used for three reasons: a line that a killed
program wrote in part is joined with the next line and makes the log unreadable, its lock remains
after the program ends, and a running trial keeps that state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from fastdefect.errors import UsageError
from fastdefect.evaluation.tuning.halving import DIVERGED, Rung, Trial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

# The sampler learns from a rung with at least this many trials; before that, draws are random.
_ENOUGH = 8
_ATTEMPTS = 100  # to find settings that are not tried yet
_TREES = 16


@dataclass(frozen=True)
class Choice:
    """A setting with one of the plain ``values``."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class LogRange:
    """A number from ``low`` > 0 to ``high``, searched on a logarithmic scale."""

    name: str
    low: float
    high: float


Field = Choice | LogRange


def require_optuna() -> None:
    """Raise ``UsageError`` with the install command if Optuna is not installed."""
    if find_spec("optuna") is None:
        raise UsageError(
            "tune needs Optuna for its search, but Optuna is not installed.",
            "Install it: pip install 'fastdefect[tune]'",
        )


def propose(
    fields: Sequence[Field],
    trials: Sequence[Trial],
    rungs: Sequence[Rung],
    *,
    seed: int,
    number: int,
) -> dict[str, Any] | None:
    """Settings for trial ``number``, by tree-structured Parzen estimators (Bergstra et al. 2011).

    The estimators learn from the furthest rung that at least eight trials reached (as in Falkner et
    al. 2018). Scores are compared on that rung, and trials that did not reach it rank below. The
    settings differ from those of all ``trials``. Returns None if a hundred draws give no new
    settings, because all or almost all were tried. Numbers have three significant digits.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {field.name: _distribution(field) for field in fields}
    learned = _learned_on(trials, rungs)
    frozen = [_frozen(trial, rungs, learned, distributions) for trial in trials]
    tried = [dict(trial.settings) for trial in trials]
    for attempt in range(_ATTEMPTS):
        own_seed = np.random.SeedSequence((seed, number, attempt)).generate_state(1)[0]
        sampler = optuna.samplers.TPESampler(
            seed=int(own_seed), multivariate=True, n_startup_trials=_ENOUGH
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(frozen)
        params = study.ask(distributions).params
        settings = {field.name: _rounded(field, params[field.name]) for field in fields}
        if settings not in tried:
            return settings
    return None


def importances(
    fields: Sequence[Field],
    settings: Sequence[Mapping[str, Any]],
    scores: Sequence[float],
    seed: int,
) -> dict[str, float]:
    """The importance of each field, from 0 to 1, for the scores in a random forest.

    It is the mean decrease of impurity (Breiman 2001) over all trees. ``settings`` and ``scores``
    hold at least two trials. All values are 0 if the scores are equal.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Optuna gives a single setting an importance of 1, whether it varies or not.
    varied = [field for field in fields if len({of[field.name] for of in settings}) > 1]
    if not varied or np.ptp(scores) == 0:
        return {field.name: 0.0 for field in fields}
    distributions = {field.name: _distribution(field) for field in varied}
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={name: of[name] for name in distributions},
                distributions=distributions,
                value=float(score),
            )
            for of, score in zip(settings, scores, strict=True)
        ]
    )
    evaluator = optuna.importance.MeanDecreaseImpurityImportanceEvaluator(n_trees=_TREES, seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {field.name: float(found.get(field.name, 0.0)) for field in fields}


def _distribution(field: Field) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(field, Choice):
        return CategoricalDistribution(field.values)
    return FloatDistribution(field.low, field.high, log=True)


def _rounded(field: Field, value: Any) -> Any:
    if isinstance(field, Choice):
        return value
    return min(max(float(f"{value:.3g}"), field.low), field.high)


def _learned_on(trials: Sequence[Trial], rungs: Sequence[Rung]) -> Rung:
    """The furthest rung that enough trials reached, or the first."""
    furthest = rungs[0]
    for rung in rungs:
        if sum(trial.reached(rungs) >= rung.number for trial in trials) >= _ENOUGH:
            furthest = rung
    return furthest


def _frozen(
    trial: Trial,
    rungs: Sequence[Rung],
    learned: Rung,
    distributions: Mapping[str, "BaseDistribution"],
) -> "FrozenTrial":
    """A trial in the form that the sampler needs: complete, with its score on the rung ``learned``.

    A trial that did not reach this rung is marked as pruned and ranks below all others, by its last
    rung and its score there. A trial that diverged has no score.
    """
    import optuna

    state, diverged = optuna.trial.TrialState, trial.state == DIVERGED
    reached = 0 if diverged else trial.reached(rungs)
    there = reached >= learned.number
    return optuna.trial.create_trial(
        params=dict(trial.settings),
        distributions=dict(distributions),
        state=state.COMPLETE if there else state.PRUNED,
        value=trial.score(learned, rungs) if there else None,
        intermediate_values={rung.number: trial.score(rung, rungs) for rung in rungs[:reached]},
    )
