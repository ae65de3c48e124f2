"""A joint model: what its halves say, and that the bundle's graph says the same."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.nets import tiny_backbone
from torch import Tensor, nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.evaluation.views import FIXED_VIEWS
from fastdefect.inference.outputs import Given, give, outputs_of
from fastdefect.training.inference_graph import InferenceGraph
from fastdefect.training.joint import Halves, Joint, classifier_state, joint_state
from fastdefect.training.memory import PatchMemory
from fastdefect.training.predict import Predictor
from fastdefect.training.tiled import Tiled

SIZE, TILES = 16, 4
STEPS = Preprocessing(SIZE, "squish", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PHOTOS = np.random.default_rng(0).integers(0, 256, (9, SIZE, SIZE, 3), np.uint8)
IN_TILES = np.random.default_rng(1).integers(0, 256, (7, TILES * SIZE, SIZE, 3), np.uint8)
IN_TILES[0, 2 * SIZE :] = 200  # two empty tiles, which are brighter than any other
GOOD = (1,)  # of three classes


class _Red(nn.Module):
    """The mean of the first channel at 2 x 2 places, twice."""

    def forward(self, photos: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(photos[:, :1], 2).repeat(1, 2, 1, 1)


@pytest.fixture(scope="module")
def joint() -> Joint:
    torch.manual_seed(0)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    classifier = nn.Sequential(nn.Sequential(tiny_backbone(0).body), head)
    memory = PatchMemory((1, 1), 3, GOOD)
    (detail,) = memory.memories
    with torch.no_grad():
        detail.project.weight.copy_(torch.eye(2)[..., None, None])
        memory.part.weight.zero_()
        memory.usual.fill_(0.5)
        memory.spread.fill_(0.1)
        head[-1].bias[1] += 2.0
    detail.fill(torch.zeros(1, 2), [1])
    whole = nn.Sequential(nn.Sequential(_Red()), nn.Sequential(memory))
    network = Joint(classifier, whole, 3, GOOD)
    network.temperature.fill_(0.7)
    return network.eval()


def test_each_half_says_what_its_network_says(joint: Joint) -> None:
    batch = STEPS.batch(PHOTOS, torch.device("cpu"))
    with torch.inference_mode():
        classifier, memory = joint.halves(batch).unbind(dim=1)
        torch.testing.assert_close(classifier, joint.classifier(batch) / 0.7)
        places, (head,) = joint.memory[0](batch), joint.memory[1]  # type: ignore[index]
        p_defect = 1 - memory.softmax(dim=1)[:, 1]
        torch.testing.assert_close(p_defect, head.odds(places).sigmoid())
    # The proportions of the defects are those of the classifier.
    torch.testing.assert_close(memory[:, 0] - memory[:, 2], classifier[:, 0] - classifier[:, 2])


def test_the_surer_half_decides(joint: Joint) -> None:
    batch = STEPS.batch(PHOTOS, torch.device("cpu"))
    with torch.inference_mode():
        halves = joint.halves(batch).softmax(dim=2)
        found = 1 - joint(batch).softmax(dim=1)[:, 1]
    of_halves = 1 - halves[:, :, 1]
    torch.testing.assert_close(found, of_halves.amax(dim=1))
    assert len(of_halves.argmax(dim=1).unique()) == 2  # each half is the surer one of some photos


@pytest.mark.parametrize("views", ["none", "flips"])
def test_the_graph_of_a_bundle_gives_the_same_outputs(joint: Joint, views: str) -> None:
    graph = InferenceGraph(joint, STEPS, FIXED_VIEWS[views])
    with torch.inference_mode():
        logits, features = graph(torch.from_numpy(PHOTOS))
    assert logits.shape == (9, 2 * len(FIXED_VIEWS[views]), 3)
    found = outputs_of(Given(logits.numpy(), features.numpy()), GOOD, joint=True)
    for network, values in ((joint, found.y_prob), (Halves(joint), found.halves)):
        predictor = Predictor(network, STEPS, torch.device("cpu"))
        expected = predictor.probabilities(PHOTOS, range(9), views=FIXED_VIEWS[views])
        assert values is not None
        assert np.abs(values - expected).max() < 1e-6


@pytest.fixture(scope="module")
def tiled(joint: Joint) -> Joint:
    """The network for photos in tiles, with the weights of ``joint``."""
    classifier, memory = deepcopy(joint.classifier), deepcopy(joint.memory)
    in_tiles = (
        Tiled(*network.children(), SIZE, good)
        for network, good in ((classifier, GOOD), (memory, ()))
    )
    network = Joint(*in_tiles, 3, GOOD)
    network.temperature.fill_(0.7)
    return network.eval()


def test_the_worst_tile_is_the_classifiers_and_the_least_familiar_the_memorys(
    joint: Joint, tiled: Joint
) -> None:
    steps, cpu = replace(STEPS, tiles=TILES), torch.device("cpu")
    filled = [range(2) if row == 0 else range(TILES) for row in range(len(IN_TILES))]
    with torch.inference_mode():
        found = tiled.halves(steps.batch(IN_TILES, cpu))
        for row, tiles in enumerate(filled):
            cells = IN_TILES[row].reshape(TILES, SIZE, SIZE, 3)[list(tiles)]
            classifier, memory = joint.halves(STEPS.batch(cells, cpu)).unbind(dim=1)
            evidence = classifier - classifier[:, GOOD]
            torch.testing.assert_close(found[row, 0], evidence.amax(dim=0))
            strange = memory[:, [0, 2]].logsumexp(dim=1) - memory[:, 1]
            odds = found[row, 1, [0, 2]].logsumexp(dim=0) - found[row, 1, 1]
            torch.testing.assert_close(odds, strange.amax())


@pytest.mark.parametrize("views", ["none", "flips"])
def test_the_graph_of_a_bundle_gives_the_same_outputs_of_tiles(tiled: Joint, views: str) -> None:
    steps, all_views = replace(STEPS, tiles=TILES), FIXED_VIEWS[views]
    graph = InferenceGraph(tiled, steps, all_views)
    with torch.inference_mode():
        given = give(
            lambda pixels: [each.numpy() for each in graph(torch.from_numpy(pixels))],
            steps.frame,
            IN_TILES,
        )
    found = outputs_of(given, GOOD, joint=True)
    for network, values in ((tiled, found.y_prob), (Halves(tiled), found.halves)):
        expected = Predictor(network, steps, torch.device("cpu")).probabilities(
            IN_TILES, range(len(IN_TILES)), views=all_views
        )
        assert values is not None
        assert np.abs(values - expected).max() < 1e-6
    assert found.tiles is not None
    assert not found.tiles.counts[0, 2:].any()
    if views == "none":  # the tile with the most evidence of either half decides
        p_defect = np.where(found.tiles.counts, 1 - found.tiles.y_prob[:, :, 1], 0).max(axis=1)
        by_memory = 1 - expected[:, 1, 1]
        surer = by_memory > 1 - expected[:, 0, 1]
        assert 0 < surer.sum() < len(IN_TILES)
        assert np.abs(p_defect - by_memory)[surer].max() < 1e-6


def test_the_state_is_that_of_both(joint: Joint) -> None:
    classifier, memory = joint.classifier.state_dict(), joint.memory.state_dict()
    state = joint_state(classifier, memory, 0.7)
    assert state.keys() == joint.state_dict().keys()
    assert classifier_state(state).keys() == classifier.keys()
    assert classifier_state(classifier).keys() == classifier.keys()
