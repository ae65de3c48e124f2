"""The graph of a bundle, in torch, against the predictions of evaluations."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.nets import tiny_backbone
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.evaluation.views import FIXED_VIEWS
from fastdefect.inference.outputs import probabilities_of
from fastdefect.training.backbones import staged
from fastdefect.training.ensemble import Ensemble
from fastdefect.training.inference_graph import InferenceGraph
from fastdefect.training.predict import Predictor
from fastdefect.training.stages import Tap

SIZE = 16
STEPS = Preprocessing(SIZE, "squish", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PHOTOS = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


def network(seed: int = 0) -> nn.Module:
    body = tiny_backbone(seed).body
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    return nn.Sequential(nn.Sequential(body), head).eval()


@pytest.mark.parametrize("views", ["none", "flips", "dihedral"])
@pytest.mark.parametrize("members", [1, 3])
def test_logits_give_the_probabilities_of_the_predictor(views: str, members: int) -> None:
    several = [network(seed) for seed in range(members)]
    net = several[0] if members == 1 else Ensemble(several).eval()
    graph = InferenceGraph(net, STEPS, FIXED_VIEWS[views])
    with torch.inference_mode():
        logits, features = graph(torch.from_numpy(PHOTOS))
    predictor = Predictor(net, STEPS, torch.device("cpu"))
    expected = predictor.probabilities(PHOTOS, range(5), views=FIXED_VIEWS[views])
    assert logits.shape == (5, len(FIXED_VIEWS[views]), 3)
    assert features.shape == (5, sum(graph.widths()))
    assert np.abs(probabilities_of(logits.numpy()) - expected).max() < 1e-6


def test_features_do_not_depend_on_the_views() -> None:
    net, found = network(), []
    for views in ("none", "dihedral"):
        with torch.inference_mode():
            found.append(InferenceGraph(net, STEPS, FIXED_VIEWS[views])(torch.from_numpy(PHOTOS)))
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)


def test_the_features_of_a_head_on_several_depths_are_read_at_these_depths() -> None:
    taps = (Tap("2", 8), Tap("", 16))
    read = staged(replace(tiny_backbone(0), taps=taps))
    on_depths = nn.Sequential(nn.Sequential(read.body), nn.Linear(read.n_features, 3)).eval()
    graph = InferenceGraph(on_depths, STEPS, FIXED_VIEWS["none"])
    assert graph.widths() == (8, 8)  # of the maps of the last, the means only
    with torch.inference_mode():
        features = graph(torch.from_numpy(PHOTOS))[1]
        whole = InferenceGraph(network(), STEPS, FIXED_VIEWS["none"])(torch.from_numpy(PHOTOS))[1]
    assert torch.allclose(features[:, 8:], whole[:, -8:], atol=1e-6)
