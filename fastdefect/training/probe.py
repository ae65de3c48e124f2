"""A linear classifier on frozen features: in seconds, how far the backbone sees the classes.

A head of random weights drags the backbone's features along while it is still wrong, and with
few parts they never recover. A head that begins as the best linear one leaves them where they
are good (Kumar et al. 2022, "Fine-tuning can distort pretrained features").
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

from fastdefect.aliases import Floats

Labels = NDArray[np.int64]
Features = NDArray[np.float32]
Folds = Sequence[tuple[Labels, Labels]]

FOLDS = 4
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # scikit-learn's C; features are standardised
_ITERATIONS, _TOLERANCE = 500, 1e-6  # scikit-learn's own leave logits off by a thousandth


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
    strength, held_out = _sweep(copies, labels, folds) if folds else (STRENGTHS[0], None)
    weight, bias = solve(np.concatenate(copies), np.tile(labels, len(copies)), strength)
    return Probe(weight, bias, strength, held_out)


def best_strength(copies: Sequence[Features], labels: Labels, folds: Folds) -> float:
    """The one of ``STRENGTHS`` with the lowest log loss on the parts held out."""
    return _sweep(copies, labels, folds)[0]


def _sweep(copies: Sequence[Features], labels: Labels, folds: Folds) -> tuple[float, Floats]:
    """The best strength, and what the folds say of the photos with it, (n, n_classes)."""
    answers = {strength: np.zeros((len(labels), int(labels.max()) + 1)) for strength in STRENGTHS}
    for learned, held_out in folds:
        features = np.concatenate([copy[learned] for copy in copies])
        path = _solve_all(features, np.tile(labels[learned], len(copies)), STRENGTHS)
        for strength, (weight, bias) in zip(STRENGTHS, path, strict=True):
            logits = copies[0][held_out] @ weight.T + bias
            answers[strength][held_out] = softmax(logits, axis=1)
    best = min(STRENGTHS, key=lambda strength: _log_loss(labels, answers[strength]))
    return best, answers[best]


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
    return _solve_all(features, labels, [strength])[0]


def _solve_all(
    features: Features, labels: Labels, strengths: Sequence[float]
) -> list[tuple[Floats, Floats]]:
    """``solve`` for rising strengths, each from where the one before it ended."""
    with threadpool_limits(1, user_api="blas"):  # more threads sum in another order
        mean, scale = _centre_and_scale(features.astype(np.float64))
        coordinates, axes = _in_own_space((features - mean) / scale)
        model = LogisticRegression(max_iter=_ITERATIONS, tol=_TOLERANCE, warm_start=True)
        found = []
        for strength in strengths:
            with catch_warnings():
                # A step or two short of the optimum is as good a head.
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


def _centre_and_scale(features: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation (m,) of each feature; a deviation below their median counts as that.

    In some photos hardly anything stirs many of a network's features. Blown up to a deviation
    of 1 they get the largest weights of all, and the first steps of a fine-tuning, which move
    every feature a little, then turn each decision over.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.maximum(deviation, np.median(deviation))
    return mean, np.where(scale > 0, scale, 1.0)


def _in_own_space(rows: Floats) -> tuple[Floats, Floats | None]:
    """Rows (n, m) in the space that they span, (n, n), and its axes (m, n); as they are if many.

    Of directions across it no row says anything, and the penalty is a length, which no rotation
    changes: the solution is the same, and takes a fraction of the time where rows are few.
    """
    if 2 * len(rows) > rows.shape[1]:
        return rows, None
    axes, triangle = np.linalg.qr(rows.T)
    return triangle.T, axes


def _log_loss(labels: Labels, y_prob: Floats) -> float:
    return float(-np.log(np.clip(y_prob[np.arange(len(labels)), labels], 1e-12, 1)).mean())
