"""What is searched for which settings of the user's, and what a choice becomes."""

from pathlib import Path
from typing import Any

import pytest

from fastdefect.config import RunConfig, config_fields
from fastdefect.config_resolve import resolve
from fastdefect.errors import ModelError, UsageError
from fastdefect.evaluation.tuning.search import Choice, LogRange
from fastdefect.events import Event, Note, silent
from fastdefect.jobs.training import network
from fastdefect.jobs.tuning import space as job
from fastdefect.jobs.tuning.space import (
    SEARCHED,
    configured,
    fields_of,
    fit_sizes,
    for_trial,
    known_points,
    settle_archs,
    settle_recipe,
    value_of,
)
from fastdefect.recipes import RECIPES
from fastdefect.training.backbones import LoadedWeights

ONE = ("resnet50",)


def _fields(names: list[str] | None = None, archs: tuple[str, ...] = ONE, **flags: Any) -> Any:
    return {field.name: field for field in fields_of(resolve(flags), names, archs)}


def test_the_space_is_of_settings_that_there_are() -> None:
    assert {each.name for each in SEARCHED} <= {leaf.name for leaf in config_fields()}


def test_all_is_searched_but_the_architecture_where_nothing_is_given() -> None:
    fields = _fields()
    assert list(fields) == [each.name for each in SEARCHED if each.name != "arch"]
    assert "legacy" not in fields["recipe"].values
    assert fields["image_size"] == Choice("image_size", (128, 160, 224, 288))
    # Four times the default either way, and as far as any recipe goes.
    own = [RunConfig().training.learning_rate * factor for factor in (0.25, 4)]
    of_recipes = [RECIPES[name]["learning_rate"] for name in RECIPES if name != "legacy"]
    ends = min(*own, *of_recipes), max(*own, *of_recipes)
    assert fields["learning_rate"] == LogRange("learning_rate", *ends)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recipe", "steady"),
        ("image_size", 100),
        ("learning_rate", 1e-2),
        ("mixup_alpha", 0.0),
        ("balance", "both"),
    ],
)
def test_what_is_given_is_fixed_unless_the_space_names_it(name: str, value: Any) -> None:
    assert name not in _fields(**{name: value})
    named = _fields([name], **{name: value})
    assert list(named) == [name]
    field = named[name]
    assert value in field.values if isinstance(field, Choice) else field.low < value < field.high


def test_a_file_gives_as_a_flag_does(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[data]\nimage_size = 96\n", encoding="utf-8")
    names = [field.name for field in fields_of(resolve({}, file), None, ONE)]
    assert "image_size" not in names


def test_architectures_are_searched_where_several_are_named() -> None:
    assert _fields(archs=("a", "b"), arch="a")["arch"] == Choice("arch", ("a", "b"))
    assert _fields(["arch"], ("a", "b")).keys() == {"arch"}


@pytest.mark.parametrize(
    ("names", "flags", "message"),
    [
        (["epochs"], {}, "--space epochs"),
        (["arch"], {}, "there is one"),
        (
            None,
            {
                **{"recipe": "plain", "image_size": 64, "learning_rate": 1e-3, "mixup_alpha": 0.1},
                **{"label_smoothing": 0.1, "weight_decay": 0.1, "balance": "none"},
            },
            "Nothing is left to search",
        ),
    ],
)
def test_a_space_that_can_not_be_is_refused(
    names: list[str] | None, flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _fields(names, **flags)


def test_the_search_starts_from_the_recipes_at_the_users_settings() -> None:
    config = resolve({"image_size": 96, "label_smoothing": 0.05})
    fields = fields_of(config, None, ONE)
    points = dict(known_points(config, fields))
    assert list(points) == [name for name in RECIPES if name != "legacy"]
    for recipe, point in points.items():
        assert list(point) == [field.name for field in fields]
        assert point["recipe"] == recipe
        assert point["mixup_alpha"] == RECIPES[recipe]["mixup_alpha"]
        assert point["learning_rate"] == RECIPES[recipe]["learning_rate"]
        for field in fields:
            value = point[field.name]
            inside = (
                value in field.values
                if isinstance(field, Choice)
                else field.low <= value <= field.high
            )
            assert inside, field
        made = configured(config, point)
        assert (made.data.image_size, made.training.label_smoothing) == (96, 0.05)
        assert made.model.head == RECIPES[recipe]["head"]
        assert made.data.augment == RECIPES[recipe]["augment"]


def test_it_starts_from_the_users_settings_where_no_recipe_is_searched() -> None:
    config = resolve({"recipe": "full", "weight_decay": 0.0})
    fields = fields_of(config, ["weight_decay", "mixup_alpha"], ONE)
    ((name, point),) = known_points(config, fields)
    assert name == "your settings"
    assert point == {"mixup_alpha": 0.3, "weight_decay": 5e-5}  # 0 is on no logarithmic scale


def test_a_choice_is_trained_to_its_last_epoch() -> None:
    config = resolve({"epochs": 9, "freeze_epochs": 6, "members": 3, "cache_mb": 1000})
    settings = {"recipe": "steady", "image_size": 160, "mixup_alpha": 0.2}
    made = configured(config, settings)
    for name, value in {**settings, "keep": "last", "patience": 0, "augment": "steady"}.items():
        assert value_of(made, name) == value
    assert made.training.members == 3
    short = for_trial(config, settings, 3, 4)
    for name, value in {"epochs": 3, "freeze_epochs": 2, "members": 1, "cache_mb": 250}.items():
        assert value_of(short, name) == value


def test_a_recipe_that_is_not_searched_is_settled() -> None:
    told: list[Event] = []
    fields = fields_of(RunConfig(), ["balance"], ONE)
    assert settle_recipe(RunConfig(), fields, told.append).training.recipe == "plain"
    assert len(told) == 1
    given = resolve({"recipe": "steady"})
    assert settle_recipe(given, fields, told.append) == given
    assert settle_recipe(RunConfig(), fields_of(RunConfig(), None, ONE), silent) == RunConfig()
    assert len(told) == 1


# ---- networks ----------------------------------------------------------------------------


def _built(refused: dict[tuple[str, int], str], pretrained: set[str]) -> Any:
    def build(arch: str, weights: str, size: int) -> tuple[None, LoadedWeights]:
        if (arch, size) in refused:
            raise ModelError(refused[arch, size])
        loaded = weights == "auto" and arch in pretrained
        return None, LoadedWeights(weights, loaded)

    return build


def test_sizes_that_a_network_refuses_are_left_out_and_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "build_backbone", _built({("b", 128): "b takes no 128."}, set()))
    told: list[Event] = []
    config = resolve({"weights": "none", "learning_rate": 1e-3})
    fields = fit_sizes(fields_of(config, None, ("a", "b")), config, ("a", "b"), told.append)
    sizes = next(field for field in fields if field.name == "image_size")
    assert sizes == Choice("image_size", (160, 224, 288))
    assert [event.text for event in told if isinstance(event, Note)] == [
        "Left out: photos of 128 pixels. b takes no 128."
    ]


def test_pretrained_weights_are_had_for_all_architectures_or_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "build_backbone", _built({}, {"a"}))
    config = resolve({"arch": "a"})
    assert settle_archs(config, ("a",), silent).model.weights == "auto"
    assert settle_archs(config, ("b", "c"), silent).model.weights == "none"
    assert settle_archs(config, ("b", "c"), silent).model.arch == "b"
    with pytest.raises(UsageError, match="there are none for b"):
        settle_archs(config, ("a", "b"), silent)
    file = resolve({"weights": "some.safetensors"})
    with pytest.raises(UsageError, match="one file has weights for one architecture"):
        settle_archs(file, ("a", "b"), silent)


def test_auto_is_named_alone_and_refused_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "build_backbone", _built({}, {"resnet50"}))
    settled = settle_archs(resolve({}), ("auto",), silent)
    assert (settled.model.arch, settled.model.weights) == ("resnet50", "auto")
    with pytest.raises(UsageError, match="auto is not a network"):
        settle_archs(resolve({}), ("auto", "resnet50"), silent)
