"""Networks for photos in tiles: pooling, empty tiles, gradients and views."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from helpers.nets import tiny_backbone
from torch import Tensor, nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.reading.frame import Frame
from fastdefect.evaluation.views import FIXED_VIEWS
from fastdefect.inference.outputs import give, probabilities_of
from fastdefect.training.ensemble import Ensemble
from fastdefect.training.inference_graph import InferenceGraph
from fastdefect.training.predict import Predictor
from fastdefect.training.tiled import Tiled, cut, pool

SIZE, TILES = 16, 5
STEPS = Preprocessing(SIZE, "squish", (0.4, 0.5, 0.6), (0.2, 0.2, 0.3), TILES)


def plain(classes: int = 3) -> nn.Sequential:
    body = tiny_backbone(0).body
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
    nn.init.normal_(head[2].weight, generator=torch.Generator().manual_seed(1))
    return nn.Sequential(nn.Sequential(body), head).eval()


def tiled(network: nn.Sequential, good: tuple[int, ...] = (0,)) -> Tiled:
    return Tiled(*network, SIZE, good).eval()


def photos(n: int = 4) -> Tensor:
    return torch.randn(n, 3, TILES * SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def test_one_tile_gives_the_probabilities_of_the_network_without_tiles() -> None:
    network, one = plain(), photos()[:, :, :SIZE]
    with torch.inference_mode():
        found = tiled(network)(one).softmax(dim=1)
        torch.testing.assert_close(found, network(one).softmax(dim=1))


def test_the_worst_tile_decides_by_hand() -> None:
    # Two photos of three tiles, classes good, crack, pore.
    logits = torch.tensor([[[2.0, 0, 0], [1, 3, 0], [0, 0, 1]], [[0, 0, 0], [5, 1, 1], [0, 9, 9]]])
    empty = torch.tensor([[False, False, False], [False, False, True]])
    expected = torch.tensor([[0.0, 2, 1], [0, 0, 0]])
    torch.testing.assert_close(pool(logits, empty, (0,)), expected)


def test_several_good_classes_are_told_apart_by_the_mean_of_the_tiles() -> None:
    logits = torch.tensor([[[3.0, 0, 0], [1, 0, 0]]])
    found = pool(logits, torch.zeros(1, 2, dtype=torch.bool), (0, 1))
    share = logits[..., :2].log_softmax(dim=-1)
    torch.testing.assert_close(found[0, :2], share.mean(dim=1)[0])
    assert found[0, 2] == pytest.approx(float(-logits[0, 1, :2].logsumexp(0)))


def test_empty_tiles_do_not_count_and_a_blank_photo_is_judged() -> None:
    network, given = tiled(plain()), photos()
    given[0, :, 2 * SIZE :] = 0.25  # of one colour
    with torch.inference_mode():
        short = network(given[:1, :, : 2 * SIZE])
        torch.testing.assert_close(network(given)[:1], short)
        blank = network(torch.full((1, 3, TILES * SIZE, SIZE), 0.5))
    assert torch.isfinite(blank).all()
    assert blank.abs().max() < 100


def test_the_gradient_of_a_training_is_that_of_all_tiles() -> None:
    network = tiled(plain(classes=2)).train()
    whole = deepcopy(network)
    given, labels = photos(), torch.tensor([0, 1, 1, 0])
    for norm in [m for n in (network, whole) for m in n.modules() if isinstance(m, nn.BatchNorm2d)]:
        norm.eval()
    nn.functional.cross_entropy(network(given), labels).backward()
    logits = nn.Sequential(*whole)(cut(given, SIZE)).reshape(4, TILES, 2)
    found = pool(logits, torch.zeros(4, TILES, dtype=torch.bool), (0,))
    nn.functional.cross_entropy(found, labels).backward()
    for one, other in zip(network.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("good", [(0,), (0, 1), ()])
def test_a_training_has_the_logits_of_an_evaluation(good: tuple[int, ...]) -> None:
    network = tiled(plain(), good)
    with torch.inference_mode():
        expected = network(photos())
    network.train()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eval()
    torch.testing.assert_close(network(photos()), expected)


def test_the_choice_of_tiles_changes_no_mode_and_no_statistics() -> None:
    network = tiled(plain()).train()
    norm = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    norm.eval()  # as ``FrozenStatistics`` does
    before = deepcopy(norm.state_dict())
    network(photos())
    assert network.training
    assert not norm.training
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())


def test_the_names_of_the_weights_are_those_without_tiles() -> None:
    network = plain()
    assert list(tiled(network).state_dict()) == list(network.state_dict())


def stacks() -> np.ndarray:
    rng = np.random.default_rng(0)
    found = rng.integers(0, 256, (3, TILES * SIZE, SIZE, 3), np.uint8)
    found[1, 3 * SIZE :] = 128
    return found


@pytest.mark.parametrize("views", ["none", "dihedral"])
def test_the_graph_of_a_bundle_gives_the_probabilities_of_the_predictor(views: str) -> None:
    network = tiled(plain())
    graph = InferenceGraph(network, STEPS, FIXED_VIEWS[views])
    with torch.inference_mode():
        logits, features, *of_tiles = graph(torch.from_numpy(stacks()))
    predictor = Predictor(network, STEPS, torch.device("cpu"))
    expected = predictor.probabilities(stacks(), range(3), views=FIXED_VIEWS[views])
    assert np.abs(probabilities_of(logits.numpy()) - expected).max() < 1e-6
    # The features are the mean over the tiles that are not empty.
    frame = Frame(SIZE, "squish", 3)
    steps = Preprocessing(SIZE, "squish", STEPS.mean, STEPS.std, 3)
    of_three = InferenceGraph(network, steps, FIXED_VIEWS["none"])
    with torch.inference_mode():
        _, others, *_ = of_three(torch.from_numpy(stacks()[1:2, : frame.shape[0]]))
    torch.testing.assert_close(features[1:2], others)
    # Each tile has the outputs of a photo of its own, in the order of the tiles in every view.
    with torch.inference_mode():
        for tile in range(TILES):
            alone = graph(torch.from_numpy(stacks()[:, tile * SIZE : (tile + 1) * SIZE]))
            for whole, one in zip(of_tiles, alone[2:], strict=True):
                torch.testing.assert_close(whole.select(-2, tile), one.select(-2, 0))


@pytest.mark.parametrize("views", ["none", "turns"])
def test_empty_tiles_are_left_out_and_change_nothing(views: str) -> None:
    members = [tiled(plain()), tiled(plain())]
    nn.init.normal_(members[1][1][2].weight, generator=torch.Generator().manual_seed(2))
    for network in (members[0], Ensemble(members).eval()):
        graph, seen = InferenceGraph(network, STEPS, FIXED_VIEWS[views]), []

        def run(pixels: np.ndarray, graph: nn.Module = graph, seen: list[int] = seen) -> list:
            seen.append(pixels.shape[1] // SIZE)
            with torch.inference_mode():
                return [each.numpy() for each in graph(torch.from_numpy(pixels))]

        found = give(run, STEPS.frame, stacks())
        assert seen == [TILES, 3, TILES]
        with torch.inference_mode():
            logits, features, tile_logits, tile_features = graph(torch.from_numpy(stacks()))
        np.testing.assert_allclose(found.logits, logits, atol=1e-5)
        np.testing.assert_allclose(found.features, features, atol=1e-5)
        assert found.tiles is not None
        assert found.tiles.counts.sum(axis=1).tolist() == [TILES, 3, TILES]
        expected = tile_logits.numpy() * found.tiles.counts[:, None, :, None]
        np.testing.assert_allclose(found.tiles.logits, expected, atol=1e-5)
        expected = tile_features.numpy() * found.tiles.counts[:, :, None]
        np.testing.assert_allclose(found.tiles.features, expected, atol=1e-5)


def test_a_turned_stack_is_a_stack_of_turned_tiles() -> None:
    network, given = tiled(plain()), photos()
    with torch.inference_mode():
        for view in FIXED_VIEWS["dihedral"]:
            cells = view(cut(given, SIZE)).reshape(4, TILES, 3, SIZE, SIZE)
            stack = cells.permute(0, 2, 1, 3, 4).reshape(4, 3, TILES * SIZE, SIZE)
            torch.testing.assert_close(network(view(given)), network(stack))


def test_a_bundle_takes_any_number_of_tiles_and_has_its_weights_once() -> None:
    import onnx
    import onnxruntime

    from fastdefect.inference.onnx_check import check_onnx
    from fastdefect.jobs.exporting.networks import onnx_file

    graph = InferenceGraph(tiled(plain()), STEPS, FIXED_VIEWS["turns"])
    content = onnx_file(graph)
    check_onnx(content, "the bundle")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for given in (stacks(), stacks()[:2, :SIZE]):
        with torch.inference_mode():
            expected = graph(torch.from_numpy(given))
        for one, other in zip(session.run(None, {"photos": given}), expected, strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
    weights = [t for t in onnx.load_from_string(content).graph.initializer if len(t.dims) == 4]
    convolutions = sum(isinstance(m, nn.Conv2d) for m in graph.network.modules())
    assert len([t for t in weights if t.dims[0] > 1]) <= convolutions
