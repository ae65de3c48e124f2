"""Learn the rule for parts from parts: ``inference/stacking.py`` says what is learned.

Only parts that the network was not trained on may be given: the scores of training photos are too
good. The scores of these parts by the learned rule are too good as well, by a little. So each part
also has a score by a rule that was learned from the others (cross-fitting), for all that is chosen
or measured on these parts.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

from fastdefect.aliases import Floats, Interval
from fastdefect.config import PartRule
from fastdefect.errors import DataError
from fastdefect.evaluation.by_part import Shown, numbered, part_predictions
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.statistics.areas import area_over_parts
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.files import finite
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import defect_score
from fastdefect.inference.part_rule import PART_RULES, combine_parts, photos_of_parts
from fastdefect.inference.stacking import Stacking, ViewScale, log_odds
from fastdefect.text import counted

# Ten of a kind for each of the two features: Peduzzi et al. 1996, "A simulation study
# of the number of events per variable in logistic regression analysis".
FEWEST_PARTS = 20
_FOLDS = 5
_STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # scikit-learn's C; features are standardised
_FEWEST_OF_VIEW = 5  # photos of good parts, for a scale of the view
_LEAST_SCALE = 0.25  # of log-odds: scores at both ends of their range hardly vary
_SEED = BOOTSTRAP_SEED


@dataclass(frozen=True)
class Learned:
    """The rule learned from all parts, and the predictions of each part by a rule of the others."""

    rule: Stacking
    held_out: Predictions


def learn_stacking(calibrated: Predictions, shown: Shown) -> Learned:
    """Learn from the predictions of photos, at the model's temperature.

    Raises ``DataError`` for fewer than ``FEWEST_PARTS`` defective or good parts, and if each part
    has one photo.
    """
    of_parts = part_predictions(calibrated, shown.parts, "worst")  # for names and truth
    defective = ~is_good(of_parts.y_true, of_parts.good_indices)
    _, part = numbered(shown.parts)
    _check(defective, len(part))
    odds = log_odds(calibrated.y_prob, calibrated.good_indices)
    views = np.array([view or "" for view in shown.views])

    def learned_from(chosen: NDArray[np.bool_]) -> Stacking:
        photos = chosen[part]
        _, renumbered = np.unique(part[photos], return_inverse=True)
        return _learn(_Photos(odds[photos], renumbered, views[photos]), defective[chosen])

    y_prob = np.zeros_like(of_parts.y_prob)
    for fold in _folds(defective):
        rule, photos = learned_from(~fold), fold[part]
        _, renumbered = np.unique(part[photos], return_inverse=True)
        y_prob[fold] = combine_parts(
            rule,
            calibrated.y_prob[photos],
            renumbered,
            calibrated.good_indices,
            [view for view, held_out in zip(shown.views, photos, strict=True) if held_out],
        )
    return Learned(learned_from(np.ones_like(defective)), replace(of_parts, y_prob=y_prob))


@dataclass(frozen=True)
class RankedBy:
    """How well a rule ranks parts: the area under the ROC curve, and its 95 % interval or None."""

    rule: PartRule
    auc: float
    interval: Interval | None

    def as_json(self) -> dict[str, Any]:
        """All values; None for NaN."""
        return {**vars(self), "auc": finite(self.auc)}


def rank_parts(calibrated: Predictions, shown: Shown, stacked: Predictions) -> tuple[RankedBy, ...]:
    """Each fixed rule on the parts of photos, and the learned rule by its predictions of them."""
    of_rules: dict[PartRule, Predictions] = {
        rule: part_predictions(calibrated, shown.parts, rule) for rule in PART_RULES
    }
    return tuple(_ranked(rule, said) for rule, said in {**of_rules, "stacking": stacked}.items())


def _ranked(rule: PartRule, said: Predictions) -> RankedBy:
    defective = ~is_good(said.y_true, said.good_indices)
    score = defect_score(said.y_prob, said.good_indices)
    return RankedBy(rule, *area_over_parts(score, defective, np.array(said.names)))


@dataclass(frozen=True)
class _Photos:
    """Log-odds, number of the part and view of n photos, (n,)."""

    odds: Floats
    part: NDArray[np.int64]
    views: NDArray[np.str_]


def _check(defective: NDArray[np.bool_], n_photos: int) -> None:
    n_defective, n_good = int(defective.sum()), int((~defective).sum())
    if min(n_defective, n_good) < FEWEST_PARTS:
        raise DataError(
            f"Stacking learns from at least {FEWEST_PARTS} defective and {FEWEST_PARTS} good parts "
            f"of validation, but there are {n_defective} and {n_good}.",
            "Use another --part-rule, such as worst, or train with more parts in validation: fit "
            "--valid 0.4, or fit --final folds.",
        )
    if n_photos == len(defective):
        raise DataError(
            f"Stacking combines the photos of a part, but each of the "
            f"{counted(len(defective), 'part')} of validation has one photo.",
            "Give the parts of the photos, with the column part or --part-from at fit, or use "
            "--decide photo.",
        )


def _folds(defective: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Which parts each fold holds out; every fold has the same share of defective parts."""
    splitter = StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED)
    every = np.arange(len(defective))
    return [np.isin(every, held_out) for _, held_out in splitter.split(every, defective)]


def _learn(photos: _Photos, defective: NDArray[np.bool_]) -> Stacking:
    scales = _scales(photos, ~defective[photos.part])
    rows = photos_of_parts(photos.part)
    features = np.array(
        [scales.features(photos.odds[each], photos.views[each].tolist()) for each in rows]
    )
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, np.inf)  # a constant feature has no weight
    standardised = (features - mean) / deviation
    weights, intercept = _solve(standardised, defective, _best(standardised, defective))
    highest, of_mean = (weights / deviation).tolist()
    return replace(
        scales,
        weights=(highest, of_mean),
        intercept=float(intercept - (weights / deviation) @ mean),
    )


def _scales(photos: _Photos, good: NDArray[np.bool_]) -> Stacking:
    """The scale of each view, by the photos of ``good`` parts; still without weights."""

    def scale(chosen: NDArray[np.bool_]) -> tuple[float, float]:
        odds = photos.odds[good & chosen]
        return float(odds.mean()), max(float(odds.std()), _LEAST_SCALE)

    found = [
        ViewScale(view, *scale(photos.views == view))
        for view in sorted(set(photos.views.tolist()) - {""})
        if (good & (photos.views == view)).sum() >= _FEWEST_OF_VIEW
    ]
    return Stacking(*scale(np.ones_like(good)), tuple(found), (0.0, 0.0), 0.0)


def _best(features: Floats, defective: NDArray[np.bool_]) -> float:
    """The strength with the least log loss on held-out parts."""
    loss = dict.fromkeys(_STRENGTHS, 0.0)
    for fold in _folds(defective):
        for strength in _STRENGTHS:
            weights, intercept = _solve(features[~fold], defective[~fold], strength)
            logits = features[fold] @ weights + intercept
            loss[strength] += float(
                np.logaddexp(0, np.where(defective[fold], -logits, logits)).sum()
            )
    return min(_STRENGTHS, key=loss.__getitem__)


def _solve(features: Floats, defective: NDArray[np.bool_], strength: float) -> tuple[Floats, float]:
    """Weights (2,) and intercept of the logistic regression with an L2 penalty.

    The weights are not negative: a more suspicious photo never makes a part less suspicious.
    """

    def loss(values: Floats) -> tuple[float, Floats]:
        weights, logits = values[:-1], features @ values[:-1] + values[-1]
        wrong = expit(logits) - defective
        total = np.logaddexp(0, np.where(defective, -logits, logits)).sum()
        gradient = np.append(features.T @ wrong + weights / strength, wrong.sum())
        return float(total + weights @ weights / (2 * strength)), gradient

    bounds = [(0, None), (0, None), (None, None)]
    found = minimize(loss, np.zeros(3), jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:-1], float(found[-1])
