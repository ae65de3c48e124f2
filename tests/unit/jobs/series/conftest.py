"""Photos and settings of a series, and its played trainings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.played import built_once
from helpers.played_series import Played

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.jobs.series import budget as series_budget
from fastdefect.jobs.series import members as series_members
from fastdefect.jobs.series import series
from fastdefect.jobs.series.photos import SeriesPhotos


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    fake = Played()
    for name in ("assemble", "begin", "reassemble", "go_on"):
        monkeypatch.setattr(series_members, name, getattr(fake, name))
    for module in (series_members, series_budget):
        monkeypatch.setattr(module, "monotonic", lambda: fake.now)
    monkeypatch.setattr(series, "build_backbone", built_once)
    return fake


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen parts, three photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(16, 3), "part")


@pytest.fixture(scope="module")
def config(castings: Path) -> RunConfig:
    return resolve(
        {
            **{"data": castings, "image_size": 16, "arch": "mobilenet_v3_small"},
            **{"weights": "none", "device": "cpu", "workers": 0, "seed": 7, "epochs": 2},
        }
    )


@pytest.fixture(scope="module")
def photos(config: RunConfig) -> SeriesPhotos:
    return SeriesPhotos.read(config, lambda event: None)
