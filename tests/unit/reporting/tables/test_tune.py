"""The tables and lines of a search."""

import numpy as np
from helpers.trials import trial_of

from fastdefect.evaluation.tuning.effects import Effect
from fastdefect.evaluation.tuning.halving import COMPLETE, STOPPED, plan_rungs, ranked
from fastdefect.metrics import score
from fastdefect.reporting.tables.tune import (
    effects_table,
    ranking_table,
    search_line,
    too_few_line,
    unseen_line,
)

RUNGS = plan_rungs(9, 3)
SETTINGS = {"recipe": "plain", "image_size": 160, "learning_rate": 0.0008}


def test_the_table_of_effects() -> None:
    effects = (
        Effect("recipe", 0.7, (0.5, 0.9), "steady", 5, 0.1, (-0.05, 0.2)),
        Effect("balance", 0.3, (0.1, 0.5), None, 0, None, None),
    )
    table = effects_table(effects, 12)
    assert table.title == "Effect of the settings on the first rung, 12 trials"
    assert table.rows == (
        ("recipe", "0.70 (0.50 to 0.90)", "steady", "5", "+0.1000 (-0.0500 to +0.2000)"),
        ("balance", "0.30 (0.10 to 0.50)", "-", "-", "-"),
    )
    assert "there are 3." in too_few_line(3)


def test_the_ranking_shows_what_differs() -> None:
    trials = [
        trial_of(1, RUNGS, [0.5, 0.7, 0.8, 0.9], SETTINGS, state=COMPLETE, known="plain"),
        trial_of(2, RUNGS, [0.9], {**SETTINGS, "learning_rate": 0.002}, state=STOPPED),
    ]
    table = ranking_table(ranked(trials, RUNGS), RUNGS)
    assert table.columns == ("trial", "learning_rate", "rung", "AUC", "log loss", "s")
    assert table.rows == (
        ("1 (plain)", "0.0008", "3 of 3", "0.8000", "0.5000", "40"),
        ("2", "0.002", "1 of 3", "0.9000", "0.5000", "10"),
    )
    first = ranking_table(ranked(trials, RUNGS), RUNGS, shown=1)
    assert first.title == "The first 1 of 2 trials"
    assert first.columns[1:4] == tuple(SETTINGS)


def test_the_result_of_the_search_is_called_too_optimistic() -> None:
    winner = trial_of(4, RUNGS, [0.5, 0.7, 0.8, 0.9], SETTINGS)
    line = search_line(winner, RUNGS, 9)
    assert "AUC 0.8000 on 3 folds of train, trial 4." in line
    assert "best of 9" in line
    assert "too optimistic" in line
    assert "on a fold of train, trial 4, plain" in search_line(
        trial_of(4, RUNGS, [0.5], SETTINGS, known="plain"), RUNGS, 9
    )


def test_the_unbiased_result_has_its_intervals() -> None:
    y_true = np.array([0, 0, 1, 1])
    y_prob = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    metrics = score(y_true, y_prob, ("bad", "good"), ("good",))
    line = unseen_line(metrics, {"auc": (0.5, 1.0), "f1": None}, 3, 0)
    assert line.startswith("The unbiased result, on the 4 photos of 3 parts of valid")
    assert "AUC 1.0000 (0.5000 to 1.0000), F1 0.6667, accuracy 75.00%" in line
    assert "escape rate 50.00%" in line
    leaked = unseen_line(metrics, {}, 3, 2)
    assert leaked.startswith("Also too optimistic")
    assert "2 of these parts are also in train" in leaked
    without = unseen_line(score(y_true, y_prob, ("a", "b"), ()), {}, 3, 0)
    assert "escape" not in without
