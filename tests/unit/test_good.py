"""Several good classes are one side of every decision."""

import numpy as np
import pytest

from fastdefect.good import (
    good_from_json,
    good_indices,
    good_to_json,
    is_good,
    only_defect,
    p_defect,
)


def test_indices_are_ascending_whatever_the_order_of_the_names() -> None:
    assert good_indices(("a", "b", "c"), ("c", "a")) == (0, 2)
    assert good_indices(("a", "b"), ()) == ()
    with pytest.raises(ValueError, match="not in list"):
        good_indices(("a", "b"), ("x",))


def test_is_good() -> None:
    labels = np.array([0, 1, 2, 1])
    assert is_good(labels, (0, 2)).tolist() == [True, False, True, False]
    assert not is_good(labels, ()).any()


def test_one_good_class_gives_the_same_bits_as_ever() -> None:
    y_prob = np.random.default_rng(0).dirichlet(np.ones(3), 500)
    assert (p_defect(y_prob, (1,)) == 1 - y_prob[:, 1]).all()


@pytest.mark.parametrize(
    ("n_classes", "good", "defect"),
    [(2, (0,), 1), (2, (1,), 0), (3, (0, 2), 1), (3, (0,), None), (2, (), None), (4, (0, 1), None)],
)
def test_the_only_defect(n_classes: int, good: tuple[int, ...], defect: int | None) -> None:
    assert only_defect(n_classes, good) == defect


@pytest.mark.parametrize(
    ("good", "content"), [((), None), (("ok",), "ok"), (("a", "b"), ["a", "b"])]
)
def test_model_json_keeps_its_form_for_one(good: tuple[str, ...], content: object) -> None:
    assert good_to_json(good) == content
    assert good_from_json(good_to_json(good)) == good
