"""Which networks an ensemble trains, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.errors import RunError, UsageError
from fastdefect.events import silent
from fastdefect.jobs import ablate, ensemble, learning_curve, quick_test
from fastdefect.jobs.series.photos import SeriesPhotos
from fastdefect.jobs.series.series import seeds_from
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.run import RunKind
from fastdefect.run_registry import create_run

LAST = 2**32 - 1


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """Three networks on ten parts, from the last seed that there is."""
    data = photo_folder(tmp_path_factory.mktemp("photos"), castings_of(10, 2), "part")
    flags = {"data": data, "arch": "small-cnn", "weights": "none", "image_size": 16}
    return resolve({**flags, "members": 3, "seed": LAST, "device": "cpu"})


def test_each_network_has_a_seed_of_its_own_and_the_split_of_the_run(config: RunConfig) -> None:
    members = ensemble.members_of(config)
    assert [member.name for member in members] == ["member-1", "member-2", "member-3"]
    assert [member.config.training.seed for member in members] == [LAST, 0, 1]
    assert {member.config.training.members for member in members} == {1}
    assert {member.split_seed for member in members} == {LAST}
    photos = SeriesPhotos.read(config, silent)
    photos.check(members)
    assert [photos.split_of(member) for member in members] == [photos.base] * 3


def test_seeds_continue_at_0_after_the_last() -> None:
    assert seeds_from(5, 3) == [5, 6, 7]
    assert seeds_from(LAST, 2) == [LAST, 0]


def _start(job: Callable[..., Any], config: RunConfig, runs: Path, **more: Any) -> Any:
    return job(config, NewRun(runs, "x", "fit"), on_event=silent, **more)


def test_folds_of_ensembles_are_refused(config: RunConfig, tmp_path: Path) -> None:
    both = resolve({"data": config.data.data, "members": 2, "folds": 3})
    with pytest.raises(UsageError, match="--members 2 and --folds 3 exclude each other"):
        _start(ensemble.start, both, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("job", "more"),
    [
        (quick_test.start, {}),
        (ablate.start, {"plan": "ladder", "seeds": 1, "budget_minutes": None}),
        (learning_curve.start, {"points": 3, "repeats": 1, "budget_minutes": None}),
    ],
)
def test_a_series_compares_single_networks(
    job: Callable[..., Any], more: dict[str, Any], config: RunConfig, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--members 3: this command trains single networks"):
        _start(job, config, tmp_path, **more)
    assert not list(tmp_path.iterdir())


def test_another_run_is_no_ensemble(config: RunConfig, tmp_path: Path) -> None:
    run = create_run(tmp_path, "one", config, "fit", kind=RunKind.TRAINING)
    with pytest.raises(RunError, match="kind ensemble, but .* kind training"):
        ensemble.resume(run, on_event=silent)
