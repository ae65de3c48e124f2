"""What is said of a model that gives every photo the same class."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastdefect.jobs.training.report import _warn_if_constant


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
    _warn_if_constant(valid, spec, said.append)
    (note,) = said
    assert note.level == "warning"
    assert "every validation photo as 'good'" in note.text
    assert advice in note.text
    assert not_said not in note.text


def test_a_model_with_two_answers_is_not_mentioned() -> None:
    said: list[Any] = []
    valid: Any = SimpleNamespace(confusion=np.array([[1, 0], [0, 4]]))
    _warn_if_constant(valid, SimpleNamespace(head="linear", classes=("a", "b")), said.append)  # type: ignore[arg-type]
    assert not said
