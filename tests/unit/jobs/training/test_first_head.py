"""The head with which a training begins."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from fastdefect.config_resolve import override, resolve
from fastdefect.events import OnEvent, silent
from fastdefect.jobs.training import first_head
from fastdefect.jobs.training.assemble import assemble
from fastdefect.training import head_probe


def _first_weights(photos: Path, log: OnEvent = silent) -> Tensor:
    """The weights (2, n_features) of the linear head before the first step."""
    settings = {"arch": "efficientnet-lite0", "image_size": 32, "recipe": "plain", "epochs": 1}
    job = assemble(resolve({"data": photos, "precision": "fp32", **settings}), log)
    return job.learn.model[1][-1].weight.detach().clone()


def test_many_photos_begin_with_small_evidence_of_the_same_kind(
    castings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_probe, "FIRST_LOGITS", 1e-4)
    of_probe = _first_weights(castings)
    monkeypatch.setattr(first_head, "FEW_PHOTOS", 1)
    told: list[object] = []
    small = _first_weights(castings, told.append)
    assert "begins as a linear classifier on frozen features, with small logits" in str(told)
    assert small.norm() < 0.1 * of_probe.norm()
    torch.testing.assert_close(small / small.norm(), of_probe / of_probe.norm())


def test_the_figures_of_the_probe_are_the_floor_of_the_training(castings: Path) -> None:
    told: list[object] = []
    config = resolve(
        {
            "data": castings,
            "precision": "fp32",
            "arch": "efficientnet-lite0",
            "image_size": 32,
            "recipe": "plain",
            "epochs": 1,
        }
    )
    floor = assemble(config, told.append).floor
    assert floor is not None
    assert f"AUC {floor.auc:.3f}, accuracy {floor.accuracy:.1%} over folds" in str(told)
    of_mlp = override(config, {"head": "mlp"})  # begins with random weights
    assert assemble(of_mlp, silent).floor is None
