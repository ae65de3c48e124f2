"""What is said of a training that failed."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastdefect.config_resolve import resolve
from fastdefect.jobs.training.report import _warn_below_floor, _warn_if_constant


@pytest.mark.parametrize(
    ("head", "advice", "not_said"),
    [("linear", "more photos and epochs", "threshold"), ("memory", "More good parts", "epochs")],
)
def test_the_advice_for_a_constant_prediction_is_for_this_kind_of_model(
    head: str, advice: str, not_said: str
) -> None:
    said: list[Any] = []
    valid: Any = SimpleNamespace(confusion=np.array([[0, 1], [0, 4]]))
    spec: Any = SimpleNamespace(head=head, classes=("defect", "good"))
    _warn_if_constant(valid, spec, "Try more photos and epochs.", said.append)
    (note,) = said
    assert note.level == "warning"
    assert "every validation photo as 'good'" in note.text
    assert advice in note.text
    assert not_said not in note.text


def test_a_model_with_two_answers_is_not_mentioned() -> None:
    said: list[Any] = []
    valid: Any = SimpleNamespace(confusion=np.array([[1, 0], [0, 4]]))
    spec: Any = SimpleNamespace(head="linear", classes=("a", "b"))
    _warn_if_constant(valid, spec, "", said.append)
    assert not said


def _said_of(
    train: tuple[float, float], floor: dict[str, Any], *, pretrained: bool = True, **settings: Any
) -> list[Any]:
    """The notes about a training with the AUC and accuracy ``train`` on its own photos."""
    said: list[Any] = []
    files = {"floor.json": floor, "model.json": {"weights": {"pretrained": pretrained}}}
    run: Any = SimpleNamespace(read=files.__getitem__)
    auc, accuracy = train
    metrics: Any = SimpleNamespace(auc=auc, accuracy=accuracy)
    config = resolve({"data": "photos", "recipe": "camera", "epochs": 6, **settings})
    _warn_below_floor(run, config, metrics, said.append)
    return said


FLOOR = {"auc": 0.84, "accuracy": 0.76}


@pytest.mark.parametrize("train", [(0.62, 0.80), (0.95, 0.45), (0.62, 0.45)])
def test_a_training_below_the_frozen_features_is_warned_of(train: tuple[float, float]) -> None:
    (note,) = _said_of(train, FLOOR)
    assert note.level == "warning"
    assert f"AUC {train[0]:.3f}, accuracy {train[1]:.1%}; a linear" in note.text
    assert "AUC 0.840, accuracy 76.0% on photos that it was not trained on" in note.text
    assert "Try more --epochs than 6, " in note.text


@pytest.mark.parametrize(
    ("recipe", "advised"),
    [
        ("camera", "than 6, --recipe fine, a lower --learning-rate than 0.0002, or"),
        ("plain", "than 6, --recipe fine, a lower"),
        ("full", "than 6, --recipe plain, a lower"),
        ("fine", "than 6, a lower --learning-rate than 0.0004, or --tune head"),
    ],
)
def test_the_advice_does_not_name_what_is_already_done(recipe: str, advised: str) -> None:
    (note,) = _said_of((0.5, 0.5), FLOOR, recipe=recipe)
    assert advised in note.text


def test_random_weights_are_the_first_to_replace() -> None:
    (note,) = _said_of((0.5, 0.5), FLOOR, pretrained=False)
    assert note.text.endswith("Pretrained --weights help most, then more photos and epochs.")


@pytest.mark.parametrize(
    ("train", "floor", "settings"),
    [
        ((0.95, 0.90), FLOOR, {}),
        ((0.835, 0.752), FLOOR, {}),  # less than a point
        ((0.95, 0.45), FLOOR, {"balance": "sampler"}),  # rejects more on purpose
        ((0.5, 0.5), {}, {}),  # no probe, or an earlier version
        ((0.9, 0.9), {"auc": None, "accuracy": 0.5}, {}),
        ((float("nan"), 0.9), FLOOR, {}),  # training photos of one class
    ],
)
def test_other_trainings_are_not_warned_of(
    train: tuple[float, float], floor: dict[str, Any], settings: dict[str, Any]
) -> None:
    assert not _said_of(train, floor, **settings)
