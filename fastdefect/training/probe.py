"""A linear probe: a classifier on the features of a frozen backbone, fitted in seconds.

A head with random weights has large gradients that distort the pretrained features, and few parts
are not enough to restore them. A head that starts as the best linear classifier avoids this (Kumar
et al. 2022, "Fine-tuning can distort pretrained features").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits
from torch import nn

from fastdefect.aliases import Floats, Floats32

Labels = NDArray[np.int64]
Folds = Sequence[tuple[Labels, Labels]]

FOLDS = 4
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # scikit-learn's C; features are standardised
_ITERATIONS, _TOLERANCE = 500, 1e-6  # scikit-learn's defaults leave an error of 0.001 in logits


@dataclass(frozen=True)
class Probe:
    """Logits are ``features @ weight.T + bias``.

    ``weight`` is (n_classes, n_features), ``bias`` (n_classes,), ``strength`` scikit-learn's C.
    ``held_out`` (n, n_classes) holds the out-of-fold probabilities, from folds of whole parts;
    None if there are too few parts for folds.
    """

    weight: Floats
    bias: Floats
    strength: float
    held_out: Floats | None

    def fill(self, layer: nn.Linear) -> None:
        """Copy the classifier to the layer."""
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))
            layer.bias.copy_(torch.from_numpy(self.bias))


def fit_probe(
    copies: Sequence[Floats32], labels: Labels, parts: Sequence[str], *, seed: int
) -> Probe:
    """Fit a multinomial logistic regression, with its strength chosen by out-of-fold log loss.

    ``copies`` holds features (n, n_features) of the same photos: the original ones first, then
    augmented ones, if any. All are used for the fit, and the first for the log loss. ``labels``
    is (n,), from 0, with every class present. The folds consist of whole parts. If a class has
    too few parts for folds, the strongest regularisation is used. The classes are not weighted.
    """
    folds = make_folds(labels, parts, seed)
    strength, held_out = _sweep(copies, labels, folds) if folds else (STRENGTHS[0], None)
    weight, bias = solve(np.concatenate(copies), np.tile(labels, len(copies)), strength)
    return Probe(weight, bias, strength, held_out)


def best_strength(copies: Sequence[Floats32], labels: Labels, folds: Folds) -> float:
    """Return the one of ``STRENGTHS`` with the lowest out-of-fold log loss."""
    return _sweep(copies, labels, folds)[0]


def _sweep(copies: Sequence[Floats32], labels: Labels, folds: Folds) -> tuple[float, Floats]:
    """Return the best strength and its out-of-fold probabilities (n, n_classes)."""
    y_probs = {strength: np.zeros((len(labels), int(labels.max()) + 1)) for strength in STRENGTHS}
    for learned, held_out in folds:
        features = np.concatenate([copy[learned] for copy in copies])
        path = _solve_all(features, np.tile(labels[learned], len(copies)), STRENGTHS)
        for strength, (weight, bias) in zip(STRENGTHS, path, strict=True):
            logits = copies[0][held_out] @ weight.T + bias
            y_probs[strength][held_out] = softmax(logits, axis=1)
    best = min(STRENGTHS, key=lambda strength: log_loss(labels, y_probs[strength]))
    return best, y_probs[best]


def make_folds(labels: Labels, parts: Sequence[str], seed: int) -> Folds | None:
    """Return the training and held-out indices of each fold; None if a class has too few parts."""
    _, part = np.unique(np.asarray(parts), return_inverse=True)
    if min(len(set(part[labels == kind])) for kind in np.unique(labels)) < FOLDS:
        return None
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    folds = list(splitter.split(labels, labels, part))
    complete = all(len(set(labels[learned])) == len(set(labels)) for learned, _ in folds)
    return folds if complete else None


def cross_predict(
    copies: Sequence[Floats32],
    labels: Labels,
    folds: Folds,
    strength: float,
    targets: Sequence[Floats32],
) -> list[Floats]:
    """Return the out-of-fold probabilities (n, n_classes) for each of ``targets``.

    ``copies`` as for ``fit_probe``. Each of ``targets`` holds features (n, n_features) of the
    same photos, original or changed.
    """
    y_probs = [np.zeros((len(labels), int(labels.max()) + 1)) for _ in targets]
    for learned, held_out in folds:
        features = np.concatenate([copy[learned] for copy in copies])
        weight, bias = solve(features, np.tile(labels[learned], len(copies)), strength)
        for y_prob, these in zip(y_probs, targets, strict=True):
            y_prob[held_out] = softmax(these[held_out] @ weight.T + bias, axis=1)
    return y_probs


def solve(features: Floats32, labels: Labels, strength: float) -> tuple[Floats, Floats]:
    """Return weight (n_classes, n_features) and bias (n_classes,) for unscaled features."""
    return _solve_all(features, labels, [strength])[0]


def _solve_all(
    features: Floats32, labels: Labels, strengths: Sequence[float]
) -> list[tuple[Floats, Floats]]:
    """Apply ``solve`` to increasing strengths, each with a warm start from the previous one."""
    with threadpool_limits(1, user_api="blas"):  # more threads change the order of sums
        mean, scale = centre_and_scale(features.astype(np.float64))
        coordinates, axes = _in_span((features - mean) / scale)
        model = LogisticRegression(max_iter=_ITERATIONS, tol=_TOLERANCE, warm_start=True)
        found = []
        for strength in strengths:
            with catch_warnings():
                # A head a few steps from the optimum is as good.
                simplefilter("ignore", ConvergenceWarning)
                model.set_params(C=strength).fit(coordinates, labels)
            intercept = model.intercept_
            coefficients = model.coef_ if axes is None else model.coef_ @ axes.T
            if len(coefficients) == 1:  # two classes: half of the log odds each way
                coefficients = np.concatenate([-coefficients, coefficients]) / 2
                intercept = np.concatenate([-intercept, intercept]) / 2
            weight = coefficients / scale
            found.append((weight, intercept - weight @ mean))
    return found


def centre_and_scale(features: Floats) -> tuple[Floats, Floats]:
    """Return mean and deviation (m,) of each feature; deviations are at least their median.

    Many features of a network are almost constant on some photos. Scaled to a deviation of 1
    they would get the largest weights. The first steps of a fine-tuning, which change every
    feature a little, would then reverse many decisions.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.maximum(deviation, np.median(deviation))
    return mean, np.where(scale > 0, scale, 1.0)


def _in_span(rows: Floats) -> tuple[Floats, Floats | None]:
    """Return rows (n, m) as coordinates (n, n) in their span, and its axes (m, n).

    The penalty is a length, which a rotation does not change, and the rows have no component
    outside their span. The solution is therefore the same and much faster if there are few rows.
    With many rows, return them unchanged and None.
    """
    if 2 * len(rows) > rows.shape[1]:
        return rows, None
    axes, triangle = np.linalg.qr(rows.T)
    return triangle.T, axes


def log_loss(labels: Labels, y_prob: Floats) -> float:
    """The mean negative log of the probability (n, n_classes) of the label (n,)."""
    return float(-np.log(np.clip(y_prob[np.arange(len(labels)), labels], 1e-12, 1)).mean())
