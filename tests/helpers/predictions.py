"""Labels and probabilities with known answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastdefect.evaluation.predictions import Predictions


def random_predictions(
    n: int, n_classes: int, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels of which every class has some, and probabilities that are mostly right."""
    rng = np.random.default_rng(seed)
    y_true = rng.permutation(np.arange(n) % n_classes)
    logits = rng.normal(size=(n, n_classes))
    logits[np.arange(n), y_true] += 1.0
    y_prob = np.exp(logits)
    return y_true, y_prob / y_prob.sum(axis=1, keepdims=True)


def predicted(
    y_true: NDArray[np.int64],
    y_prob: NDArray[np.float64],
    classes: Sequence[str],
    good: str | None,
) -> Predictions:
    """Predictions of photos that are named by number."""
    names = tuple(f"photo {i}" for i in range(len(y_true)))
    return Predictions(names, tuple(classes), (good,) if good else (), y_true, y_prob)


def certain(guesses: Sequence[int], n_classes: int) -> NDArray[np.float64]:
    """Probabilities of 1 for the guessed classes."""
    return np.eye(n_classes)[list(guesses)]
