"""Which recipe is chosen, by what evidence, and what the user's own settings have to say."""

from dataclasses import replace
from typing import Any

import pytest
from helpers.learners import made_data
from helpers.nets import tiny_backbone
from helpers.photos import CPU, SIZE

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override, resolve
from fastdefect.data.training_data import TrainingData
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES
from fastdefect.events import Event, Note, silent
from fastdefect.jobs.training import steps
from fastdefect.jobs.training.recipe import STRESS, Choice, Evidence, decide, settle_recipe
from fastdefect.training.backbones import LoadedWeights

RANDOM = LoadedWeights("none", pretrained=False)
PRETRAINED = LoadedWeights("w.safetensors", pretrained=True, matched=4)
# As many steps as a trial asks for: 14 photos to train on.
LONG = {"epochs": 100, "batch_size": 4}
TRAINED = {"batch_norm": "train", "early_layers": "train"}


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


def _settle(
    data: TrainingData, loaded: LoadedWeights, **flags: Any
) -> tuple[RunConfig, Choice | None]:
    config = resolve({"image_size": SIZE, **flags})
    return settle_recipe(config, data, tiny_backbone(), loaded, CPU, silent)


@pytest.mark.parametrize(("name", "strength"), STRESS)
def test_the_trial_disturbs_as_the_stress_test_does(name: str, strength: float) -> None:
    assert strength in DISTURBANCES[name].strengths


@pytest.mark.parametrize(
    ("camera", "steady", "chosen"),
    [
        ((0.90, 0.20), (0.90, 0.10), "steady"),
        ((0.90, 0.20), (0.93, 0.10), "steady"),
        ((0.90, 0.20), (0.895, 0.10), "camera"),
        ((0.90, 0.20), (0.84, 0.10), "camera"),  # accuracy comes first
        ((0.90, 0.10), (0.95, 0.10), "camera"),  # nothing is steadier
        ((0.80, 0.10), (0.95, 0.20), "camera"),
    ],
)
def test_steady_is_chosen_where_it_costs_nothing(
    camera: tuple[float, float], steady: tuple[float, float], chosen: str
) -> None:
    recipe, said = decide(*(Evidence(auc, 0.8, flips) for auc, flips in (camera, steady)), 90)
    assert recipe == chosen
    assert f"override with --recipe {'camera' if chosen == 'steady' else 'steady'}" in said


@pytest.mark.parametrize(
    ("camera", "steady", "n_parts", "chosen"),
    [
        (0.69, 0.60, 50, "fine"),
        (0.60, 0.69, 50, "fine"),
        (0.70, 0.60, 50, "camera"),
        (0.60, 0.70, 50, "steady"),
        (0.45, 0.40, 49, "camera"),  # as much about the parts as about the defects
    ],
)
def test_defects_that_frozen_features_do_not_show_need_a_trained_network(
    camera: float, steady: float, n_parts: int, chosen: str
) -> None:
    recipe, said = decide(Evidence(camera, 0.6, 0.2), Evidence(steady, 0.6, 0.1), n_parts)
    assert recipe == chosen
    assert ("the AUC is only 0.69" in said) == (chosen == "fine")


def test_the_cost_is_reported_in_points() -> None:
    _, said = decide(Evidence(0.90, 0.8, 0.20), Evidence(0.84, 0.8, 0.16), 90)
    assert "AUC by -6.0 points" in said
    assert "flip by -4.0 points" in said


def test_random_weights_are_trained_in_full_without_a_trial(data: TrainingData) -> None:
    config, choice = _settle(data, RANDOM)
    assert config == resolve({"image_size": SIZE, "recipe": "full"})
    assert choice is not None
    assert (choice.recipe, choice.evidence) == ("full", {})


def test_nothing_random_is_kept_as_it_is(data: TrainingData) -> None:
    config, choice = _settle(data, RANDOM, recipe="plain")
    assert choice is None
    assert config == resolve({"image_size": SIZE, "recipe": "plain", **TRAINED})
    config, _ = _settle(data, RANDOM, batch_norm="frozen", early_layers="fixed")
    assert config.training.batch_norm == config.training.early_layers == "train"


@pytest.mark.parametrize("recipe", ["plain", "camera", "steady", "fine", "full", "legacy"])
def test_a_given_recipe_is_not_tried(data: TrainingData, recipe: str) -> None:
    config, choice = _settle(data, PRETRAINED, recipe=recipe)
    assert choice is None
    assert config == resolve({"image_size": SIZE, "recipe": recipe})


def test_the_users_augmentation_leaves_nothing_to_try(data: TrainingData) -> None:
    config, choice = _settle(data, PRETRAINED, augment="manufacturing", mixup_alpha=0.4)
    assert choice is not None
    assert (choice.recipe, choice.evidence) == ("plain", {})
    expected = {"recipe": "plain", "augment": "manufacturing", "mixup_alpha": 0.4}
    lowered = override(resolve({"image_size": SIZE, **expected}), {"learning_rate": 5e-5})
    assert config == lowered  # 25 steps


@pytest.mark.parametrize(
    ("few_photos", "recipe", "augment", "rate"),
    [(15, "camera", "camera", 2e-4 * 100 / 80), (14, "plain", "basic", 2e-4)],
)
def test_a_short_training_is_not_given_a_strong_augmentation(
    monkeypatch: pytest.MonkeyPatch,
    data: TrainingData,
    few_photos: int,
    recipe: str,
    augment: str,
    rate: float,
) -> None:
    monkeypatch.setattr(steps, "FEW_PHOTOS", few_photos)
    config, choice = _settle(data, PRETRAINED, epochs=20, batch_size=4)
    assert choice is not None
    assert (choice.recipe, choice.evidence) == (recipe, {})
    assert choice.reason == "too few optimizer steps for a stronger augmentation (80)"
    assert config.data.augment == augment
    assert config.training.learning_rate == pytest.approx(rate)


@pytest.mark.parametrize(("rate", "recipe"), [(8e-4, "full"), (3e-4, "plain")])
def test_a_high_rate_of_the_users_trains_the_network_in_full(
    data: TrainingData, rate: float, recipe: str
) -> None:
    config, choice = _settle(data, PRETRAINED, learning_rate=rate, augment="basic")
    assert choice is not None
    assert choice.recipe == recipe
    expected = {"recipe": recipe, "learning_rate": rate, "augment": "basic"}
    assert config == resolve({"image_size": SIZE, **expected})


def test_too_few_parts_are_reported_and_not_tried(data: TrainingData) -> None:
    few = replace(data, split=replace(data.split, parts=("one",) * 24))
    _, choice = _settle(few, PRETRAINED, **LONG)
    assert choice is not None
    assert choice.recipe == "camera"
    assert "too few parts" in choice.reason


def test_a_trial_is_reported_in_one_line_and_repeats(data: TrainingData) -> None:
    told: list[Event] = []
    config = resolve({"image_size": SIZE, "label_smoothing": 0.05, **LONG})
    settled, choice = settle_recipe(config, data, tiny_backbone(), PRETRAINED, CPU, told.append)
    assert choice is not None
    assert set(choice.evidence) == {"camera", "steady"}
    assert settled.training.recipe == choice.recipe
    assert settled.training.label_smoothing == 0.05  # the user's own
    assert (choice.photos, choice.parts) == (14, 14)
    lines = [event.text for event in told if isinstance(event, Note)]
    assert len(lines) == 1
    assert lines[0].startswith(f"Recipe {choice.recipe}: on frozen features of 14 photos")

    _, again = _settle(data, PRETRAINED, label_smoothing=0.05, **LONG)
    assert again is not None
    assert again.evidence == choice.evidence
