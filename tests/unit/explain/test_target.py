"""What a map explains: log odds of some classes against the others."""

import numpy as np
import pytest
import torch

from fastdefect.errors import UsageError
from fastdefect.explain.target import choose_target

CLASSES = ("crack", "good", "scratch")


def test_the_default_is_any_defect_against_good() -> None:
    target = choose_target(CLASSES, (1,), None)
    assert (target.name, target.of, target.against) == ("defect", (0, 2), (1,))


def test_a_class_is_explained_against_all_others() -> None:
    target = choose_target(CLASSES, (1,), "scratch")
    assert (target.of, target.against) == ((2,), (0, 1))


def test_log_odds_of_logits_are_those_of_their_probabilities() -> None:
    target = choose_target(CLASSES, (1,), None)
    logits = torch.tensor([[0.3, -1.2, 2.0], [-4.0, 3.0, 0.1]], dtype=torch.float64)
    expected = target.of_probabilities(logits.softmax(dim=1).numpy())
    np.testing.assert_allclose(target.of_logits(logits).numpy(), expected, rtol=1e-12)


def test_log_odds_of_certain_probabilities_are_finite() -> None:
    target = choose_target(CLASSES, (1,), None)
    assert np.isfinite(target.of_probabilities(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))).all()


@pytest.mark.parametrize(("good", "name"), [((), None), ((0, 1, 2), None), ((1,), "dent")])
def test_without_two_sides_the_error_names_the_classes(
    good: tuple[int, ...], name: str | None
) -> None:
    with pytest.raises(UsageError, match="crack, good, scratch"):
        choose_target(CLASSES, good, name)
