"""The early layers of networks, and that they stay fixed in training."""

from pathlib import Path

import pytest
import torch
import torchvision
from fastai.learner import Learner
from helpers.learners import fit_made, made_data, made_learner, with_training
from torch import nn

from fastdefect.config_resolve import resolve
from fastdefect.run import Run
from fastdefect.run_registry import create_run
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.early_layers import FixedLayers, early_parameters

KERNELS = 4  # dimensions of a convolution's weight


def _names(arch: str, image_size: int = 64) -> set[str]:
    model = torchvision.models.get_model(arch, weights=None)
    of = {id(p): name for name, p in model.named_parameters()}
    return {of[id(p)] for p in early_parameters(model, image_size)}


def test_early_layers_of_a_resnet_end_before_the_second_stage() -> None:
    names = _names("resnet50")
    firsts = {name.split(".")[0] for name in names}
    assert firsts == {"conv1", "bn1", "layer1", "layer2"}
    assert {n for n in names if n.startswith("layer2")} == {
        f"layer2.0.{part}" for part in ("conv1.weight", "bn1.weight", "bn1.bias")
    }


def test_early_layers_of_a_mobilenet_are_its_first_blocks() -> None:
    blocks = {int(name.split(".")[1]) for name in _names("mobilenet_v2") if "features" in name}
    assert blocks == {0, 1, 2, 3, 4}
    assert "features.4.conv.1.0.weight" not in _names("mobilenet_v2")  # the one with the stride


@pytest.mark.parametrize("arch", [pytest.param("vit_b_32", marks=pytest.mark.slow), "alexnet"])
def test_networks_with_small_first_maps_have_no_early_layers(arch: str) -> None:
    assert _names(arch, 224) == set()


@pytest.mark.parametrize("freeze_epochs", [0, 1])
def test_they_stay_fixed_and_a_resumed_fit_is_the_same(freeze_epochs: int, tmp_path: Path) -> None:
    training, data = with_training(epochs=2, freeze_epochs=freeze_epochs), made_data()

    def learner() -> tuple[nn.Parameter, nn.Module, Learner]:
        learn = made_learner(data, training)
        first = next(p for p in learn.model.parameters() if p.ndim == KERNELS)
        learn.add_cb(FixedLayers((first,)))
        return first, learn.model, learn

    def run(name: str) -> Run:
        return create_run(tmp_path, name, resolve({}), "test")

    first, model, learn = learner()
    before = {name: value.clone() for name, value in model.named_parameters()}
    fit_made(learn, data, training, run("whole"))
    moved = {n for n, value in model.named_parameters() if not torch.equal(value, before[n])}
    assert {n for n in before if n not in moved} == {
        n for n, value in model.named_parameters() if value is first
    }
    assert len(moved) > 1

    calls = iter(range(100))
    _, _, stopped = learner()
    broken = run("broken")
    fit_made(stopped, data, training, broken, stop=lambda: next(calls) == 5)
    _, resumed, again = learner()
    fit_made(
        again,
        data,
        training,
        broken,
        checkpoint=load_checkpoint(broken.path("checkpoint.safetensors")),
    )
    for one, other in zip(model.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
