"""The linear probe compared with scikit-learn's own pipeline."""

import numpy as np
import pytest
import torch
from helpers.scalers import FlooredScaler
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from torch import nn

from fastdefect.training.probe import STRENGTHS, fit_probe, make_folds, solve


def _photos(n: int, n_classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features of two informative and four useless columns, on scales of their own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    features = rng.normal(size=(n, 6)) * [1, 50, 3, 0.01, 1, 7] + [0, 9, -4, 0, 2, 1]
    features[:, 0] += labels
    features[:, 1] -= 40 * (labels == 1)
    return features.astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_solution_is_scikit_learns(n_classes: int) -> None:
    features, labels = _photos(90, n_classes)
    weight, bias = solve(features, labels, 0.1)
    reference = make_pipeline(FlooredScaler(), LogisticRegression(C=0.1, tol=1e-8, max_iter=3000))
    expected = reference.fit(features.astype(np.float64), labels).predict_proba(features)
    assert weight.shape == (n_classes, 6)
    np.testing.assert_allclose(softmax(features @ weight.T + bias, axis=1), expected, atol=1e-4)


def test_more_features_than_photos_have_the_same_solution() -> None:
    labels = (np.arange(40) % 3).astype(np.int64)
    features = np.random.default_rng(2).normal(size=(40, 300)).astype(np.float32)
    features[:, :40] *= 20
    features[:, 50:80] += labels[:, None]
    weight, bias = solve(features, labels, 0.01)
    reference = make_pipeline(FlooredScaler(), LogisticRegression(C=0.01, tol=1e-8, max_iter=3000))
    expected = reference.fit(features.astype(np.float64), labels).decision_function(features)
    np.testing.assert_allclose(features @ weight.T + bias, expected, atol=1e-4)


def test_an_almost_constant_feature_gets_no_large_weight() -> None:
    """An almost constant feature must not dominate when a training changes it."""
    features, labels = _photos(60, 2)
    still = 1e-4 * labels[:, None] + 1e-5 * np.random.default_rng(5).normal(size=(60, 1))
    weight, _ = solve(np.hstack([features, still]).astype(np.float32), labels, 0.1)
    assert np.abs(weight[:, -1]).max() < 0.1 * np.abs(weight[:, 0]).max()
    # All features the same everywhere: nothing to divide by.
    flat, bias = solve(np.ones((4, 3), np.float32), np.array([0, 1, 0, 1]), 0.1)
    assert np.isfinite(flat).all()
    np.testing.assert_allclose(flat @ np.ones(3) + bias, 0, atol=1e-6)


def test_a_layer_filled_by_the_probe_gives_its_logits() -> None:
    features, labels = _photos(60, 3)
    probe = fit_probe([features], labels, [str(i) for i in range(60)], seed=1)
    layer = nn.Linear(6, 3)
    probe.fill(layer)
    np.testing.assert_allclose(
        layer(torch.from_numpy(features)).detach().numpy(),
        features @ probe.weight.T + probe.bias,
        rtol=1e-4,
        atol=1e-4,
    )


def test_held_out_probabilities_are_from_folds_without_the_part() -> None:
    # Each part is known by a column of its own and by nothing else: whoever has learned from
    # its other photos knows its label, and whoever has not can only guess.
    rng = np.random.default_rng(0)
    part = np.repeat(np.arange(40), 3)
    labels = np.repeat(rng.permutation(np.arange(40) % 2), 3).astype(np.int64)
    features = np.eye(40, dtype=np.float32)[part]
    parts = [f"part {i}" for i in part]
    folds = make_folds(labels, parts, seed=0)
    assert folds is not None
    assert all(set(part[learned]).isdisjoint(part[held]) for learned, held in folds)
    held_out = fit_probe([features], labels, parts, seed=0).held_out
    assert held_out is not None
    assert roc_auc_score(labels, held_out[:, 1]) < 0.75
    leaky = fit_probe([features], labels, [str(i) for i in range(120)], seed=0).held_out
    assert leaky is not None
    assert roc_auc_score(labels, leaky[:, 1]) > 0.95


def test_few_parts_give_the_strongest_regularisation_and_no_figure() -> None:
    features, labels = _photos(12, 2)
    probe = fit_probe([features], labels, ["a", "b"] * 6, seed=0)
    assert probe.held_out is None
    assert probe.strength == min(STRENGTHS)


def test_noise_is_regularised_more_than_signal() -> None:
    features, labels = _photos(120, 2)
    parts = [str(i) for i in range(120)]
    noise = np.random.default_rng(3).normal(size=features.shape).astype(np.float32)
    signal = fit_probe([features], labels, parts, seed=0).strength
    assert fit_probe([noise], labels, parts, seed=0).strength < signal


def test_the_same_twice() -> None:
    features, labels = _photos(60, 2)
    first, second = (fit_probe([features], labels, list(map(str, range(60))), seed=4) for _ in "ab")
    np.testing.assert_array_equal(first.weight, second.weight)
    np.testing.assert_array_equal(first.held_out, second.held_out)


def test_augmented_copies_stay_with_their_part() -> None:
    # A copy of a held-out photo among those learned from would give its label away.
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.arange(60) % 2).astype(np.int64)
    features = np.eye(60, dtype=np.float32)
    probe = fit_probe([features, features], labels, [str(i) for i in range(60)], seed=0)
    assert probe.held_out is not None
    assert roc_auc_score(labels, probe.held_out[:, 1]) < 0.75
