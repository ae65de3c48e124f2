"""Settings that a head alone has no use for, and commands that have none for it."""

from typing import Any

import pytest

from fastdefect.config_resolve import resolve
from fastdefect.errors import UsageError
from fastdefect.jobs.training.one_epoch import check_one_epoch, refuse_one_epoch


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"head": "mlp"}, "--head is mlp"),
        ({"recipe": "legacy"}, "--recipe legacy"),
        ({"members": 3}, "--tune head --members 3"),
    ],
)
def test_a_head_alone_is_linear_and_single(flags: dict[str, Any], said: str) -> None:
    check_one_epoch(resolve(flags))
    check_one_epoch(resolve({"tune": "head", "recipe": "steady"}))
    with pytest.raises(UsageError, match=said):
        check_one_epoch(resolve({"tune": "head", **flags}))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"tune": "head"}, "--tune head"),
        ({"members": 3}, "--members 3"),
        ({"folds": 5}, "--folds 5"),
        ({"final": "refit"}, "--final refit"),
        ({"from_run": "a"}, "--from a"),
        ({"good": "none"}, "--good none"),
    ],
)
def test_learning_from_good_parts_alone_refuses_what_trains_on_classes(
    flags: dict[str, Any], said: str
) -> None:
    check_one_epoch(resolve({"learn": "good"}))
    with pytest.raises(UsageError, match=said):
        check_one_epoch(resolve({"learn": "good", **flags}))


def test_photos_are_turned_for_a_memory_only() -> None:
    check_one_epoch(resolve({"learn": "both", "turned": "yes"}))
    with pytest.raises(UsageError, match="--turned yes is for the memory of good parts"):
        check_one_epoch(resolve({"turned": "yes"}))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"learn": "good"}, "--learn good: a memory compares"),
        ({"learn": "both"}, "--learn both: a memory compares"),
        ({"tiles": "auto"}, "--tiles auto: the network for tiles"),
    ],
)
def test_views_as_input_are_of_a_classifier_of_whole_photos(
    flags: dict[str, Any], said: str
) -> None:
    check_one_epoch(resolve({"view_input": True, "tune": "head"}))
    with pytest.raises(UsageError, match=f"--view-input can't be combined with {said}"):
        check_one_epoch(resolve({"view_input": True, **flags}))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"members": 3}, "--members 3"),
        ({"folds": 5}, "--folds 5"),
        ({"final": "folds"}, "--final folds"),
        ({"from_run": "a"}, "--from a"),
        ({"views": "flips"}, "--views flips"),
        ({"good": "none"}, "--good none"),
    ],
)
def test_a_joint_model_is_of_one_training(flags: dict[str, Any], said: str) -> None:
    check_one_epoch(resolve({"learn": "both"}))
    check_one_epoch(resolve({"learn": "both", "tune": "head"}))
    with pytest.raises(UsageError, match=said):
        check_one_epoch(resolve({"learn": "both", **flags}))


def test_commands_that_train_the_whole_network_refuse_a_head_alone() -> None:
    refuse_one_epoch(resolve({}))
    with pytest.raises(UsageError, match="trains the whole network"):
        refuse_one_epoch(resolve({"tune": "head"}))
    with pytest.raises(UsageError, match="several classes"):
        refuse_one_epoch(resolve({"learn": "good"}))
    with pytest.raises(UsageError, match="--learn both: this command"):
        refuse_one_epoch(resolve({"learn": "both"}))
