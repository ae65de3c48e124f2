"""Photos, settings and played trainings of an ablation."""

from pathlib import Path

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.played import Played
from helpers.played_ablation import play_ablation, three_steps

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.jobs import ablate as job


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty parts, two photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(30, 2), "part")


@pytest.fixture(scope="module")
def config(castings: Path) -> RunConfig:
    return resolve(
        {
            **{"data": castings, "image_size": 16, "arch": "mobilenet_v3_small", "weights": "none"},
            **{"device": "cpu", "workers": 0, "seed": 7, "epochs": 8, "patience": 3, "valid": 0.2},
        }
    )


@pytest.fixture
def asked() -> list[tuple[str, str, str]]:
    """Run, views and device of each prediction that was made."""
    return []


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, str, str]]) -> Played:
    """Trainings whose mistakes fall with every rung; views get two photos more right."""
    return play_ablation(monkeypatch, asked)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "plan_steps", three_steps)
