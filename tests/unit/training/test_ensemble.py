"""Ensembles: the mean of the probabilities of several networks."""

import math

import numpy as np
import pytest
import torch
from helpers.examples import examples
from helpers.learners import made_data, made_learner, made_spec, with_training
from helpers.nets import tiny_backbone
from helpers.photos import PREPROCESSING, made_loaders
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from fastdefect.training.ensemble import Ensemble, averaging, joined_state
from fastdefect.training.learner import build_learner, build_loss
from fastdefect.training.predict import Predictor


class Says(nn.Module):
    """Returns the same logits (n, n_classes) for every batch."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, photos: Tensor) -> Tensor:
        return self.logits


def _answer(*logits: Tensor) -> Tensor:
    return Ensemble([Says(one) for one in logits])(torch.zeros(len(logits[0]), 3, 2, 2))


def test_the_mean_of_probabilities_by_hand() -> None:
    """Softmax of (0, log 3) is (1/4, 3/4) and of (log 9, 0) is (9/10, 1/10)."""
    said = _answer(torch.tensor([[0.0, math.log(3)]]), torch.tensor([[math.log(9), 0.0]]))
    assert said.dtype == torch.float32
    assert said.exp()[0].tolist() == pytest.approx([(0.25 + 0.9) / 2, (0.75 + 0.1) / 2])
    assert said.softmax(dim=1)[0].tolist() == pytest.approx(said.exp()[0].tolist())


@examples(50)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(2, 4)),
        elements=st.floats(-30, 30, width=32),
    )
)
def test_any_logits_give_the_mean_of_their_softmaxes(logits: np.ndarray) -> None:
    powers = np.exp(logits.astype(np.float64))
    expected = (powers / powers.sum(axis=2, keepdims=True)).mean(axis=0)
    said = _answer(*(torch.from_numpy(one) for one in logits)).double().softmax(dim=1).numpy()
    np.testing.assert_allclose(said, expected, atol=1e-6)


def test_nothing_underflows_or_overflows() -> None:
    sure, opposite = torch.tensor([[1e4, -1e4]]), torch.tensor([[-1e4, 1e4]])
    assert _answer(sure, opposite).softmax(dim=1)[0].tolist() == pytest.approx([0.5, 0.5])
    assert bool(_answer(sure, sure).isfinite().all())
    assert _answer(sure, sure)[0].tolist() == pytest.approx([0.0, -2e4])


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_averaged_in_single(precision: torch.dtype) -> None:
    said = _answer(torch.tensor([[0.0, 3.0]], dtype=precision), torch.tensor([[1.0, 0.0]]))
    assert said.dtype == torch.float32
    by_hand = (1 / (1 + math.exp(3)) + math.e / (1 + math.e)) / 2
    assert said.exp()[0, 0].item() == pytest.approx(by_hand)


def test_an_ensemble_needs_a_network() -> None:
    with pytest.raises(ValueError, match="at least"):
        Ensemble([])


def test_joined_states_fill_the_copies_that_average() -> None:
    networks = [nn.Sequential(nn.Flatten(), nn.Linear(3, 2)) for _ in range(3)]
    model = averaging(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), 3)
    model.load_state_dict(joined_state([network.state_dict() for network in networks]))
    photos = torch.rand(5, 3, 1, 1)
    with torch.inference_mode():
        mean = torch.stack([network(photos).softmax(dim=1) for network in networks]).mean(dim=0)
        torch.testing.assert_close(model(photos).exp(), mean)


def test_one_network_stays_as_it_is() -> None:
    network = nn.Linear(3, 2)
    assert averaging(network, 1) is network
    assert joined_state([network.state_dict()]).keys() == network.state_dict().keys()


def test_a_learner_of_two_predicts_their_mean() -> None:
    data, training = made_data(), with_training()
    ones = [made_learner(data, training, seed=seed).model for seed in (1, 2)]
    dls = made_loaders(data.manifest, data.store, range(8), range(8, 12))
    loss = build_loss(None, 0.0, torch.device("cpu"))
    learn = build_learner(
        dls,
        tiny_backbone(),
        loss,
        spec=made_spec(data, members=2),
        training=training,
        precision="fp32",
    )
    learn.model.load_state_dict(joined_state([one.state_dict() for one in ones]))
    cpu = torch.device("cpu")
    first, second, both = (
        Predictor(model, PREPROCESSING, cpu).probabilities(data.store, data.rows((3, 4, 20)))
        for model in (*ones, learn.model)
    )
    assert np.abs(first - second).max() > 1e-4  # else this would prove nothing
    np.testing.assert_allclose(both, (first + second) / 2, atol=1e-6)
    kernels = [p for p in learn.model.parameters() if p.ndim == 4]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
