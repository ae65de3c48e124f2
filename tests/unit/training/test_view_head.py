"""A head that takes the view of a photo as a second input, and its linear probe."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.examples import examples
from helpers.nets import tiny_backbone
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.reading.view_input import one_hot
from fastdefect.evaluation.views import FIXED_VIEWS
from fastdefect.inference.outputs import give, probabilities_of
from fastdefect.training.ensemble import Ensemble
from fastdefect.training.inference_graph import InferenceGraph
from fastdefect.training.learner import ModelSpec, build_network
from fastdefect.training.predict import Predictor
from fastdefect.training.probe import fit_probe
from fastdefect.training.view_head import DROPPED, ByView, Viewed, by_view, of_view
from fastdefect.training.view_probe import fit_view_probe

CPU = torch.device("cpu")
VIEWS = ("below", "side", "top")
STEPS = Preprocessing(16, "squish", (0.4, 0.5, 0.6), (0.2, 0.2, 0.3), view_input=VIEWS)


def filled(layer: ByView, seed: int = 0) -> ByView:
    """The layer with random weights, also for the views."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in layer.parameters():
            each.copy_(torch.randn(each.shape, generator=generator))
    return layer.eval()


def network(seed: int = 0) -> Viewed:
    """Three classes, three views, random weights."""
    spec = ModelSpec("tiny", ("a", "b", "ok"), ("ok",), STEPS, "linear")
    found: Any = build_network(spec, tiny_backbone(seed), CPU)
    filled(found[1][-1], seed)
    return found.eval()


def pixels(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)


def test_a_view_that_is_not_trained_changes_nothing() -> None:
    plain = nn.Sequential(nn.Linear(5, 3))
    head = by_view(plain, 4).eval()
    features = torch.randn(6, 5)
    views = torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    torch.testing.assert_close(head(features, views), plain(features))
    torch.testing.assert_close(head(features), plain(features))


def test_the_weights_of_a_view_are_added_by_hand() -> None:
    layer = ByView(2, 1, 2).eval()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
        layer.bias.fill_(3.0)
        layer.view_weight.copy_(torch.tensor([[[-2.0, 0.0], [0.0, 5.0]]]))
        layer.view_bias.copy_(torch.tensor([[10.0, 0.0]]))
    features = torch.tensor([[1.0, 1.0]] * 4)
    views = torch.tensor([[1.0, 0], [0, 1], [0, 0], [0.5, 0.5]])
    expected = torch.tensor([[14.0], [11.0], [6.0], [12.5]])
    torch.testing.assert_close(layer(features, views), expected)


@given(st.integers(0, 5), st.integers(0, 1000))
@examples(10)
def test_a_plain_layer_stands_for_each_view(view: int, seed: int) -> None:
    layer = filled(ByView(4, 3, 6), seed)
    features = torch.randn(2, 4, generator=torch.Generator().manual_seed(seed))
    row = torch.eye(6)[[view, view]]
    torch.testing.assert_close(layer.of_view(view)(features), layer(features, row))
    torch.testing.assert_close(layer.of_view(None)(features), layer(features))


def test_a_share_of_the_photos_is_trained_without_its_view() -> None:
    layer = filled(ByView(1, 1, 2)).train()
    views = torch.eye(2)[[0] * 4000]
    torch.manual_seed(0)
    found = layer(torch.ones(4000, 1), views)
    torch.manual_seed(0)
    assert torch.equal(found, layer(torch.ones(4000, 1), views))  # a resumed training draws alike
    shared = layer(torch.ones(1, 1))
    assert float((found == shared).float().mean()) == pytest.approx(DROPPED, abs=0.02)


def test_a_predictor_gives_each_photo_its_view() -> None:
    predictor = Predictor(network(), STEPS, CPU)
    seen = ["top", None, "side", "top", "unknown", "below"]
    found = predictor.probabilities(pixels(), range(6), batch_size=4, seen_from=seen)
    for view in ("top", "side", "below", None):
        plain = predictor.of_view(view)
        assert not isinstance(plain.network, Viewed)
        alone = plain.probabilities(pixels(), range(6))
        mine = [i for i, one in enumerate(seen) if (one if one in VIEWS else None) == view]
        np.testing.assert_allclose(found[mine], alone[mine], rtol=1e-5)
    assert not np.allclose(found, predictor.probabilities(pixels(), range(6)))


def test_the_members_of_an_ensemble_get_the_view() -> None:
    both = Predictor(Ensemble([network(0), network(1)]), STEPS, CPU)
    seen = ["top"] * 6
    found = both.probabilities(pixels(), range(6), seen_from=seen)
    each = [
        Predictor(network(seed), STEPS, CPU).probabilities(pixels(), range(6), seen_from=seen)
        for seed in (0, 1)
    ]
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-5)
    plain = both.of_view("top").probabilities(pixels(), range(6))
    np.testing.assert_allclose(found, plain, rtol=1e-5)
    assert isinstance(of_view(both.network, 0), Ensemble)


def test_the_graph_of_a_bundle_gives_the_same() -> None:
    views = FIXED_VIEWS["flips"]
    predictor = Predictor(network(), STEPS, CPU)
    graph = InferenceGraph(predictor.network, STEPS, views)
    seen = ["top", None, "side", "top", "below", "below"]

    def run(*inputs: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [each.numpy() for each in graph(*map(torch.from_numpy, inputs))]

    found = give(run, STEPS.frame, pixels(), (one_hot(VIEWS, seen),))
    expected = predictor.probabilities(pixels(), range(6), views=views, seen_from=seen)
    np.testing.assert_allclose(probabilities_of(found.logits), expected, rtol=1e-5)
    unknown = give(run, STEPS.frame, pixels())
    np.testing.assert_array_equal(unknown.features, found.features)


def drawn(n: int = 400, *, opposite: bool = True) -> tuple[Any, ...]:
    """Features, views and labels: the first feature tells the class, in view 1 the other way."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    view = rng.integers(0, 2, n)
    features = rng.normal(size=(n, 3)).astype(np.float32)
    sign = np.where(view == 1, -1, 1) if opposite else 1
    features[:, 0] += 3 * (2 * labels - 1) * sign
    views = np.eye(2, dtype=np.float32)[view]
    return features * 10 + 5, views, labels, [str(i) for i in range(n)]


def logits_of(layer: ByView, features: np.ndarray, views: np.ndarray | None) -> np.ndarray:
    inputs = [features] if views is None else [features, views]
    with torch.inference_mode():
        return np.asarray(layer(*map(torch.from_numpy, inputs)).numpy())


def test_a_probe_learns_what_a_feature_means_in_each_view() -> None:
    features, views, labels, parts = drawn()
    probe = fit_view_probe([features], views, labels, parts, seed=1)
    layer = ByView(3, 2, 2).eval()
    probe.fill(layer)
    found = logits_of(layer, features, views)
    assert (found.argmax(axis=1) == labels).mean() > 0.95
    unknown = logits_of(layer, features, None)  # the feature says nothing without the view
    assert np.abs(unknown[:, 1] - unknown[:, 0]).max() < 2
    without = fit_probe([features], labels, parts, seed=1)
    plain = features @ without.weight.T + without.bias
    assert (plain.argmax(axis=1) == labels).mean() < 0.7


def test_a_probe_of_views_that_are_alike_is_the_same_in_all() -> None:
    features, views, labels, parts = drawn(opposite=False)
    probe = fit_view_probe([features, features], views, labels, parts, seed=1)
    layer = ByView(3, 2, 2).eval()
    probe.fill(layer)
    for seen in (views, views[:, ::-1].copy(), None):
        assert (logits_of(layer, features, seen).argmax(axis=1) == labels).mean() > 0.95


def test_the_unit_of_a_feature_does_not_matter_to_a_probe() -> None:
    features, views, labels, parts = drawn()
    layers = []
    for scale, shift in ((1.0, 0.0), (7.0, 100.0)):
        layer = ByView(3, 2, 2).eval()
        changed = (features * scale + shift).astype(np.float32)
        fit_view_probe([changed], views, labels, parts, seed=1).fill(layer)
        layers.append(logits_of(layer, changed, views))
    np.testing.assert_allclose(*layers, atol=0.02)


def test_the_state_of_a_network_is_that_without_views_and_two_more() -> None:
    plain: Any = build_network(
        ModelSpec("tiny", ("a", "b", "ok"), ("ok",), STEPS.of_photos(), "linear"),
        tiny_backbone(0),
        CPU,
    )
    more = network().state_dict().keys() - plain.state_dict().keys()
    assert more == {"1.2.view_weight", "1.2.view_bias"}
    assert plain.state_dict().keys() < network().state_dict().keys()


def test_a_spec_keeps_its_views() -> None:
    spec = ModelSpec("tiny", ("a", "b"), ("a",), STEPS)
    assert ModelSpec.from_json(spec.as_json()) == spec
    older = spec.as_json()
    del older["preprocessing"]["view_input"]
    assert ModelSpec.from_json(older).preprocessing.view_input == ()
