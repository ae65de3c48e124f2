"""The views of test-time augmentation: distinct, complete, each undone by its inverse."""

import itertools

import numpy as np
import pytest
import torch

from fastdefect.errors import UsageError
from fastdefect.evaluation.views import FIXED_VIEWS, parse_views, resolve_views

# No two pixels alike, so that any two different views differ.
BATCH = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)


def _views(name: str) -> list[torch.Tensor]:
    return [view(BATCH) for view in FIXED_VIEWS[name]]


@pytest.mark.parametrize(
    ("name", "count"),
    [("none", 1), ("mirror", 2), ("half-turn", 2), ("turns", 4), ("flips", 4), ("dihedral", 8)],
)
def test_views_are_distinct_and_the_first_is_the_photo(name: str, count: int) -> None:
    views = _views(name)
    assert len(views) == count
    assert torch.equal(views[0], BATCH)
    for first, second in itertools.combinations(views, 2):
        assert not torch.equal(first, second)


def test_flips_are_numpys() -> None:
    photo = BATCH.numpy()
    expected = [photo, photo[..., ::-1], photo[:, :, ::-1], photo[:, :, ::-1, ::-1]]
    for found, wanted in zip(_views("flips"), expected, strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted)


def test_the_dihedral_views_are_the_eight_of_the_square() -> None:
    photo = BATCH.numpy()
    turned = [np.rot90(photo, k, axes=(2, 3)) for k in range(4)]
    expected = {view.tobytes() for t in turned for view in (t, t[..., ::-1])}
    assert {view.numpy().tobytes() for view in _views("dihedral")} == expected


@pytest.mark.parametrize("name", sorted(FIXED_VIEWS))
def test_every_view_is_undone_by_one_of_its_kind(name: str) -> None:
    for view in FIXED_VIEWS[name]:
        undone = [other(view(BATCH)) for other in FIXED_VIEWS[name]]
        assert sum(torch.equal(back, BATCH) for back in undone) == 1


def test_two_views_in_a_row_are_a_view_again() -> None:
    known = [view.numpy().tobytes() for view in _views("dihedral")]
    for first, second in itertools.product(FIXED_VIEWS["dihedral"], repeat=2):
        assert second(first(BATCH)).numpy().tobytes() in known


@pytest.mark.parametrize("name", sorted(FIXED_VIEWS))
def test_fixed_views_are_found_by_name(name: str) -> None:
    assert parse_views(name) == (FIXED_VIEWS[name], 0)


@pytest.mark.parametrize(("text", "count"), [("random:1", 1), ("random:8", 8), ("random:256", 256)])
def test_random_views_are_counted(text: str, count: int) -> None:
    assert parse_views(text) == ((), count)


@pytest.mark.parametrize(
    "text",
    [
        *("", "flip", "Flips", "random", "random:", "random:0", "random:257", "random:-1"),
        *("random:1.5", "random: 4", "random:x", "dihedral:4", "random:4:4", "random:²"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--views") as caught:
        parse_views(text)
    assert "random:N" in caught.value.message


def test_auto_takes_the_symmetries_that_training_showed() -> None:
    assert resolve_views("auto", "manufacturing") == "dihedral"
    assert resolve_views("auto", "steady") == "dihedral"
    assert resolve_views("auto", "none") == "none"
    assert resolve_views("flips", "none") == "flips"
