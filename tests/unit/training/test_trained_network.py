"""The network of a finished run as the start of another."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.errors import ModelError
from fastdefect.run import Run
from fastdefect.training.backbones import build_backbone, contiguous_state
from fastdefect.training.baseline import SMALL_CNN
from fastdefect.training.ensemble import joined_state
from fastdefect.training.head import Head, build_head
from fastdefect.training.learner import ModelSpec, build_network
from fastdefect.training.trained_network import trained_network
from fastdefect.training.view_head import by_view

SIZE = 32
STEPS = Preprocessing(SIZE, "squish", (0.5,) * 3, (0.5,) * 3)


def run_of(
    folder: Path,
    *,
    head: Head = "linear",
    members: int = 1,
    classes: tuple[str, ...] = ("a", "b"),
    views: tuple[str, ...] = (),
) -> tuple[Path, nn.Module]:
    """A run's folder with a network of random weights."""
    folder.mkdir()
    torch.manual_seed(3)
    backbone, _ = build_backbone(SMALL_CNN, "none", SIZE)
    one = ModelSpec(SMALL_CNN, classes, (), replace(STEPS, view_input=views), head)
    network = build_network(one, backbone, torch.device("cpu"))
    states = [contiguous_state(network)] * members
    save_file({k: v.clone() for k, v in joined_state(states).items()}, folder / "model.safetensors")
    Run(folder).write("model.json", {**one.as_json(), "members": members})
    return folder, network


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


@pytest.mark.parametrize(
    ("head", "members"), [("linear", 1), ("mlp", 1), ("linear", 3), ("stages", 1)]
)
def test_the_weights_of_a_run_fill_the_body(tmp_path: Path, head: Head, members: int) -> None:
    folder, network = run_of(tmp_path / "run", head=head, members=members)
    torch.manual_seed(4)
    for given in (folder, folder / "model.safetensors"):
        backbone, loaded = build_backbone(SMALL_CNN, str(given), SIZE)
        body = network[0][0].body if head == "stages" else network[0][0]  # type: ignore[index]
        assert same(backbone.body, body)
        assert (loaded.pretrained, loaded.source, loaded.unmatched) == (True, "run", ())
        assert ("first of its 3 networks" in loaded.note) == (members == 3)


def test_another_network_is_refused(tmp_path: Path) -> None:
    folder, _ = run_of(tmp_path / "run")
    with pytest.raises(ModelError, match="is small-cnn, but --arch is resnet18") as caught:
        build_backbone("resnet18", str(folder), SIZE)
    assert "--arch small-cnn" in caught.value.hint


def test_a_run_without_weights_is_named(tmp_path: Path) -> None:
    folder, _ = run_of(tmp_path / "run")
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"The weights of the run .*run can't be read"):
        build_backbone(SMALL_CNN, str(folder), SIZE)


@pytest.mark.parametrize("other", ["auto", "none", "weights.safetensors"])
def test_other_weights_are_no_run(other: str) -> None:
    assert trained_network(other) is None


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_the_head_keeps_the_classes_that_both_have(tmp_path: Path, kind: Head) -> None:
    folder, network = run_of(tmp_path / "run", head=kind, classes=("a", "b", "gone"))
    earlier = trained_network(str(folder))
    assert earlier is not None
    torch.manual_seed(9)
    head = build_head(128, 3, spatial=True, kind=kind)
    fresh = head[-1].weight.detach().clone()  # type: ignore[union-attr, operator]
    assert earlier.fill_head(head, ("a", "added", "b")) == ("a", "b")
    now, then = head[-1], network[1][-1]  # type: ignore[index]
    assert torch.equal(now.weight[[0, 2]], then.weight[[0, 1]])  # type: ignore[index]
    assert torch.equal(now.bias[[0, 2]], then.bias[[0, 1]])  # type: ignore[index]
    assert torch.equal(now.weight[1], fresh[1])  # type: ignore[index]
    hidden = [k for k in head.state_dict() if not k.startswith(f"{len(head) - 1}.")]
    for key in hidden:
        assert torch.equal(head.state_dict()[key], network[1].state_dict()[key])  # type: ignore[index]


def test_a_head_keeps_the_weights_of_the_views_that_both_have(tmp_path: Path) -> None:
    folder, network = run_of(tmp_path / "run", views=("side", "top"))
    then = network[1][-1]  # type: ignore[index]
    with torch.no_grad():
        then.view_weight.normal_()
    save_file(contiguous_state(network), folder / "model.safetensors")
    head = by_view(build_head(128, 3, spatial=True, kind="linear"), 3)
    earlier = trained_network(str(folder))
    assert earlier is not None
    assert earlier.view_input == ("side", "top")
    assert earlier.fill_head(head, ("a", "added", "b"), ("below", "other", "top")) == ("a", "b")
    now = head[-1]
    assert torch.equal(now.weight[[0, 2]], then.weight)  # type: ignore[index]
    assert torch.equal(now.view_weight[[0, 2], 2], then.view_weight[:, 1])  # type: ignore[index]
    assert not now.view_weight[:, :2].any()  # type: ignore[index]
    assert not now.view_weight[1].any()  # type: ignore[index]
    plain = build_head(128, 2, spatial=True, kind="linear")
    assert earlier.fill_head(plain, ("a", "b")) == ("a", "b")
    assert torch.equal(plain[-1].weight, then.weight)  # type: ignore[arg-type]
