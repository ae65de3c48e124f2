"""The head with which a fine-tuning begins: the evidence of the probe, with small logits."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from fastdefect.training.head_probe import FIRST_LOGITS, start_small
from fastdefect.training.probe import Probe, fit_probe
from fastdefect.training.view_head import ByView

# 60 photos, of which some classes have more.
LABELS = {2: np.repeat([0, 1], (45, 15)), 5: np.repeat(range(5), (30, 12, 8, 6, 4))}


def probed(n_classes: int, apart: float) -> tuple[Any, Probe]:
    """Features (60, 8) of classes at a distance of ``apart``, and their probe."""
    rng = np.random.default_rng(0)
    labels = LABELS[n_classes]
    features = (rng.normal(size=(60, 8)) + apart * np.eye(8)[labels]).astype(np.float32)
    return features, fit_probe([features], labels, [f"part {i}" for i in range(60)], seed=1)


def logits_of(layer: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits (60, n_classes), less their mean of each photo."""
    with torch.no_grad():
        found = layer(torch.from_numpy(features)).numpy()
    return np.asarray(found - found.mean(axis=1, keepdims=True))


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_evidence_of_the_probe_about_the_shares_of_the_classes(n_classes: int) -> None:
    features, probe = probed(n_classes, apart=5.0)
    layer = nn.Linear(8, n_classes)
    probe.fill(layer)
    before = logits_of(layer, features)
    start_small(layer, probe, features, LABELS[n_classes])
    after = logits_of(layer, features)
    evidence = after - after.mean(axis=0)
    assert np.sqrt(np.mean(evidence**2)) == pytest.approx(FIRST_LOGITS, rel=1e-4)
    of_probe = before - before.mean(axis=0)
    np.testing.assert_allclose(
        evidence, of_probe * FIRST_LOGITS / np.sqrt(np.mean(of_probe**2)), atol=1e-5
    )
    shares = np.bincount(LABELS[n_classes]) / 60
    np.testing.assert_allclose(softmax(after.mean(axis=0)), shares, rtol=1e-4)


def test_small_evidence_is_not_enlarged() -> None:
    features, probe = probed(2, apart=0.0)
    weak = Probe(probe.weight * 1e-3, probe.bias * 1e-3, probe.strength, probe.held_out)
    layer = nn.Linear(8, 2)
    weak.fill(layer)
    before = layer.weight.detach().clone()
    start_small(layer, weak, features, LABELS[2])
    assert torch.equal(layer.weight, before)


def test_what_a_head_with_views_adds_is_scaled_alike() -> None:
    features, probe = probed(2, apart=5.0)
    layer = ByView(8, 2, 3)
    with torch.no_grad():
        layer.view_weight.normal_()
        layer.view_bias.normal_()
    probe.fill(layer)
    before = {name: each.detach().clone() for name, each in layer.named_parameters()}
    start_small(layer, probe, features, LABELS[2])
    assert set(before) == {"weight", "bias", "view_weight", "view_bias"}
    factor = layer.weight[0, 0] / before["weight"][0, 0]
    for name in ("weight", "view_weight", "view_bias"):
        now = layer.get_parameter(name).detach()
        torch.testing.assert_close(now, before[name] * factor)
