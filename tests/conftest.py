"""Photos and runs that several tests share; each is made once a session."""

import os
import signal

# Before torch is imported by any test: results must not depend on a developer's settings.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# Test files run side by side, a process a core: networks this small gain nothing by more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main
import typer.testing
from helpers.cli import FitResult, run_fit
from helpers.examples import load_profiles
from helpers.plots import drawn_plots

load_profiles()

# A shell starts a command in the background with Ctrl-C ignored, and processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the properties, which CI tries with more examples than the default suite."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("property")


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads a developer's cache, or writes to it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTDEFECT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def commands_built_once() -> Iterator[None]:
    """The runner of Typer builds all commands with all their options at each call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def unflushed_files() -> Iterator[None]:
    """A test reads what it has written from memory; only a power cut needs the flush to disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """45 rendered photos of 15 parts, 64 px, with a labels.csv."""
    from fastdefect.sample.render import SampleSettings, render_sample

    folder = tmp_path_factory.mktemp("castings")
    render_sample(folder, SampleSettings(n=45, seed=5, size=64, difficulty=1))
    return folder


@pytest.fixture(scope="session")
def trained(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run of three epochs on ``castings``."""
    runs = tmp_path_factory.mktemp("runs")
    with drawn_plots():
        return run_fit(castings, runs, "--name", "three")
