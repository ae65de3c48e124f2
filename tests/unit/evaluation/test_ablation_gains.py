"""What a step gained: by hand, against scipy, by simulation."""

import json
import math

import numpy as np
import pytest
from helpers.steps import improved
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from fastdefect.evaluation.ablation import (
    COMPARED,
    Gain,
    Step,
    gain_of,
    gains,
    ladder,
)

# ---- gains -------------------------------------------------------------------------------


def test_a_gain_by_hand() -> None:
    """Differences 1, 2, 6: mean 3, sd sqrt(7), t(2) 4.302653."""
    gain = Gain((1.0, 2.0, 6.0))
    half = 4.302653 * math.sqrt(7) / math.sqrt(3)
    assert gain.mean == 3
    assert gain.interval == pytest.approx((3 - half, 3 + half), abs=1e-5)
    assert gain.verdict == "spans zero"


@limits(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8).filter(
        lambda pairs: np.ptp([after - before for before, after in pairs]) > 1e-6
    )
)
def test_the_interval_is_that_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    before, after = np.array(pairs).T
    expected = ttest_rel(after, before)
    gain = Gain(tuple((after - before).tolist()))
    assert gain.mean == pytest.approx(float(np.mean(after - before)))
    assert gain.interval == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-6)
    if abs(expected.pvalue - 0.05) > 1e-9:
        better = "more" if gain.mean > 0 else "less"
        assert gain.verdict == (better if expected.pvalue < 0.05 else "spans zero")


@pytest.mark.parametrize(
    ("by_seed", "verdict"),
    [
        ((0.05, 0.06, 0.055), "more"),
        ((-0.05, -0.06, -0.055), "less"),
        ((0.05, -0.06, 0.01), "spans zero"),
        ((0.3,), "one seed"),
        ((-0.3,), "one seed"),
        ((), "not measured"),
        ((0.0, 0.0, 0.0), "spans zero"),
        ((0.02, 0.02), "no interval"),
        ((-0.02, -0.02, -0.02), "no interval"),
    ],
)
def test_verdicts(by_seed: tuple[float, ...], verdict: str) -> None:
    gain = Gain(by_seed)
    assert gain.verdict == verdict
    assert (gain.interval is None) == (verdict in ("one seed", "not measured", "no interval"))


def test_rounding_is_no_gain_and_hides_no_agreement() -> None:
    """0.3 - 0.2 and 0.9 - 0.8 differ in the last digit; 0.1 + 0.2 - 0.3 is not 0."""
    agreed = Gain((0.3 - 0.2, 0.9 - 0.8, 0.1))
    assert len(set(agreed.by_seed)) > 1
    assert agreed.verdict == "no interval"
    nothing = Gain((0.1 + 0.2 - 0.3,) * 3)
    assert nothing.mean > 0
    assert (nothing.verdict, nothing.interval) == ("spans zero", (0.0, 0.0))


def test_no_seed_no_mean() -> None:
    assert math.isnan(Gain(()).mean)
    assert Gain(()).as_json() == {
        **{"by_seed": [], "mean": None, "interval": None, "verdict": "not measured"}
    }


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("photos", [30, 300])
def test_without_a_gain_few_tables_show_one(seeds: int, photos: int) -> None:
    """Simulated: two trainings of one pipeline, each right on 90 % of so many photos.

    Accuracies are counts: seeds agree by luck, and Student's interval then has no width.
    """
    rng = np.random.default_rng(1)
    right = rng.binomial(photos, 0.9, (1000, 2, seeds)) / photos
    verdicts = [Gain(tuple((after - before).tolist())).verdict for before, after in right]
    wrong = sum(verdict in ("more", "less") for verdict in verdicts)
    assert wrong / 1000 < 0.07
    if photos == 30 and seeds == 2:  # without a word on agreement it would be more than that
        assert (wrong + verdicts.count("no interval")) / 1000 > 0.06


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    drawn = rng.normal(0.03, 0.02, (1000, 3))
    intervals = [Gain(tuple(each.tolist())).interval for each in drawn]
    held = sum(low < 0.03 < high for low, high in intervals)  # type: ignore[misc]
    assert held / 1000 == pytest.approx(0.95, abs=0.02)


def figures(**of: float) -> dict[str, float]:
    return {"f1": 0.9, "accuracy": 0.9, "auc": 0.9, "gap": 0.0, **of}


def test_seeds_are_paired_and_those_that_one_lacks_are_left_out() -> None:
    after = {7: figures(f1=0.9), 8: figures(f1=0.8), 9: figures(f1=0.1)}
    before = {8: figures(f1=0.5), 7: figures(f1=0.6), 6: figures(f1=0.0)}
    assert gain_of("f1", after, before).by_seed == pytest.approx((0.3, 0.3))
    assert gain_of("f1", after, {}).by_seed == ()


def test_a_figure_that_is_not_defined_is_left_out() -> None:
    after = {1: figures(auc=0.9), 2: figures(auc=math.nan)}
    before = {1: figures(auc=0.5), 2: figures(auc=0.5)}
    assert gain_of("auc", after, before).by_seed == pytest.approx((0.4,))
    text = json.dumps(gain_of("auc", {2: figures(auc=math.nan)}, before).as_json(), allow_nan=False)
    assert json.loads(text)["mean"] is None


def test_gains_are_over_the_step_that_each_is_compared_with() -> None:
    """An aside's figures don't reach the step after it."""
    steps = tuple(
        step for step in ladder(improved()) if step.name in ("old", "arch", "pretrained", "sampler")
    )
    steps = (*steps[:3], Step("loss", "t", {}, "pretrained", aside=True), steps[3])
    level = {"old": 0.1, "arch": 0.2, "pretrained": 0.4, "loss": 0.9, "sampler": 0.5}
    found = gains(steps, {name: {1: figures(f1=of)} for name, of in level.items()})
    assert list(found) == ["arch", "pretrained", "loss", "sampler"]
    gained = {name: of["f1"].mean for name, of in found.items()}
    assert gained == pytest.approx({"arch": 0.1, "pretrained": 0.2, "loss": 0.5, "sampler": 0.1})
    assert set(found["loss"]) == set(COMPARED)
    assert found["loss"]["gap"].by_seed == (0.0,)


def test_steps_that_the_budget_left_have_no_gain() -> None:
    steps = ladder(improved())
    found = gains(steps, {"old": {1: figures()}, "arch": {1: figures(), 2: figures()}})
    assert found["arch"]["f1"].by_seed == (0.0,)
    assert found["larger"]["f1"].verdict == "not measured"
