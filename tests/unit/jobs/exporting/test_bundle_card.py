"""The card of a bundle: a value that no reader accepts is named before anything is written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.exports import even, made_model, validation_photos

from fastdefect.errors import UsageError
from fastdefect.events import Event, Note
from fastdefect.inference.card import Card
from fastdefect.jobs.exporting import bundle_card
from fastdefect.jobs.exporting.bundle_card import card_of
from fastdefect.jobs.trained.scorer import RunModel


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their intervals take a second."""
    monkeypatch.setattr(bundle_card, "_figures", lambda *given: {})


def card(model: RunModel, folder: Path) -> tuple[Card, list[Event]]:
    events: list[Event] = []
    return card_of(model, validation_photos(folder, ["a.png"]), even(1), events.append), events


def changed(model: RunModel, **spec: Any) -> RunModel:
    return replace(model, spec=replace(model.spec, **spec))


@pytest.mark.parametrize(
    ("name", "said"), [("x" * 201, "classes.0, 'xxx"), ("a\nb", r"classes.0, 'a\\nb'")]
)
def test_a_class_that_a_card_may_not_have_is_named(name: str, said: str, tmp_path: Path) -> None:
    model = changed(made_model(tmp_path), classes=(name, "good"))
    with pytest.raises(UsageError, match=said) as caught:
        card(model, tmp_path)
    assert "--rename OLD=NEW" in caught.value.hint


def test_too_many_classes_are_refused(tmp_path: Path) -> None:
    classes = ("good", *(str(i) for i in range(1000)))
    with pytest.raises(UsageError, match="a bundle can't have its classes"):
        card(changed(made_model(tmp_path), classes=classes), tmp_path)


def test_a_large_input_is_refused(tmp_path: Path) -> None:
    model = made_model(tmp_path)
    steps = replace(model.spec.preprocessing, image_size=5000)
    with pytest.raises(UsageError, match="image_size, 5000"):
        card(changed(model, preprocessing=steps), tmp_path)


@pytest.mark.parametrize(("given", "kept"), [(1e6, 1e5), (50, 50)])
def test_a_high_limit_of_megapixels_is_lowered(given: float, kept: float, tmp_path: Path) -> None:
    made, _ = card(made_model(tmp_path, max_megapixels=given), tmp_path)
    assert made.photos.max_megapixels == kept


def test_a_slow_pattern_is_left_out_with_a_warning(tmp_path: Path) -> None:
    made, (note,) = card(made_model(tmp_path, part_from="(a+)+_"), tmp_path)
    assert made.part_from is None
    assert isinstance(note, Note)
    assert note.level == "warning"
    assert "'(a+)+_'" in note.text
    assert "--part-from REGEX" in note.text


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"part_from": r"(\d+)_"}, r"(\d+)_"),
        ({"part_from": "(a+)+_", "parts": "none"}, None),
        ({}, None),
    ],
)
def test_other_patterns_are_no_warning(
    settings: dict[str, Any], kept: str | None, tmp_path: Path
) -> None:
    made, events = card(made_model(tmp_path, **settings), tmp_path)
    assert (made.part_from, events) == (kept, [])
