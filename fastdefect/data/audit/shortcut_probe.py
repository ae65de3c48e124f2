"""The probe: how well a table of numbers predicts the class of photos.

The model is a ridge regression on Laplacian kernels to a few landmarks (Nystroem) over the
quantiles of each column. On the tables of the shortcut probes its AUC is within 0.03 of that of a
random forest. It is fitted to the labels and all their shuffles at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import config_context
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer
from threadpoolctl import threadpool_limits

from fastdefect.aliases import Floats, Interval

Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]
Folds = Sequence[tuple[Indices, Indices]]

FOLDS = 5
_FEWEST, _SHUFFLES, _DRAWS = 40, 400, 500
_BUDGET = 200_000  # total of shuffled labels: with many photos or classes fewer shuffles suffice
_LANDMARKS, _ALPHA = 200, 0.1


@dataclass(frozen=True)
class Trial:
    """The folds, targets and weights of a probe.

    ``part`` (n_photos,) numbers the parts from 0. ``truth`` (n_columns, n_photos) is True where a
    photo is of a class: one row for two classes, else one per class. ``shuffled`` (n_shuffles *
    n_columns, n_photos) is the same with labels shuffled between parts. ``weights`` (1 + n_draws,
    n_photos) is the count of each photo: once, and as often as its part is in each draw of the
    bootstrap.
    """

    part: Indices
    folds: Folds
    truth: Bools
    shuffled: Bools
    weights: Floats
    seed: int

    @property
    def n_parts(self) -> int:
        """The number of parts."""
        return int(self.part.max()) + 1


@dataclass(frozen=True)
class Outcome:
    """The AUC of a table with its interval, and the AUCs of shuffled labels; see ``Probe``."""

    auc: float
    interval: Interval
    shuffled: float
    shuffled_interval: Interval
    excess: float
    p_value: float


def trial_of(label: Indices, part: Indices, seed: int) -> Trial:
    """Allocate photos of two or more classes to folds; the arguments (n_photos,) are numbers.

    Each class must have photos of ``FOLDS`` parts or more.
    """
    kinds, label = np.unique(label, return_inverse=True)
    part = np.unique(part, return_inverse=True)[1].astype(np.int64)
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    folds = [(train, test) for train, test in splitter.split(label, label, part) if len(test)]
    rng = np.random.default_rng(seed)
    columns = np.arange(1, 2) if len(kinds) == 2 else np.arange(len(kinds))
    rounds = int(np.clip(_BUDGET // (len(label) * len(columns)), _FEWEST, _SHUFFLES))
    # Parts are shuffled, each with all its photos; a part with two classes counts as two.
    units, unit = np.unique(part * len(kinds) + label, return_inverse=True)
    mixed = rng.permuted(np.tile(units % len(kinds), (rounds, 1)), axis=1)[:, unit]
    n_parts = int(part.max()) + 1
    draws = rng.multinomial(n_parts, np.full(n_parts, 1 / n_parts), size=_DRAWS)
    return Trial(
        part,
        folds,
        label == columns[:, None],
        (mixed[:, None] == columns[:, None]).reshape(-1, len(label)),
        np.vstack([np.ones(len(label)), draws[:, part]]),
        seed,
    )


def try_table(table: Floats, trial: Trial) -> Outcome:
    """Measure how well ``table`` (n_photos, n_columns), finite, predicts the class."""
    columns = len(trial.truth)
    targets = np.vstack([trial.truth, trial.shuffled])
    scores = predict_scores(table, targets, trial.folds, trial.seed)
    areas = _weighted_areas(scores[:columns], trial).mean(axis=0)
    auc, draws = float(np.nan_to_num(areas[0], nan=0.5)), areas[1:][np.isfinite(areas[1:])]
    chance = areas_under_roc(scores[columns:], trial.shuffled, trial.folds)
    chance = chance.reshape(-1, columns).mean(axis=1)
    mean, deviation = float(chance.mean()), float(chance.std(ddof=1))
    excess = (auc - mean) / deviation if deviation > 0 else 0.0
    p_value = (1 + int((chance >= auc).sum())) / (1 + len(chance))
    return Outcome(auc, _middle(draws), mean, _middle(chance), excess, p_value)


def predict_scores(table: Floats, targets: Bools, folds: Folds, seed: int) -> Floats:
    """Out-of-fold scores of each photo: (n_targets, n_photos).

    A photo in no test fold has the score zero.
    """
    scores = np.zeros(targets.shape)
    # Matrices this small do not benefit from a second thread. On a busy machine, threads that wait
    # for each other were ten times slower.
    # The tables are finite by contract; checking them in each step is an eighth of the time.
    checked = config_context(assume_finite=True, skip_parameter_validation=True)
    with threadpool_limits(1, user_api="blas"), checked:
        for train, test in folds:
            wanted = targets[:, train].T.astype(np.float64)
            model = _model(len(train), table.shape[1], seed)
            try:
                model.fit(table[train], wanted)
            except np.linalg.LinAlgError:
                # LAPACK's fast SVD of a kernel matrix can fail to converge: try other landmarks.
                model = _model(len(train), table.shape[1], seed + 1).fit(table[train], wanted)
            scores[:, test] = model.predict(table[test]).reshape(len(test), -1).T
    # Photos with identical features must tie, whatever the rounding errors of the BLAS.
    return scores.round(6)


def _model(n_photos: int, n_columns: int, seed: int) -> Pipeline:
    return make_pipeline(
        QuantileTransformer(n_quantiles=min(100, n_photos), random_state=0),
        Nystroem(
            "laplacian",
            # Quantiles are between 0 and 1; the average distance of two is 1/3.
            gamma=9 / n_columns,
            n_components=min(_LANDMARKS, n_photos),
            random_state=seed % 2**32,
        ),
        Ridge(_ALPHA, solver="cholesky"),
    )


def areas_under_roc(scores: Floats, targets: Bools, folds: Folds) -> Floats:
    """(n_targets,) areas under the ROC curve over pairs within one fold (Mann and Whitney).

    Scores of different folds come from different models and are not comparable.
    """
    won, pairs = np.zeros(len(targets)), np.zeros(len(targets))
    for _, test in folds:
        hits = targets[:, test]
        positive = hits.sum(axis=1)
        ranks = rankdata(scores[:, test], axis=1)
        won += (ranks * hits).sum(axis=1) - positive * (positive + 1) / 2
        pairs += positive * (len(test) - positive)
    return np.divide(won, pairs, out=np.full(len(won), 0.5), where=pairs > 0)


def _weighted_areas(scores: Floats, trial: Trial) -> Floats:
    """The same for the true labels and each row of weights: (n_columns, n_rows), or NaN."""
    areas = np.full((len(scores), len(trial.weights)), np.nan)
    for row, (score, hit) in enumerate(zip(scores, trial.truth, strict=True)):
        won, pairs = np.zeros(len(trial.weights)), np.zeros(len(trial.weights))
        for _, test in trial.folds:
            positive, negative = test[hit[test]], test[~hit[test]]
            higher = score[positive][:, None] - score[negative]
            above, below = trial.weights[:, positive], trial.weights[:, negative]
            won += ((above @ (np.sign(higher) / 2 + 0.5)) * below).sum(axis=1)
            pairs += above.sum(axis=1) * below.sum(axis=1)
        np.divide(won, pairs, out=areas[row], where=pairs > 0)
    return areas


def _middle(values: Floats) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
