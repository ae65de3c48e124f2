"""Mutated tables, settings, annotations, weights, runs and bundles: read, or rejected in words.

``benchmarks/hostile.py files`` reads ten thousand of them, under limits of memory and time.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers.examples import examples
from helpers.hostile_files import checkpoint_bytes, hostile_file, sound_files, sound_run
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from fastdefect.config_resolve import resolve, resolve_kept
from fastdefect.errors import FastdefectError, ModelError, RunError, UsageError
from fastdefect.events import silent
from fastdefect.jobs.trained.model import load_network
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import _unreadable_then
from fastdefect.jobs.trained.scorer import run_scorer
from fastdefect.run import Run
from fastdefect.run_files import read_file
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.learner import ModelSpec

# The same examples each time: benchmarks/hostile.py searches on, with another --seed.
_SHARED: Any = {
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}


@pytest.mark.parametrize("kind", sound_files())
def test_each_sound_file_is_read(kind: str, tmp_path: Path) -> None:
    sound_files()[kind](tmp_path)


def _read(number: int, folder: Path) -> None:
    kind, _, read = hostile_file(11, number)
    place = folder / str(number)
    place.mkdir(exist_ok=True)
    with suppress(FastdefectError):
        read(place)


@examples(120, **_SHARED)
@given(number=st.integers(0, 10**9))
def test_a_mutated_file_is_read_or_rejected(
    number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _read(number, tmp_path_factory.mktemp("file"))


@pytest.mark.slow
@examples(1500, **_SHARED)
@given(number=st.integers(0, 10**9))
def test_many_mutated_files(number: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    _read(number, tmp_path_factory.mktemp("file"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(sound_run(), tmp_path / "run")))


def test_the_weights_of_a_run_that_are_damaged(run: Run) -> None:
    path = run.path("model.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match="model.safetensors can't be read"):
        run_scorer(run, Request(device="cpu"), silent)


def test_the_weights_of_another_network(run: Run) -> None:
    content = run.read("model.json")
    run.write("model.json", {**content, "classes": ["a", "ng", "ok"]})
    with pytest.raises(RunError, match=r"not those of the network in model.json: .*size mismatch"):
        load_network(run, "cpu")


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("arch", ["x"], "arch: input should be a valid string"),
        ("classes", "ok", "classes: input should be a valid tuple"),
        ("classes", ["ok", "ok"], "classes: no training writes such values"),
        ("good", "other", "good: no training"),
        ("members", 10**9, "members: no training"),
        ("members", {}, "members: input should be a valid integer"),
        ("head", "x", "head: input should be 'linear'"),
        ("white", float("nan"), "mean, std and white: no training"),
        ("preprocessing", [1], "preprocessing"),
        ("preprocessing", {"image_size": 10**9, "resize": "pad", "mean": [0] * 3, "std": [1] * 3},
         "image_size: no training"),
        ("preprocessing", {"image_size": 32, "resize": "pad", "mean": [0] * 3, "std": [0] * 3},
         "mean and std: no training"),
    ],
)  # fmt: skip
def test_a_model_that_no_training_writes(key: str, value: object, what: str) -> None:
    content = json.loads((sound_run() / "model.json").read_text())
    with pytest.raises(ModelError) as caught:
        ModelSpec.from_json({**content, key: value})
    assert what in caught.value.message


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_json_without_an_end_of_its_depth(text: str, run: Run) -> None:
    run.path("run.json").write_text(text)
    with pytest.raises(RunError, match=r"run.json can't be read"):
        read_file(run.folder, "run.json")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 100_000, "[training]\nepochs = " + "9" * 5000, "\udcff"]
)
def test_settings_that_the_parser_of_toml_fails_on(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    for read in (lambda: resolve({}, file), lambda: resolve_kept(file)):
        with pytest.raises(UsageError, match="is not a TOML file"):
            read()


@pytest.mark.parametrize(
    "change",
    [{"position": "x"}, {"position": "[]"}, {"position": '{"epoch": "1"}'}, {"history": "[1]"},
     {"optimizer_groups": "{"}],
)  # fmt: skip
def test_a_checkpoint_with_a_damaged_header(change: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    file.write_bytes(checkpoint_bytes(**change))
    with pytest.raises(RunError, match="is a damaged checkpoint"):
        load_checkpoint(file)


def test_findings_of_another_shape(run: Run) -> None:
    run.path("findings.json").write_text('[["unreadable"]]')
    with pytest.raises(RunError, match=r"findings.json is damaged"):
        _unreadable_then(run)


def test_a_message_of_a_damaged_file_is_cut() -> None:
    error = FastdefectError("x" * 100_000)
    assert len(error.message) < 3100
    assert error.message.endswith("(100,000 characters)")
