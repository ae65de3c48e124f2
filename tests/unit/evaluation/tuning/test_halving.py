"""Rungs, scores, and who goes up."""

import json
import math

import numpy as np
import pytest
from helpers.trials import trial_of
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.errors import RunError
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.tuning.halving import (
    COMPLETE,
    DIVERGED,
    STOPPED,
    Rung,
    goes_up,
    measure,
    plan_rungs,
    ranked,
    trial_from_json,
)
from fastdefect.files import finite

RUNGS = plan_rungs(9, 3)


def test_a_third_of_the_epochs_then_all_then_the_other_folds() -> None:
    assert (Rung(1, (1,), 3), Rung(2, (1,), 9), Rung(3, (2, 3), 9)) == RUNGS


@given(st.integers(1, 200), st.integers(2, 10))
def test_all_folds_are_held_out_once_for_all_epochs(epochs: int, folds: int) -> None:
    rungs = plan_rungs(epochs, folds)
    whole = [fold for rung in rungs if rung.epochs == epochs for fold in rung.folds]
    assert whole == [*range(1, folds + 1)]
    assert [rung.number for rung in rungs] == [*range(1, len(rungs) + 1)]
    short = [rung for rung in rungs if rung.epochs < epochs]
    assert all(rung.folds == (1,) and epochs <= 3 * rung.epochs for rung in short)
    assert len(short) == (epochs > 1)


@pytest.mark.parametrize(("epochs", "folds"), [(0, 3), (5, 1)])
def test_without_epochs_or_folds_there_are_no_rungs(epochs: int, folds: int) -> None:
    with pytest.raises(ValueError, match="two folds"):
        plan_rungs(epochs, folds)


def test_a_score_is_of_trainings_with_as_many_epochs() -> None:
    trial = trial_of(1, RUNGS, (0.5, 0.8, 0.9, 1.0), log_loss=0)
    assert [trial.score(rung, RUNGS) for rung in RUNGS] == pytest.approx([0.5, 0.8, 0.9])
    assert trial.seconds == 40
    reached = [trial_of(1, RUNGS, [0.5] * n).reached(RUNGS) for n in range(5)]
    assert reached == [0, 1, 2, 2, 3]


def test_the_log_loss_decides_only_between_equal_areas() -> None:
    sure, unsure = (trial_of(n, RUNGS, [1.0], log_loss=n) for n in (1, 2))
    better = trial_of(3, RUNGS, [0.999], log_loss=0.0)
    assert [trial.number for trial, _ in ranked([unsure, better, sure], RUNGS)] == [1, 2, 3]
    hopeless = trial_of(4, RUNGS, [1.0], log_loss=1e9)
    assert hopeless.score(RUNGS[0], RUNGS) > 0.99


def test_an_area_that_is_not_defined_counts_as_chance() -> None:
    assert trial_of(1, RUNGS, [math.nan], log_loss=0).score(RUNGS[0], RUNGS) == 0.5


def test_the_best_third_goes_up() -> None:
    earlier = [trial_of(n, RUNGS, [0.5 + n / 100], state=STOPPED) for n in range(1, 6)]
    best, second, third = (trial_of(6, RUNGS, [auc]) for auc in (0.9, 0.545, 0.535))
    assert goes_up(best, earlier, RUNGS)
    assert goes_up(second, earlier, RUNGS)  # two of six
    assert not goes_up(third, earlier, RUNGS)


def test_the_first_goes_up_and_of_few_only_the_best() -> None:
    first = trial_of(1, RUNGS, [0.1])
    assert goes_up(first, [], RUNGS)
    assert not goes_up(trial_of(2, RUNGS, [0.05]), [first], RUNGS)
    assert goes_up(trial_of(2, RUNGS, [0.1]), [first], RUNGS)  # no worse


def test_later_trials_and_those_that_were_not_there_do_not_count() -> None:
    before = trial_of(1, RUNGS, [0.4, 0.4], state=STOPPED)
    never_there = trial_of(2, RUNGS, [0.9], state=STOPPED)
    own = trial_of(3, RUNGS, [0.5, 0.5])
    later = trial_of(4, RUNGS, [1.0, 1.0])
    assert goes_up(own, [before, never_there, own, later], RUNGS)


def test_a_known_choice_always_goes_up() -> None:
    better = [trial_of(n, RUNGS, [1.0]) for n in range(1, 9)]
    assert goes_up(trial_of(9, RUNGS, [0.1], known="plain"), better, RUNGS)


def test_the_furthest_is_first_and_what_diverged_is_out() -> None:
    trials = [
        trial_of(1, RUNGS, [0.9], state=STOPPED),
        trial_of(2, RUNGS, [0.6] * 4, state=COMPLETE),
        trial_of(3, RUNGS, [0.7] * 4, state=COMPLETE),
        trial_of(4, RUNGS, [1.0, 1.0, 1.0], state=DIVERGED),
        trial_of(5, RUNGS, []),
        trial_of(6, RUNGS, [0.8, 0.8, 0.1]),
    ]
    assert [trial.number for trial, _ in ranked(trials, RUNGS)] == [3, 2, 6, 1]


def test_a_trial_is_read_back_as_it_was() -> None:
    trial = trial_of(3, RUNGS, [0.1 + 0.2, 1.0], {"balance": "none", "rate": 1e-3}, known="plain")
    assert trial_from_json(json.loads(json.dumps(finite(trial.as_json())))) == trial
    without = trial_of(1, RUNGS, [math.nan])
    again = trial_from_json(json.loads(json.dumps(finite(without.as_json()))))
    assert math.isnan(again.trainings[0].auc)


@pytest.mark.parametrize("content", [{}, {"trainings": 3}, {"trainings": [{"fold": 1}]}, []])
def test_a_damaged_trial_is_refused(content: object) -> None:
    with pytest.raises(RunError, match=r"study\.json is damaged"):
        trial_from_json(content)  # type: ignore[arg-type]


def test_a_training_is_measured_without_a_threshold_and_at_its_temperature() -> None:
    y_true = np.array([0, 0, 0, 1, 1, 1])
    p = np.array([0.9, 0.6, 0.4, 0.45, 0.2, 0.1])

    def said(p: np.ndarray) -> Predictions:
        names = tuple("abcdef")
        return Predictions(names, ("bad", "good"), ("good",), y_true, np.stack([p, 1 - p], axis=1))

    found = measure(said(p), 2, 3, 7.5)
    assert (found.rung, found.fold, found.seconds) == (2, 3, 7.5)
    assert found.auc == pytest.approx(8 / 9)
    # What label smoothing does, the same logits made smaller, costs nothing.
    logits = np.log(p / (1 - p)) / 3
    smoothed = measure(said(1 / (1 + np.exp(-logits))), 2, 3, 7.5)
    assert smoothed.score == pytest.approx(found.score, abs=1e-6)
