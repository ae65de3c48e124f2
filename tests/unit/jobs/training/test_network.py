"""Which network ``--arch auto`` becomes, what is told of it, and that it is asked for once."""

from typing import Any

import pytest

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.events import Event, Note
from fastdefect.jobs.training import network
from fastdefect.jobs.training.network import build_network
from fastdefect.training.backbones import LoadedWeights
from fastdefect.training.weights import INSTALL_PACKAGE

LITE = "efficientnet-lite0"
HAD = LoadedWeights("auto", True, 9, note="ImageNet weights")
NOT_HAD = LoadedWeights("auto", False, note="none", lacking="not in the cache, and so on")
NONE = LoadedWeights("none", False, note="random weights, as asked for")


def _settle(
    monkeypatch: pytest.MonkeyPatch, of: dict[str, LoadedWeights], **flags: Any
) -> tuple[RunConfig, Any, LoadedWeights, list[tuple[str, str]], list[str]]:
    """The config, the network and its weights; what was told and warned, and what was built."""
    asked: list[str] = []
    told: list[Event] = []

    def build(arch: str, weights: str, size: int) -> tuple[Any, LoadedWeights]:
        asked.append(arch)
        return f"a {arch}", of[arch]

    monkeypatch.setattr(network, "build_backbone", build)
    config, backbone, loaded = build_network(resolve(flags), told.append)
    notes = [(event.level, event.text) for event in told if isinstance(event, Note)]
    return config, backbone, loaded, notes, asked


def test_it_is_the_missions_network_where_its_weights_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, backbone, loaded, notes, asked = _settle(monkeypatch, {"resnet50": HAD})
    assert (config.model.arch, config.model.weights) == ("resnet50", "auto")
    assert (backbone, loaded, notes, asked) == ("a resnet50", HAD, [], ["resnet50"])


def test_else_it_is_the_packaged_one_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    of = {"resnet50": NOT_HAD, LITE: HAD}
    config, backbone, loaded, notes, asked = _settle(monkeypatch, of)
    assert config == resolve({"arch": LITE})
    assert "arch" not in config.given
    assert (backbone, loaded, asked) == (f"a {LITE}", HAD, ["resnet50", LITE])
    ((level, text),) = notes
    assert level == "info"
    for said in (LITE, NOT_HAD.lacking, "run once online", "--weights FILE"):
        assert said in text


def test_without_either_it_is_the_missions_from_random_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = {"resnet50": NOT_HAD, LITE: LoadedWeights("auto", False, lacking="not installed")}
    config, backbone, loaded, notes, asked = _settle(monkeypatch, of)
    assert (config.model.arch, backbone, loaded) == ("resnet50", "a resnet50", NOT_HAD)
    assert asked == ["resnet50", LITE]  # one try to download, no more
    ((level, text),) = notes
    assert level == "warning"
    assert INSTALL_PACKAGE in text


@pytest.mark.parametrize(
    ("flags", "loaded"),
    [
        ({"arch": "resnet50"}, NOT_HAD),
        ({"recipe": "legacy"}, NOT_HAD),
        ({"weights": "none"}, NONE),
        ({"weights": "some.safetensors"}, HAD),
    ],
)
def test_a_given_network_is_used(
    flags: dict[str, Any], loaded: LoadedWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, _, found, notes, asked = _settle(monkeypatch, {"resnet50": loaded}, **flags)
    assert (config.model.arch, found, notes, asked) == ("resnet50", loaded, [], ["resnet50"])
