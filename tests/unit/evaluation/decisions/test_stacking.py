"""Learning the rule for parts: by hand, against scikit-learn, and on parts that it has not seen."""

import numpy as np
import pytest
from helpers.cameras import CameraParts, camera_parts
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from fastdefect.errors import DataError
from fastdefect.evaluation.by_part import part_predictions
from fastdefect.evaluation.decisions.stacking import (
    FEWEST_PARTS,
    Learned,
    _solve,
    learn_stacking,
    rank_parts,
)
from fastdefect.inference.decision_rule import defect_score
from fastdefect.inference.stacking import ReadyRule


@pytest.fixture(scope="module")
def parts() -> CameraParts:
    return camera_parts(np.random.default_rng(5), 80)


@pytest.fixture(scope="module")
def learned(parts: CameraParts) -> Learned:
    return learn_stacking(*parts.predictions())


def _auc(parts: CameraParts, rule: ReadyRule) -> float:
    said, shown = parts.predictions()
    found = part_predictions(said, shown.parts, rule, shown.views)
    return float(roc_auc_score(parts.defective, defect_score(found.y_prob, (1,))))


def test_the_scale_of_a_view_is_that_of_its_good_parts(
    parts: CameraParts, learned: Learned
) -> None:
    good = parts.odds[~parts.defective]
    for number, scale in enumerate(learned.rule.views):
        assert scale.view == f"cam{number}"
        assert scale.center == pytest.approx(good[:, number].mean(), abs=1e-6)
        assert scale.scale == pytest.approx(good[:, number].std(), abs=1e-6)
    assert learned.rule.center == pytest.approx(good.mean(), abs=1e-6)


def test_cameras_that_differ_are_learned_and_help_on_other_parts(learned: Learned) -> None:
    line = camera_parts(np.random.default_rng(6), 1000)
    worst, stacking = _auc(line, "worst"), _auc(line, learned.rule)
    assert stacking > worst + 0.05
    assert min(learned.rule.weights) >= 0


def test_the_scores_to_choose_a_threshold_on_are_not_those_of_the_parts_that_taught() -> None:
    """With scores that say nothing the rule fits its own parts, but not those held out."""
    own, held_out = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        parts = camera_parts(rng, 40, means=(-1, -1), deviations=(1, 1), signal=0)
        learned = learn_stacking(*parts.predictions())
        own.append(_auc(parts, learned.rule))
        score = defect_score(learned.held_out.y_prob, (1,))
        held_out.append(roc_auc_score(parts.defective, score))
    assert np.mean(own) > 0.5
    assert np.mean(held_out) < np.mean(own) - 0.03


def test_the_regression_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    defective = rng.random(50) < 0.4
    features = rng.standard_normal((50, 2)) + defective[:, None]
    weights, intercept = _solve(features, defective, 0.3)
    expected = LogisticRegression(C=0.3, tol=1e-8).fit(features, defective)
    assert weights == pytest.approx(expected.coef_[0], abs=1e-3)
    assert intercept == pytest.approx(expected.intercept_[0], abs=1e-3)
    # A feature that is lower for defects gets no weight.
    against, _ = _solve(features * [1, -1], defective, 0.3)
    assert (against[0] > 0, against[1]) == (True, 0)


def test_all_rules_are_ranked_on_the_same_parts(parts: CameraParts, learned: Learned) -> None:
    ranked = {each.rule: each for each in rank_parts(*parts.predictions(), learned.held_out)}
    assert list(ranked) == ["worst", "mean", "noisy-or", "stacking"]
    assert ranked["worst"].auc == pytest.approx(_auc(parts, "worst"))
    for each in ranked.values():
        assert each.interval is not None
        assert each.interval[0] < each.auc < each.interval[1]


def test_too_few_parts_or_photos_are_refused() -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(DataError, match="but there are 19 and 19") as few:
        learn_stacking(*camera_parts(rng, 2 * FEWEST_PARTS - 2).predictions())
    assert "worst" in few.value.hint
    alone = camera_parts(rng, 50, means=(-2,), deviations=(1,))
    with pytest.raises(DataError, match="each of the 50 parts of validation has one photo"):
        learn_stacking(*alone.predictions())
