"""The commands that ``kill.py`` interrupts: how each begins, goes on, and what it leaves."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kill_process import Place, run
from safetensors.numpy import load_file

from fastdefect.files import read_csv
from fastdefect.inference.bundle import CARD

TINY = (
    "--arch small-cnn --weights none --image-size 32 --batch-size 8 --device cpu --workers 0 "
    "--seed 7 --test 0 --valid 0.3 --recipe plain"
).split()

Facts = dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """What the commands work on: photos with labels, many photos without, and a trained run."""

    data: Path
    many: Path
    run: Path


@dataclass(frozen=True)
class Command:
    """``begin`` and ``go_on`` give the arguments in a place; None: there is nothing to go on with.

    ``facts`` is what must be the same after an interruption, by the name of a file.
    """

    name: str
    begin: Callable[[Inputs, Place], list[str]]
    go_on: Callable[[Inputs, Place], list[str] | None]
    facts: Callable[[Place], Facts]


def commands() -> dict[str, Command]:
    """All commands, by name. ``serve`` is in ``kill_serve.py``, as it needs clients."""
    return {
        each.name: each
        for each in (
            _training("fit", "fit", "--epochs", "3", "--final", "none", "--views", "none"),
            _training("folds", "fit", "--epochs", "2", "--folds", "2"),
            _training("ablate", "ablate", "--epochs", "1", "--seeds", "1"),
            Command("predict", _predict, _predict_on, _predicted),
            Command("export", _export, _export_on, _exported),
        )
    }


# ---- trainings ---------------------------------------------------------------------------


def _training(name: str, command: str, *options: str) -> Command:
    def begin(inputs: Inputs, place: Place) -> list[str]:
        runs = ["--runs", str(place.folder / "out"), "--name", "run"]
        return [command, str(inputs.data), *runs, *TINY, *options]

    def go_on(inputs: Inputs, place: Place) -> list[str] | None:
        state = place.folder / "out" / "run" / "run.json"
        if not state.exists():
            return None
        series = command == "ablate"
        if series and "plan" not in json.loads(state.read_text(encoding="utf-8")):
            return None  # its message says to start again
        return [command, "--resume", str(state.parent)]

    return Command(name, begin, go_on, lambda place: facts_of_run(place.folder / "out"))


def facts_of_run(runs: Path) -> Facts:
    """All files below ``runs`` with what must not change: weights, histories, rows, figures."""
    return {
        path.relative_to(runs).as_posix(): _content(path)
        for path in sorted(runs.rglob("*"))
        if path.is_file() and not path.is_relative_to(runs / "latest")
    }


def _content(path: Path) -> Any:
    """The content without what depends on the time; None for logs, pictures and states."""
    if path.suffix == ".safetensors":
        tensors = sorted(load_file(path).items())
        return hashlib.sha256(b"".join(k.encode() + v.tobytes() for k, v in tensors)).hexdigest()
    if path.suffix == ".csv":
        return [_timeless(row) for row in read_csv(path)]
    timed = ("run.json", "environment.json", "findings.json", "recipe.json")
    if path.suffix == ".json" and path.name not in timed:
        return _timeless(json.loads(path.read_text(encoding="utf-8")))
    return None


def _timeless(value: Any) -> Any:
    timed = ("seconds", "milliseconds", "seconds_left")
    if isinstance(value, Mapping):
        return {key: _timeless(each) for key, each in value.items() if key not in timed}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


# ---- predictions -------------------------------------------------------------------------


def _copied_run(inputs: Inputs, place: Place) -> Path:
    """The trained run, which these commands write to, too."""
    own = place.folder / "run"
    if not own.exists():
        shutil.copytree(inputs.run, own)
    return own


def _predict(inputs: Inputs, place: Place) -> list[str]:
    (place.folder / "out").mkdir(exist_ok=True)
    out = place.folder / "out" / "rows.csv"
    own = _copied_run(inputs, place)
    return ["predict", str(own), str(inputs.many), "--out", str(out), "--device", "cpu"]


def _predict_on(inputs: Inputs, place: Place) -> list[str] | None:
    out = place.folder / "out" / "rows.csv"
    begun = out.with_name("rows.csv.part").exists()
    if out.exists() and not begun:
        return ["--version"]  # nothing is left to do
    return [*_predict(inputs, place), "--resume"] if begun else None


def _predicted(place: Place) -> Facts:
    return facts_of_run(place.folder / "out") | facts_of_run(place.folder / "run")


# ---- exports -----------------------------------------------------------------------------


def _export(inputs: Inputs, place: Place) -> list[str]:
    (place.folder / "out").mkdir(exist_ok=True)
    own = _copied_run(inputs, place)
    return ["export", str(own), "--out", str(place.folder / "out" / "model.fdb")]


def _export_on(inputs: Inputs, place: Place) -> list[str] | None:
    return None


def _exported(place: Place) -> Facts:
    facts = _predicted(place)
    with zipfile.ZipFile(place.folder / "out" / "model.fdb") as bundle:
        for name in bundle.namelist():
            facts[f"model.fdb/{name}"] = hashlib.sha256(bundle.read(name)).hexdigest()
        card = json.loads(bundle.read(CARD))
    for name in ("check", "created"):  # with speeds and the time
        del card[name]
    facts[f"model.fdb/{CARD}"] = _timeless(card)
    return facts


# ---- inputs ------------------------------------------------------------------------------


def make_inputs(folder: Path) -> Inputs:
    """Render the photos and train the run in ``folder``, unless they are there."""
    from fastdefect.sample.render import SampleSettings, render_sample

    data, many = folder / "data", folder / "many"
    if not data.exists():
        render_sample(data, SampleSettings(n=36, seed=5, size=32, difficulty=1))
    if not many.exists():
        for number in range(8):
            shutil.copytree(data / "photos", many / str(number))
    place = Place(folder / "trained").make()
    command = commands()["fit"]
    trained = Inputs(data, many, place.folder / "out" / "run")
    if not (place.folder / "done").exists():
        if run(command.begin(trained, place), place) != 0:
            raise RuntimeError(place.said.read_text(encoding="utf-8"))
        (place.folder / "done").touch()
    return trained
