"""The steps of an ablation, and what a step gained: by hand, against scipy, by simulation."""

import json
import math
import typing
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.config import RunConfig, config_fields
from fastdefect.config_resolve import override
from fastdefect.errors import UsageError
from fastdefect.evaluation.ablation import (
    COMPARED,
    OLD,
    Gain,
    Span,
    Step,
    gain_of,
    gains,
    ladder,
    leave_one_out,
    plan_steps,
    spans,
)


def fields_of(config: RunConfig) -> dict[str, Any]:
    return {**asdict(config.data), **asdict(config.model), **asdict(config.training)}


def improved(**changes: Any) -> dict[str, Any]:
    """What ``ablate`` hands over, with the mission's values unless said."""
    mission = {
        **{"arch": "resnet50", "weights": "auto", "balance": "sampler", "image_size": 224},
        **{"augment": "manufacturing", "label_smoothing": 0.1, "mixup_alpha": 0.3, "clip": 1.0},
        **{"scheduler": "onecycle", "weight_decay": 5e-4, "freeze_epochs": 0, "epochs": 25},
        **{
            "head": "mlp",
            "batch_norm": "train",
            "early_layers": "train",
            "light": False,
            "weight_average": 0.98,
        },
    }
    return {**fields_of(RunConfig()), **mission, **changes}


def names(steps: tuple[Step, ...], *, aside: bool | None = None) -> list[str]:
    return [step.name for step in steps if aside in (None, step.aside)]


def changed(step: Step, steps: tuple[Step, ...]) -> dict[str, Any]:
    """The fields that a step sets otherwise than the one that it is compared with."""
    before = next(other for other in steps if other.name == step.against).settings
    return {name: of for name, of in step.settings.items() if before.get(name) != of}


# ---- the ladder --------------------------------------------------------------------------


def test_the_missions_ladder_one_thing_at_a_time() -> None:
    steps = ladder(improved())
    told = [(s.name, s.against, changed(s, steps) if s.against else {}) for s in steps]
    assert told == [
        ("old", None, {}),
        ("arch", "old", {"arch": "resnet50"}),
        ("pretrained", "arch", {"weights": "auto"}),
        ("loss-weights", "pretrained", {"balance": "loss"}),
        ("sampler-and-loss", "pretrained", {"balance": "both"}),
        ("sampler", "pretrained", {"balance": "sampler"}),
        ("basic", "sampler", {"augment": "basic"}),
        ("steady", "sampler", {"augment": "steady"}),
        ("manufacturing", "sampler", {"augment": "manufacturing"}),
        ("smoothing", "manufacturing", {"label_smoothing": 0.1}),
        ("mixup", "smoothing", {"mixup_alpha": 0.3}),
        ("cosine", "mixup", {"scheduler": "cosine"}),
        ("onecycle", "mixup", {"scheduler": "onecycle"}),
        ("regularised", "onecycle", {"weight_decay": 5e-4, "clip": 1.0}),
        ("averaged", "regularised", {"weight_average": 0.98}),
        ("freeze", "averaged", {"freeze_epochs": 6}),
        ("tta", "averaged", {}),
        ("larger", "averaged", {"image_size": 336}),
    ]
    assert names(steps, aside=True) == [
        *("loss-weights", "sampler-and-loss", "basic", "steady", "cosine"),
        *("freeze", "tta", "larger"),
    ]
    assert steps[0].settings == OLD
    assert [step.name for step in steps if step.views != "none"] == ["tta"]


def test_claims_stand_where_they_were_made() -> None:
    assert {step.name: step.claim for step in ladder(improved()) if step.claim} == {
        "arch": "accuracy +5 to 8",
        "sampler": "accuracy +3 to 5",
        "manufacturing": "accuracy +2 to 4",
        "regularised": "gap 5 to 10 less",
    }


@pytest.mark.parametrize(
    ("changes", "gone", "aside"),
    [
        ({"arch": "small-cnn"}, {"arch", "pretrained", "freeze"}, set()),
        ({"arch": "small-cnn", "weights": "own.safetensors"}, {"arch"}, set()),
        ({"weights": "none"}, {"pretrained", "freeze"}, set()),
        ({"balance": "none"}, set(), {"sampler"}),
        ({"augment": "none"}, set(), {"manufacturing"}),
        ({"scheduler": "flat"}, set(), {"onecycle"}),
        ({"label_smoothing": 0.0}, {"smoothing"}, set()),
        ({"mixup_alpha": 0.0}, {"mixup"}, set()),
        ({"weight_decay": 0.0, "clip": 0.0}, {"regularised"}, set()),
        ({"weight_decay": 0.0}, set(), set()),
        ({"weight_average": 0.0}, {"averaged"}, set()),
        ({"epochs": 1}, {"freeze"}, set()),
    ],
)
def test_a_step_without_changes_is_omitted_and_an_alternative_is_aside(
    changes: dict[str, Any], gone: set[str], aside: set[str]
) -> None:
    whole, steps = ladder(improved()), ladder(improved(**changes))
    assert set(names(whole)) - set(names(steps)) == gone
    assert set(names(steps)) <= set(names(whole))
    assert set(names(steps, aside=True)) == (set(names(whole, aside=True)) - gone) | aside


@pytest.mark.parametrize(
    ("changes", "taken_up"),
    [
        ({"head": "linear"}, ["pretrained", "probe", "sampler"]),
        ({"batch_norm": "frozen"}, ["pretrained", "statistics", "sampler"]),
        ({"early_layers": "fixed"}, ["pretrained", "early", "sampler"]),
        ({"balance": "loss"}, ["pretrained", "loss-weights", "manufacturing"]),
        ({"balance": "both"}, ["pretrained", "sampler-and-loss", "manufacturing"]),
        ({"balance": "none"}, ["pretrained", "manufacturing", "smoothing"]),
        ({"augment": "basic"}, ["sampler", "basic", "smoothing"]),
        ({"augment": "steady"}, ["sampler", "steady", "smoothing"]),
        ({"augment": "none"}, ["sampler", "smoothing", "mixup"]),
        ({"scheduler": "cosine"}, ["mixup", "cosine", "regularised"]),
        ({"light": True}, ["regularised", "averaged", "light"]),
        ({"freeze_epochs": 2}, ["regularised", "averaged", "freeze"]),
    ],
)
def test_the_users_own_choice_is_the_one_that_is_taken_up(
    changes: dict[str, Any], taken_up: list[str]
) -> None:
    main = names(ladder(improved(**changes)), aside=False)
    start = main.index(taken_up[0])
    assert main[start : start + len(taken_up)] == taken_up


def test_with_the_old_values_everywhere_only_what_was_not_chosen_is_left() -> None:
    settings = {**improved(), **OLD, "epochs": 1}
    steps = ladder(settings)
    assert names(steps, aside=False) == ["old"]
    assert {step.against for step in steps[1:]} == {"old"}
    assert names(leave_one_out(settings)) == ["improved", "tta"]


SETTINGS = st.fixed_dictionaries(
    {
        "arch": st.sampled_from(["small-cnn", "resnet50", "mobilenet_v2"]),
        "weights": st.sampled_from(["none", "auto", "/a/file.safetensors"]),
        "head": st.sampled_from(["linear", "mlp"]),
        "batch_norm": st.sampled_from(["frozen", "train"]),
        "early_layers": st.sampled_from(["fixed", "train"]),
        "balance": st.sampled_from(["sampler", "loss", "both", "none"]),
        "augment": st.sampled_from(list(AUGMENTATIONS)),
        "label_smoothing": st.sampled_from([0.0, 0.1]),
        "mixup_alpha": st.sampled_from([0.0, 0.3]),
        "scheduler": st.sampled_from(["onecycle", "cosine", "flat"]),
        "weight_decay": st.sampled_from([0.0, 5e-4]),
        "clip": st.sampled_from([0.0, 1.0]),
        "weight_average": st.sampled_from([0.0, 0.98]),
        "light": st.booleans(),
        "epochs": st.integers(2, 30),
        "freeze_epochs": st.sampled_from([0, 1]),
        "image_size": st.sampled_from([16, 17, 224]),
    }
)


@limits(deadline=None)
@given(settings=SETTINGS)
def test_every_ladder_ends_at_the_users_settings_and_compares_rung_with_rung(
    settings: dict[str, Any],
) -> None:
    steps = ladder(improved(**settings))
    assert len(set(names(steps))) == len(steps)
    main = [step for step in steps if not step.aside]
    assert [step.against for step in main] == [None, *names(tuple(main))[:-1]]
    asked = settings | ({"weights": "none"} if _knows_no_weights(settings) else {})
    assert main[-1].settings == {name: asked[name] for name in OLD}
    for number, step in enumerate(steps[1:], start=1):
        last = next(other for other in reversed(steps[:number]) if not other.aside)
        assert step.against == last.name
        assert bool(changed(step, steps)) == (step.views == "none")
        assert len(changed(step, steps)) == 1 or step.name in ("regularised", "tta")


@limits(deadline=None)
@given(settings=SETTINGS)
def test_every_leave_one_out_is_the_whole_without_one_thing(settings: dict[str, Any]) -> None:
    steps = leave_one_out(improved(**settings))
    asked = settings | ({"weights": "none"} if _knows_no_weights(settings) else {})
    assert steps[0].settings == {name: asked[name] for name in OLD}
    trained = [step.settings for step in steps if step.views == "none"]
    assert all(one not in trained[:i] for i, one in enumerate(trained))
    assert {step.against for step in steps[1:]} == {"improved"}
    without = {name for step in steps for name in _differing(step.settings, steps[0].settings)}
    assert without == {name for name in OLD if asked[name] != OLD[name]}
    for step in steps:
        assert all(step.settings[n] == OLD[n] for n in changed_names(step, steps[0]))


def changed_names(step: Step, whole: Step) -> list[str]:
    return _differing(step.settings, whole.settings)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in one if one[name] != other[name]]


def _knows_no_weights(settings: Mapping[str, Any]) -> bool:
    return settings["arch"] == "small-cnn" and settings["weights"] == "auto"


@limits(deadline=None, max_examples=20)
@given(settings=SETTINGS, plan=st.sampled_from(["ladder", "leave-one-out"]))
def test_every_step_can_be_trained(settings: dict[str, Any], plan: Any) -> None:
    config = override(RunConfig(), settings)
    for step in plan_steps(plan, fields_of(config)):
        assert override(config, step.settings).training.epochs == settings["epochs"]


def test_one_epoch_can_be_ablated_though_it_can_not_be_frozen() -> None:
    config = override(RunConfig(), {"epochs": 1})
    with pytest.raises(UsageError):
        override(config, {"freeze_epochs": 1})
    for step in ladder(fields_of(config)):
        override(config, step.settings)


def test_the_old_values_are_all_that_the_improved_pipeline_changes() -> None:
    """A field that is forgotten would be at its improved value in the old pipeline."""
    assert set(OLD) < set(fields_of(RunConfig()))
    old = override(RunConfig(), OLD)
    assert {name: fields_of(old)[name] for name in OLD} == OLD


def test_a_plan_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError):
        plan_steps("stairs", improved())  # type: ignore[arg-type]


TOGETHER = "smoothing, MixUp and one-cycle together"


def test_spans_of_the_missions_ladder() -> None:
    assert spans(ladder(improved())) == (
        Span("manufacturing", "onecycle", TOGETHER, "accuracy +3 to 6"),
        Span("old", "averaged", "all of it", "accuracy 77 % to 85 to 95 %"),
    )


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"augment": "steady"}, [("steady", "onecycle"), ("old", "averaged")]),
        ({"augment": "none"}, [("sampler", "onecycle"), ("old", "averaged")]),
        ({"mixup_alpha": 0.0}, [("old", "averaged")]),
        ({"label_smoothing": 0.0}, [("old", "averaged")]),
        ({"scheduler": "cosine"}, [("old", "averaged")]),
        ({"weight_decay": 0.0, "clip": 0.0}, [("manufacturing", "onecycle"), ("old", "averaged")]),
        ({"light": True}, [("manufacturing", "onecycle"), ("old", "light")]),
        (dict(OLD), []),
        ({**OLD, "arch": "resnet50"}, []),  # one rung is no span
        ({**OLD, "arch": "resnet50", "weights": "auto"}, [("old", "pretrained")]),
    ],
)
def test_a_claim_stands_only_beside_what_it_was_made_for(
    changes: dict[str, Any], ends: list[tuple[str, str]]
) -> None:
    found = spans(ladder(improved(**changes)))
    assert [(span.start, span.end) for span in found] == ends


def test_without_a_ladder_there_is_nothing_to_span() -> None:
    assert spans(leave_one_out(improved())) == ()


@pytest.mark.parametrize("field", ["balance", "augment", "scheduler"])
def test_every_value_of_a_choice_is_a_step(field: str) -> None:
    """A value that the ladder doesn't know would be in no step, the user's own included."""
    (kind,) = (leaf.type for leaf in config_fields() if leaf.name == field)
    for value in typing.get_args(kind):
        steps = ladder(improved(**{field: value}))
        assert {step.settings[field] for step in steps} == set(typing.get_args(kind))
        assert [step.settings[field] for step in steps if not step.aside][-1] == value


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
