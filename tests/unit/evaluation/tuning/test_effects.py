"""What mattered, on trials whose scores are made."""

import numpy as np
import pytest
from helpers.trials import trial_of

from fastdefect.evaluation.tuning.effects import FEWEST, Effect, effects
from fastdefect.evaluation.tuning.halving import STOPPED, Trial, plan_rungs
from fastdefect.evaluation.tuning.search import Choice, LogRange

RUNGS = plan_rungs(9, 3)
FIELDS = (
    Choice("balance", ("none", "sampler")),
    Choice("image_size", (128, 160)),
    LogRange("learning_rate", 1e-4, 1e-2),
)


def _trials(count: int) -> list[Trial]:
    """Sampler is worth 0.2; the size and the rate nothing; a little noise."""
    rng = np.random.default_rng(1)
    trials = []
    for number in range(1, count + 1):
        settings = {
            "balance": ("none", "sampler")[number % 2],
            "image_size": (128, 160)[number // 2 % 2],
            "learning_rate": float(10 ** rng.uniform(-4, -2)),
        }
        auc = 0.6 + 0.2 * (number % 2) + 0.01 * float(rng.normal())
        trials.append(trial_of(number, RUNGS, [auc], settings, state=STOPPED, log_loss=0))
    return trials


@pytest.fixture(scope="module")
def found() -> dict[str, Effect]:
    return {of.field: of for of in effects(FIELDS, _trials(24), RUNGS, seed=3, draws=40)}


def test_what_was_planted_is_found(found: dict[str, Effect]) -> None:
    assert next(iter(found)) == "balance"  # the most important first
    planted = found["balance"]
    assert planted.importance > 0.8
    assert planted.interval[0] > 0.5
    assert (planted.best, planted.n) == ("sampler", 12)
    assert planted.gain == pytest.approx(0.2, abs=0.02)
    assert planted.gain_interval is not None
    assert 0.15 < planted.gain_interval[0] < planted.gain < planted.gain_interval[1] < 0.25


def test_what_does_nothing_has_an_interval_that_holds_zero(found: dict[str, Effect]) -> None:
    size = found["image_size"]
    assert size.importance < 0.2
    assert size.gain_interval is not None
    assert size.gain_interval[0] < 0 < size.gain_interval[1]


def test_numbers_are_grouped_in_thirds_of_those_tried(found: dict[str, Effect]) -> None:
    rate = found["learning_rate"]
    assert rate.n == 8
    assert rate.best is not None
    low, high = map(float, rate.best.split(" to "))
    assert 1e-4 <= low < high <= 1e-2


def test_few_trials_give_no_effects() -> None:
    diverged = trial_of(99, RUNGS, [], _trials(1)[0].settings)
    assert effects(FIELDS, [*_trials(FEWEST - 1), diverged], RUNGS, seed=3, draws=3) == ()
    assert len(effects(FIELDS, _trials(FEWEST), RUNGS, seed=3, draws=3)) == 3


def test_one_or_two_trials_are_no_best_value() -> None:
    trials = _trials(12)
    lucky = trial_of(13, RUNGS, [1.0], {**trials[0].settings, "image_size": 288}, state=STOPPED)
    fields = (Choice("image_size", (128, 160, 288)),)
    kept = [{"image_size": trial.settings["image_size"]} for trial in (*trials, lucky)]
    made = [
        trial_of(trial.number, RUNGS, [trial.trainings[0].auc], of, state=STOPPED)
        for trial, of in zip((*trials, lucky), kept, strict=True)
    ]
    (effect,) = effects(fields, made, RUNGS, seed=3, draws=5)
    assert effect.best in ("128", "160")


def test_a_value_that_all_share_gains_nothing() -> None:
    trials = [
        trial_of(n, RUNGS, [0.5 + n / 100], {"balance": "none"}, state=STOPPED)
        for n in range(1, 10)
    ]
    (effect,) = effects((Choice("balance", ("none", "sampler")),), trials, RUNGS, seed=3, draws=5)
    assert (effect.importance, effect.best, effect.gain) == (0.0, None, None)
