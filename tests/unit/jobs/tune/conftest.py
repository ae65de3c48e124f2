"""Photos, settings and played trainings of a search."""

from functools import partial
from pathlib import Path

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.played import Played, play
from helpers.played_search import TRAINING, mistakes, start_search

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.jobs import tune as job
from fastdefect.jobs.tune import TuneReport


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty parts, two photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(40, 2), "part")


@pytest.fixture(scope="module")
def config(castings: Path) -> RunConfig:
    return resolve(
        {
            **{"data": castings, "image_size": 16, "arch": "mobilenet_v3_small"},
            **{"weights": "none", "device": "cpu", "workers": 0, "seed": 7, "epochs": 6},
        }
    )


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """What mattered is tested elsewhere, and takes seconds."""
    monkeypatch.setattr(job, "effects", partial(job.effects, draws=2))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return play(monkeypatch, wrong=mistakes, seconds=TRAINING)


@pytest.fixture(scope="module")
def searched(
    config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TuneReport, Played]:
    """A search of twelve trials, and what was played for it. Its run is not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "effects", partial(job.effects, draws=2))
        played = play(patch, wrong=mistakes, seconds=TRAINING)
        return start_search(config, tmp_path_factory.mktemp("whole")), played


@pytest.fixture(scope="module")
def whole(searched: tuple[TuneReport, Played]) -> TuneReport:
    return searched[0]
