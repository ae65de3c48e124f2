"""The probe: how often chance fools it, and that its figures are right."""

from collections.abc import Sequence

import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fastdefect.data.audit import shortcut_probe, shortcuts
from fastdefect.data.audit.shortcut_probe import (
    Trial,
    areas_under_roc,
    predict_scores,
    trial_of,
    try_table,
)
from fastdefect.data.audit.shortcuts import Probe

# ---- what must not be found --------------------------------------------------------------


def random_trial(seed: int, parts: int = 30, per: int = 2) -> Trial:
    label = np.random.default_rng(seed).permutation(parts) % 2
    part = np.repeat(np.arange(parts), per)
    return trial_of(label[part], part, seed)


def false_alarms(seeds: Sequence[int], parts: int) -> tuple[int, list[float]]:
    """In how many sets any of three random tables predicts the class, and how far each is out."""
    fired, excess = 0, []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        trial = random_trial(seed, parts)
        outcomes = [
            try_table(rng.normal(size=(parts, columns))[trial.part], trial)
            for columns in (1, 6, 30)
        ]
        excess += [outcome.excess for outcome in outcomes]
        fired += any(
            Probe("", "", *vars(outcome).values(), False, 2 * parts, parts).tells
            for outcome in outcomes
        )
    return fired, excess


@pytest.mark.slow
def test_what_is_random_predicts_nothing() -> None:
    fired, excess = false_alarms(range(16), parts=30)
    assert fired == 0
    assert abs(np.mean(excess)) < 0.5
    assert 0.6 < np.std(excess) < 1.4  # a z-score: else the shuffles would be no measure


@pytest.mark.slow
@pytest.mark.parametrize("parts", [12, 30, 150])
def test_what_is_random_predicts_nothing_in_95_of_100_sets(parts: int) -> None:
    fired, excess = false_alarms(range(100), parts)
    assert fired <= 5
    assert abs(np.mean(excess)) < 0.25


def test_parts_stay_whole() -> None:
    # A photo reveals its part, and only by that its class.
    rng = np.random.default_rng(3)
    label = np.repeat(rng.permutation(60) % 2, 6)
    part = np.repeat(np.arange(60), 6)
    table = rng.normal(size=(60, 3))[part] + rng.normal(0, 0.01, (360, 3))
    whole = try_table(table, trial_of(label, part, 0))
    torn = try_table(table, trial_of(label, np.arange(360), 0))
    assert torn.auc > 0.95
    assert whole.auc < 0.65
    # Photos of one part are no evidence of their own: far wider, in truth and in chance.
    assert np.ptp(whole.interval) > 3 * np.ptp(torn.interval)
    assert np.ptp(whole.shuffled_interval) > 1.5 * np.ptp(torn.shuffled_interval)


# ---- figures -----------------------------------------------------------------------------


def test_the_auc_is_that_of_scikit_learn_over_the_folds() -> None:
    trial = random_trial(1)
    scores = np.random.default_rng(2).normal(size=(1, 60)).round(1)  # with ties
    areas, pairs = [], []
    for _, test in trial.folds:
        areas.append(roc_auc_score(trial.truth[0, test], scores[0, test]))
        pairs.append(trial.truth[0, test].sum() * (~trial.truth[0, test]).sum())
    expected = np.average(areas, weights=pairs)
    assert areas_under_roc(scores, trial.truth, trial.folds)[0] == pytest.approx(expected)


def test_the_interval_is_that_of_drawn_parts() -> None:
    # Photos that are drawn twice count as if they were there twice.
    trial = random_trial(1)
    table = np.random.default_rng(5).normal(size=(60, 2)) + trial.truth.T
    outcome = try_table(table, trial)
    scores = predict_scores(table, trial.truth, trial.folds, trial.seed)
    drawn = []
    for weights in trial.weights[1:101]:
        kept = np.repeat(np.arange(60), weights.astype(int))
        places = [np.flatnonzero(np.isin(kept, test)) for _, test in trial.folds]
        folds = [(kept, at) for at in places]
        drawn.append(areas_under_roc(scores[:, kept], trial.truth[:, kept], folds)[0])
    few = Trial(
        trial.part, trial.folds, trial.truth, trial.shuffled, trial.weights[:101], trial.seed
    )
    assert try_table(table, few).interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    assert outcome.interval[0] < outcome.auc < outcome.interval[1]


def test_the_p_value_counts_the_truth_among_the_shuffles() -> None:
    trial = random_trial(1)
    assert len(trial.shuffled) == 400
    table = np.random.default_rng(6).normal(size=(60, 2))
    found = try_table(table, trial)
    shuffled = areas_under_roc(
        predict_scores(table, trial.shuffled, trial.folds, trial.seed), trial.shuffled, trial.folds
    )
    assert found.p_value == pytest.approx(((shuffled >= found.auc).sum() + 1) / 401)
    assert found.shuffled == pytest.approx(shuffled.mean())
    assert found.shuffled_interval == pytest.approx(np.quantile(shuffled, [0.025, 0.975]))
    assert found.excess == pytest.approx((found.auc - shuffled.mean()) / shuffled.std(ddof=1))


def test_a_draw_has_each_photo_of_a_part_as_often() -> None:
    trial = random_trial(4, parts=20, per=3)
    assert (trial.weights[0] == 1).all()
    by_part = trial.weights.reshape(len(trial.weights), 20, 3)
    assert (by_part == by_part[:, :, :1]).all()
    assert (by_part[:, :, 0].sum(axis=1) == 20).all()


def test_labels_are_shuffled_between_parts() -> None:
    trial = random_trial(4, parts=20, per=3)
    by_part = trial.shuffled.reshape(-1, 20, 3)
    assert (by_part == by_part[:, :, :1]).all()
    assert (by_part[:, :, 0].sum(axis=1) == 10).all()
    assert len(np.unique(by_part[:, :, 0], axis=0)) > 0.9 * len(by_part)


def test_what_is_alike_ties() -> None:
    # Otherwise the last digits of sums would rank photos of one kind, by their place.
    trial = random_trial(0)
    table = (np.arange(60) % 7 < 3).astype(float)[:, None]
    scores = predict_scores(table, trial.truth, trial.folds, 0)
    assert all(len(np.unique(scores[:, test])) <= 2 for _, test in trial.folds)


def test_the_model_is_as_good_as_a_forest() -> None:
    from sklearn.ensemble import RandomForestClassifier

    trial = random_trial(3, parts=300, per=1)
    x = np.random.default_rng(8).normal(size=(300, 4))
    truth = (np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] > 0)[None]  # nothing a line could tell
    ours = areas_under_roc(predict_scores(x, truth, trial.folds, 0), truth, trial.folds)[0]
    forest = RandomForestClassifier(50, random_state=0, n_jobs=1)
    scores = np.zeros((1, 300))
    for train, test in trial.folds:
        scores[0, test] = forest.fit(x[train], truth[0, train]).predict_proba(x[test])[:, 1]
    theirs = areas_under_roc(scores, truth, trial.folds)[0]
    assert theirs > 0.7
    assert ours > theirs - 0.05


@pytest.mark.slow
@examples(15)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=10, max_size=16),
    classes=st.integers(2, 3),
    seed=st.integers(0, 2**40),
)
def test_any_sizes_of_parts(sizes: list[int], classes: int, seed: int) -> None:
    # Nothing may fall over, be it a part as large as all others together.
    label = np.concatenate([np.full(n, i % classes) for i, n in enumerate(sizes)])
    part = np.concatenate([np.full(n, i) for i, n in enumerate(sizes)])
    chosen = shortcuts._chosen(label, part, seed)
    if not chosen.size:
        return
    label, part = label[chosen], part[chosen]
    trial = trial_of(label, part, seed)
    tested = np.concatenate([test for _, test in trial.folds])
    assert sorted(tested.tolist()) == list(range(len(label)))
    for train, test in trial.folds:
        assert not set(part[train]) & set(part[test])
    outcome = try_table(np.random.default_rng(0).normal(size=(len(label), 2)), trial)
    assert 0 <= outcome.interval[0] <= outcome.interval[1] <= 1
    assert 0 <= outcome.auc <= 1
    assert np.isfinite([outcome.excess, outcome.shuffled]).all()


def test_a_kernel_matrix_whose_svd_fails_gets_other_landmarks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    table, targets = rng.normal(size=(40, 3)), rng.random((1, 40)) < 0.5
    folds = [(np.arange(30), np.arange(30, 40))]
    expected = predict_scores(table, targets, folds, seed=8)
    build = shortcut_probe._model

    def failing(n: int, columns: int, seed: int) -> object:
        model = build(n, columns, seed)
        if seed == 7:
            monkeypatch.setattr(model, "fit", _not_converged)
        return model

    monkeypatch.setattr(shortcut_probe, "_model", failing)
    np.testing.assert_array_equal(predict_scores(table, targets, folds, seed=7), expected)


def _not_converged(*_: object) -> None:
    raise np.linalg.LinAlgError("SVD did not converge")
