"""Which settings are tried next, and which ones mattered, by Optuna."""

from collections.abc import Callable
from typing import Any

import pytest
from helpers.trials import trial_of

from fastdefect.errors import UsageError
from fastdefect.evaluation.tuning import search
from fastdefect.evaluation.tuning.halving import COMPLETE, DIVERGED, STOPPED, Trial, plan_rungs
from fastdefect.evaluation.tuning.search import (
    Choice,
    LogRange,
    importances,
    propose,
    require_optuna,
)

RUNGS = plan_rungs(9, 3)
FIELDS = (
    Choice("recipe", ("plain", "steady")),
    Choice("image_size", (128, 160, 224)),
    LogRange("learning_rate", 2e-4, 3.2e-3),
)


def _played(count: int, score: Callable[[dict[str, Any]], float], seed: int = 7) -> list[Trial]:
    """Trials as the search proposes them, every fourth complete, one diverged."""
    trials: list[Trial] = []
    for number in range(1, count + 1):
        settings = propose(FIELDS, trials, RUNGS, seed=seed, number=number)
        assert settings is not None
        auc = score(settings)
        if number == 3:
            trials.append(trial_of(number, RUNGS, [], settings, state=DIVERGED))
        elif number % 4 == 0:
            trials.append(trial_of(number, RUNGS, [auc] * 4, settings, state=COMPLETE))
        else:
            trials.append(trial_of(number, RUNGS, [auc], settings, state=STOPPED))
    return trials


def _small_is_good(settings: dict[str, Any]) -> float:
    return 0.9 if settings["image_size"] == 128 else 0.5


def test_what_is_proposed_follows_from_the_trials_before() -> None:
    trials = _played(14, _small_is_good)
    for number in (1, 5, 12):
        again = propose(FIELDS, trials[: number - 1], RUNGS, seed=7, number=number)
        assert again == trials[number - 1].settings
    other = propose(FIELDS, [], RUNGS, seed=8, number=1)
    assert other != trials[0].settings


def test_no_settings_are_tried_twice_and_all_lie_in_the_space() -> None:
    trials = _played(14, _small_is_good)
    seen = [tuple(trial.settings.values()) for trial in trials]
    assert len(set(seen)) == 14
    for trial in trials:
        assert list(trial.settings) == [field.name for field in FIELDS]
        assert trial.settings["recipe"] in ("plain", "steady")
        assert trial.settings["image_size"] in (128, 160, 224)
        rate = trial.settings["learning_rate"]
        assert 2e-4 <= rate <= 3.2e-3
        assert rate == float(f"{rate:.3g}")


def test_the_search_looks_where_it_was_good() -> None:
    trials = _played(26, _small_is_good)
    late = [trial.settings["image_size"] for trial in trials[12:]]
    assert late.count(128) > len(late) / 2


def test_it_learns_on_the_furthest_rung_that_enough_trials_stood_on() -> None:
    short = [trial_of(n, RUNGS, [0.5], state=STOPPED) for n in range(1, 20)]
    far = [trial_of(n, RUNGS, [0.5, 0.5], state=STOPPED) for n in range(20, 28)]
    whole = [trial_of(n, RUNGS, [0.5] * 4, state=COMPLETE) for n in range(28, 35)]
    assert search._learned_on([], RUNGS) == RUNGS[0]
    assert search._learned_on([*short, *far[:7]], RUNGS) == RUNGS[0]
    assert search._learned_on([*short, *far], RUNGS) == RUNGS[1]
    assert search._learned_on([*far[:1], *whole], RUNGS) == RUNGS[1]
    assert search._learned_on([*whole, trial_of(35, RUNGS, [0.5] * 4)], RUNGS) == RUNGS[2]


def test_a_trial_that_did_not_get_as_far_ranks_below() -> None:
    distributions = {field.name: search._distribution(field) for field in FIELDS}
    settings = {"recipe": "plain", "image_size": 128, "learning_rate": 1e-3}

    def seen(aucs: list[float], state: str = STOPPED) -> Any:
        trial = trial_of(1, RUNGS, aucs, settings, state=state, log_loss=0)
        return search._frozen(trial, RUNGS, RUNGS[1], distributions)

    there, below, lost = seen([0.9, 0.6]), seen([0.9]), seen([0.9, 0.8], DIVERGED)
    assert (there.state.name, there.value) == ("COMPLETE", 0.6)
    assert (below.state.name, below.intermediate_values) == ("PRUNED", {1: 0.9})
    assert (lost.state.name, lost.intermediate_values) == ("PRUNED", {})


def test_an_exhausted_space_ends_the_search() -> None:
    field = Choice("balance", ("none", "sampler"))
    first = trial_of(1, RUNGS, [0.5], {"balance": "none"}, state=STOPPED)
    assert propose([field], [first], RUNGS, seed=1, number=2) == {"balance": "sampler"}
    second = trial_of(2, RUNGS, [0.5], {"balance": "sampler"}, state=STOPPED)
    assert propose([field], [first, second], RUNGS, seed=1, number=3) is None


def test_the_setting_that_makes_the_score_is_the_important_one() -> None:
    trials = [trial for trial in _played(20, _small_is_good) if trial.trainings]
    settings = [trial.settings for trial in trials]
    scores = [trial.score(RUNGS[0], RUNGS) for trial in trials]
    found = importances(FIELDS, settings, scores, 1)
    assert sum(found.values()) == pytest.approx(1)
    assert found["image_size"] > 0.6
    assert found == importances(FIELDS, settings, scores, 1)


def test_where_the_scores_agree_nothing_is_important() -> None:
    settings = [{"recipe": "plain", "image_size": 128, "learning_rate": 1e-3}] * 3
    assert set(importances(FIELDS, settings, [0.5] * 3, 1).values()) == {0.0}


def test_without_optuna_the_error_has_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    require_optuna()
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as error:
        require_optuna()
    assert "pip install 'fastdefect[tune]'" in str(error.value.hint)
