"""The steps of an ablation, and what a step gained: by hand, against scipy, by simulation."""

import typing
from collections.abc import Mapping
from typing import Any

import pytest
from helpers.steps import fields_of, improved
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.config import RunConfig, config_fields
from fastdefect.config_resolve import override
from fastdefect.errors import UsageError
from fastdefect.evaluation.ablation import (
    OLD,
    Span,
    Step,
    ladder,
    leave_one_out,
    plan_steps,
    spans,
)


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
        ("camera", "sampler", {"augment": "camera"}),
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
        *("loss-weights", "sampler-and-loss", "basic", "camera", "steady", "cosine"),
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
