"""The only module that knows Optuna: which settings to try next, and which ones mattered.

The study is rebuilt from the finished trials for each question, and the sampler is seeded with
(seed, trial): an answer follows from the trials before it and from nothing else. So a search that
is resumed goes on as if it had never stopped. Optuna's own journal, a text log, is not used: a
line that a killed program wrote by half is joined by the next one, after which the log can't be
read; its lock outlives the program; and a trial that was running stays so.
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

# Trials that a rung needs to be learned on; before there are so many, settings are drawn at random.
_ENOUGH = 8
_ATTEMPTS = 100  # at settings that were not tried before
_TREES = 16


@dataclass(frozen=True)
class Choice:
    """A setting that takes one of ``values``, plain ones."""

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
    """Raise ``UsageError``, with what to do, unless Optuna is installed."""
    if find_spec("optuna") is None:
        raise UsageError(
            "The search of tune is done by Optuna, which is not installed.",
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

    They learn on the furthest rung that eight trials or more stood on (as Falkner et al. 2018 do):
    there scores are compared, and trials that didn't get as far are below. The settings are none
    of ``trials``'; None if a hundred draws gave no others: then all, or nearly all, were tried.
    Numbers have three digits.
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
    """The share of each field, 0 to 1, in what a random forest tells the scores apart by.

    The mean decrease of impurity (Breiman 2001) over all trees. ``settings`` and ``scores``:
    two trials or more. All shares are 0 where the scores agree.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Optuna gives all to a setting that is alone, whether it changes or not.
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
    """The furthest rung that enough trials stood on, or the first."""
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
    """A trial as the sampler sees it: complete with its score on the rung ``learned`` on.

    One that didn't get there counts as pruned, which ranks below all others: by its last rung,
    then by its score there. One that diverged has no score at all.
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
