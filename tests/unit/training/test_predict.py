"""Probabilities: the same as a hand-written loop, and the mode of the model restored."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.nets import tiny_backbone
from helpers.photos import CPU, PREPROCESSING, made_store
from torch import Tensor, nn

from fastdefect.data.store import PhotoStore
from fastdefect.training.head import build_head
from fastdefect.training.predict import Predictor


@pytest.fixture(scope="module")
def store() -> PhotoStore:
    return made_store(11)


@pytest.fixture
def model() -> nn.Module:
    backbone = tiny_backbone(4)
    net = nn.Sequential(backbone.body, build_head(backbone.n_features, 3, spatial=True))
    nn.init.normal_(net[1][-1].weight, std=1.0)  # probabilities that differ between photos
    with torch.no_grad():  # statistics that are not those of the start
        net.train()(torch.randn(8, 3, 32, 32))
    return net


ROWS = [7, 0, 3, 9, 10, 3]


def _predictor(model: nn.Module) -> Predictor:
    return Predictor(model, PREPROCESSING, CPU)


def _by_hand(model: nn.Module, store: PhotoStore, rows: list[int]) -> np.ndarray:
    """Photo by photo, without code of the package."""
    model.eval()
    found = []
    for row in rows:
        photo = torch.from_numpy(np.array(store[row])).double() / 255
        mean = torch.tensor(PREPROCESSING.mean, dtype=torch.float64)
        std = torch.tensor(PREPROCESSING.std, dtype=torch.float64)
        x = ((photo - mean) / std).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            found.append(torch.softmax(model(x).double(), dim=1)[0].numpy())
    model.train()
    return np.array(found)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_probabilities_are_those_of_a_plain_loop(
    model: nn.Module, store: PhotoStore, batch_size: int
) -> None:
    expected = _by_hand(model, store, ROWS)
    found = _predictor(model).probabilities(store, ROWS, batch_size=batch_size)
    assert found.shape == (6, 3)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.ptp(found, axis=0).max() > 0.01


def test_views_are_averaged_as_probabilities(model: nn.Module, store: PhotoStore) -> None:
    def as_it_is(batch: Tensor) -> Tensor:
        return batch

    def mirrored(batch: Tensor) -> Tensor:
        return batch.flip(3)

    def upside_down(batch: Tensor) -> Tensor:
        return batch.flip(2)

    def predict(*views: object) -> np.ndarray:
        return _predictor(model).probabilities(store, ROWS, views=views)  # type: ignore[arg-type]

    alone = [predict(view) for view in (as_it_is, mirrored, upside_down)]
    np.testing.assert_allclose(predict(as_it_is, mirrored, upside_down), np.mean(alone, axis=0))
    assert np.abs(alone[0] - alone[1]).max() > 1e-5
    np.testing.assert_array_equal(predict(), alone[0])
    np.testing.assert_array_equal(predict(as_it_is, mirrored), predict(as_it_is, mirrored))


@pytest.mark.parametrize("training", [True, False])
def test_the_models_mode_is_restored(training: bool, model: nn.Module, store: PhotoStore) -> None:
    model.train(training)
    statistics = model[0][1].running_mean.clone()
    _predictor(model).probabilities(store, ROWS)
    assert model.training is training
    assert model[1].training is training
    assert torch.equal(model[0][1].running_mean, statistics)


def test_the_mode_is_restored_after_an_error_too(store: PhotoStore) -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(RuntimeError):
        _predictor(model).probabilities(store, ROWS)
    assert model.training


def test_training_can_go_on_afterwards(model: nn.Module, store: PhotoStore) -> None:
    _predictor(model).probabilities(store, ROWS)
    model(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_progress_counts_photos(model: nn.Module, store: PhotoStore) -> None:
    told: list[int] = []
    _predictor(model).probabilities(store, ROWS, batch_size=4, on_batch=told.append)
    assert told == [4, 6]


def test_large_photos_are_predicted_few_at_a_time() -> None:
    sizes: list[int] = []

    class Counts(nn.Module):
        def forward(self, photos: Tensor) -> Tensor:
            sizes.append(len(photos))
            return photos.mean((2, 3))[:, :2]

    photos = np.random.default_rng(0).integers(0, 256, (9, 640, 640, 3), np.uint8)
    large = Predictor(Counts(), replace(PREPROCESSING, image_size=640), CPU)
    together = large.probabilities(photos, range(9), batch_size=16)
    assert sizes == [4, 4, 1]
    alone = large.probabilities(photos, range(9), batch_size=1)
    assert together == pytest.approx(alone, abs=1e-6)
