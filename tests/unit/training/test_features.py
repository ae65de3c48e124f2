"""Features of a frozen backbone: the mean of its maps, the same in every mode."""

import numpy as np
import torch
from helpers.nets import tiny_backbone
from helpers.photos import CPU, PREPROCESSING, made_store

from fastdefect.data.reading.images import Pixels
from fastdefect.training.features import FrozenBackbone

ROWS = list(range(2, 40))  # more than a batch


def test_features_are_the_means_of_the_maps_in_evaluation_mode() -> None:
    body, store = tiny_backbone().body.train(), made_store(40)
    before = {name: value.clone() for name, value in body.state_dict().items()}
    found = FrozenBackbone(body, PREPROCESSING, CPU).features(store, ROWS)

    assert body.training
    assert all(torch.equal(value, before[name]) for name, value in body.state_dict().items())
    with torch.inference_mode():
        maps = body.eval()(PREPROCESSING.batch(store[np.asarray(ROWS)], CPU))
    assert found.shape == (len(ROWS), 8)
    np.testing.assert_allclose(found, maps.mean(dim=(2, 3)).numpy(), rtol=1e-4, atol=1e-6)


def test_a_change_receives_the_position_of_each_photo() -> None:
    store, places = made_store(40), []

    def blacken(photo: Pixels, position: int) -> Pixels:
        places.append(position)
        return np.zeros_like(photo) if position == 33 else photo

    backbone = FrozenBackbone(tiny_backbone().body, PREPROCESSING, CPU)
    plain = backbone.features(store, ROWS)
    changed = backbone.features(store, ROWS, change=blacken)
    assert places == list(range(len(ROWS)))
    different = np.flatnonzero(np.abs(plain - changed).max(axis=1) > 1e-6)
    assert different.tolist() == [33]
