"""A linear classifier on frozen features: in seconds, how far the backbone sees the classes.

A head of random weights drags the backbone's features along while it is still wrong, and with
few parts they never recover. A head that begins as the best linear one leaves them where they
are good (Kumar et al. 2022, "Fine-tuning can distort pretrained features").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import nn

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Features = NDArray[np.float32]
Folds = Sequence[tuple[Labels, Labels]]

FOLDS = 4
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # scikit-learn's C; features are standardised
_ITERATIONS = 300


@dataclass(frozen=True)
class Probe:
    """Logits are ``features @ weight.T + bias``.

    ``weight``: (n_classes, n_features), ``bias``: (n_classes,). ``strength``: scikit-learn's C.
    ``held_out``: (n, n_classes), each photo's probabilities by the folds that did not hold its
    part, and None where the parts are too few for folds.
    """

    weight: Floats
    bias: Floats
    strength: float
    held_out: Floats | None

    def fill(self, layer: nn.Linear) -> None:
        """Make the layer this classifier."""
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))
            layer.bias.copy_(torch.from_numpy(self.bias))


def fit_probe(
    copies: Sequence[Features], labels: Labels, parts: Sequence[str], *, seed: int
) -> Probe:
    """Fit a multinomial logistic regression; its strength by log loss over folds of whole parts.

    ``copies``: features (n, n_features) of the same photos, as they are and, if given, augmented;
    it learns from all, and is asked about the first. ``labels``: (n,) from 0, every class
    there. Where a class has too few parts for folds, the strongest regularisation is taken. The
    classes weigh as often as they come.
    """
    folds = make_folds(labels, parts, seed)
    strength = best_strength(copies, labels, folds) if folds else STRENGTHS[0]
    weight, bias = solve(np.concatenate(copies), np.tile(labels, len(copies)), strength)
    held_out = cross_predict(copies, labels, folds, strength, copies[:1])[0] if folds else None
    return Probe(weight, bias, strength, held_out)


def best_strength(copies: Sequence[Features], labels: Labels, folds: Folds) -> float:
    """The one of ``STRENGTHS`` with the lowest log loss on the parts held out."""

    def loss(strength: float) -> float:
        (y_prob,) = cross_predict(copies, labels, folds, strength, copies[:1])
        return _log_loss(labels, y_prob)

    return min(STRENGTHS, key=loss)


def make_folds(labels: Labels, parts: Sequence[str], seed: int) -> Folds | None:
    """Indices to learn from and to hold out, ``FOLDS`` times; None if a class lacks the parts."""
    _, part = np.unique(np.asarray(parts), return_inverse=True)
    if min(len(set(part[labels == kind])) for kind in np.unique(labels)) < FOLDS:
        return None
    dealer = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    folds = list(dealer.split(labels, labels, part))
    whole = all(len(set(labels[learned])) == len(set(labels)) for learned, _ in folds)
    return folds if whole else None


def cross_predict(
    copies: Sequence[Features],
    labels: Labels,
    folds: Folds,
    strength: float,
    asked: Sequence[Features],
) -> list[Floats]:
    """Probabilities (n, n_classes) of each photo by the fold that did not learn from its part.

    ``copies`` as for ``fit_probe``. Once for each of ``asked``: features (n, n_features) of the
    same photos, as they are or changed.
    """
    answers = [np.zeros((len(labels), int(labels.max()) + 1)) for _ in asked]
    for learned, held_out in folds:
        features = np.concatenate([copy[learned] for copy in copies])
        weight, bias = solve(features, np.tile(labels[learned], len(copies)), strength)
        for y_prob, these in zip(answers, asked, strict=True):
            y_prob[held_out] = softmax(these[held_out] @ weight.T + bias, axis=1)
    return answers


def solve(features: Features, labels: Labels, strength: float) -> tuple[Floats, Floats]:
    """Weight (n_classes, n_features) and bias (n_classes,) for features as they are."""
    with threadpool_limits(1, user_api="blas"):  # more threads sum in another order
        scaler = StandardScaler().fit(features.astype(np.float64))
        model = LogisticRegression(C=strength, max_iter=_ITERATIONS)
        model.fit(scaler.transform(features), labels)
    coefficients, intercept = model.coef_, model.intercept_
    if len(coefficients) == 1:  # two classes: half of the log odds each way
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    weight = coefficients / scaler.scale_
    return weight, intercept - weight @ scaler.mean_


def _log_loss(labels: Labels, y_prob: Floats) -> float:
    return float(-np.log(np.clip(y_prob[np.arange(len(labels)), labels], 1e-12, 1)).mean())
