"""One training of ``plain.py``: run in a separate process, timed, kept and scored.

A training is a folder under WORK/trainings. Its name contains a hash of the settings, so that a
finished training is neither repeated nor scored again.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import plain_loop
import torch
from numpy.typing import NDArray
from plain_sets import Row, Sides, write_rows
from safetensors.torch import load_file

import fastdefect
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.data.store import PhotoStore
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES, generator
from fastdefect.evaluation.views import parse_views
from fastdefect.files import write_bytes, write_json
from fastdefect.jobs.trained.model import load_model, read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.run import Run

PLAIN = "plain"
NAMED_WEIGHTS = ("none", "auto")  # auto: those of the installed package
STRENGTHS = (
    *(("noise", 15.0), ("blur", 2.0), ("JPEG", 20.0), ("brightness", 0.7), ("brightness", 1.3)),
    *(("gamma", 0.7), ("gamma", 1.4)),
)

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
_Predict = Callable[[Pixels], Floats]


class TrainingFailed(Exception):  # noqa: N818 - it is what happened
    """The training command failed; the message is its output."""


@dataclass(frozen=True)
class Machine:
    """The conditions common to all trainings."""

    work: Path
    weights: str  # one of NAMED_WEIGHTS or a file
    device: str
    threads: int | None

    def environment(self) -> dict[str, str]:
        path = filter(None, [_PACKAGE, os.environ.get("PYTHONPATH")])
        own = {"PYTHONPATH": os.pathsep.join(path)}
        if self.threads is not None:
            names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
            own |= dict.fromkeys(names, str(self.threads))
        return {**os.environ, **own}


@dataclass(frozen=True)
class Training:
    """A training of the plain loop, or of ``fit`` with ``flags``, on the photos ``rest``.

    ``size`` is the number of photos drawn per class; None means all.
    """

    arm: str
    flags: tuple[str, ...]
    sides: Sides
    size: int | None
    rest: tuple[Row, ...]
    arch: str
    image_size: int
    epochs: int
    seed: int

    def settings(self, machine: Machine) -> dict[str, Any]:
        """Return all settings that affect the model and its predictions."""
        return {
            "arm": self.arm,
            "flags": list(self.flags),
            "set": self.sides.name,
            "good": self.sides.good,
            "rest": _digest([asdict(row) for row in self.rest]),
            "held_out": _digest([asdict(row) for row in self.sides.held_out]),
            "arch": self.arch,
            "weights": _hash_of(machine.weights),
            "image_size": self.image_size,
            "epochs": self.epochs,
            "seed": self.seed,
            "device": machine.device,
        }

    def folder(self, machine: Machine) -> Path:
        """Return the folder of the training."""
        size = "all" if self.size is None else self.size
        name = f"{self.sides.name}-{size}-{self.arm}-{self.epochs}e-seed{self.seed}"
        safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
        return machine.work / "trainings" / f"{safe}-{_digest(self.settings(machine))[:8]}"


@dataclass(frozen=True)
class Seconds:
    """The time of a command, and that of the plain loop's epochs in it; 0 for ``fit``."""

    total: float
    in_epochs: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The result of a training on the held-out photos.

    ``y_prob`` is (n, n_classes). ``flips`` (7, k) is whether each of ``STRENGTHS`` changed the
    decision on each of the k disturbed photos; None if no photos are disturbed. ``wall`` and
    ``cpu`` are the times of the command. ``program`` is a hash of the program's sources at the
    time of the training.
    """

    trained_on: int
    epochs: int
    wall: Seconds
    cpu: Seconds
    program: str
    y_prob: Floats
    flips: NDArray[np.bool_] | None


def outcome(
    training: Training, machine: Machine, stressed: Sequence[int], *, only_kept: bool
) -> Outcome | None:
    """Train and score, or read the kept result; None if ``only_kept`` and there is none.

    ``stressed`` holds the positions of the held-out photos to disturb. Raises
    ``TrainingFailed``.
    """
    folder = training.folder(machine)
    facts_file = folder / "training.json"
    scores = folder / "predictions.npz"
    flips = folder / f"flips-{_digest(list(stressed))[:8]}.npz"
    wanted = [scores, flips] if len(stressed) else [scores]
    missing = not all(file.exists() for file in [facts_file, *wanted])
    if missing and only_kept:
        return None
    if not facts_file.exists():
        _train(training, machine, folder)
    if missing:
        _score(training, machine, folder, scores, flips if len(stressed) else None, stressed)
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    with np.load(scores) as kept:
        y_prob = kept["y_prob"]
    changed = None
    if len(stressed):
        with np.load(flips) as kept:
            changed = kept["flips"]
    return Outcome(
        len(training.rest),
        training.epochs,
        Seconds(**facts["wall"]),
        Seconds(**facts["cpu"]),
        facts["program"],
        y_prob,
        changed,
    )


def _train(training: Training, machine: Machine, folder: Path) -> None:
    """Run the command; write ``training.json`` last, as the mark of a complete training."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = folder / "rest.csv"
    write_rows(data, training.rest)
    prepare = _plain_command if training.arm == PLAIN else _fit_command
    command = prepare(training, machine, folder, data)
    print(f"training {folder.name}", file=sys.stderr, flush=True)
    started, cpu_started = perf_counter(), _cpu_of_children()
    ended = subprocess.run(
        command, env=machine.environment(), capture_output=True, text=True, check=False
    )
    wall, cpu = perf_counter() - started, _cpu_of_children() - cpu_started
    if ended.returncode:
        output = (ended.stderr or ended.stdout).strip()
        raise TrainingFailed(f"{folder.name}: {output[-2000:]}")
    own = folder / "facts.json"
    loop = json.loads(own.read_text(encoding="utf-8"))["in_epochs"] if own.exists() else {}
    if training.arm != PLAIN:
        Run(folder / "run").forget_checkpoint()  # four times the model's size
    facts = {
        "wall": asdict(Seconds(wall, loop.get("wall", 0.0))),
        "cpu": asdict(Seconds(cpu, loop.get("cpu", 0.0))),
        "program": program(),
        "threads": machine.threads,
        "command": command,
        "settings": training.settings(machine),
    }
    write_json(folder / "training.json", facts)


def _cpu_of_children() -> float:
    """Return the CPU seconds of finished child processes; 0 on Windows."""
    times = os.times()
    return times.children_user + times.children_system


def _plain_command(training: Training, machine: Machine, folder: Path, data: Path) -> list[str]:
    settings = {
        "data": str(data),
        "arch": training.arch,
        "weights": machine.weights,
        "image_size": training.image_size,
        "epochs": training.epochs,
        "seed": training.seed,
        "device": machine.device,
        "model": str(folder / "model.safetensors"),
        "facts": str(folder / "facts.json"),
    }
    write_json(folder / "settings.json", settings)
    return [sys.executable, plain_loop.__file__, str(folder / "settings.json")]


def _fit_command(training: Training, machine: Machine, folder: Path, data: Path) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "fastdefect", "fit", str(data)),
        *("--good", training.sides.good or "none", "--parts", "csv"),
        *("--test", "0"),
        *("--arch", training.arch, "--weights", machine.weights, "--device", machine.device),
        *("--image-size", str(training.image_size), "--epochs", str(training.epochs)),
        *("--seed", str(training.seed), *training.flags),
        *("--runs", str(folder), "--name", "run", "--quiet"),
    ]


# ---- predictions of the held-out photos ----------------------------------------------------


def _score(
    training: Training,
    machine: Machine,
    folder: Path,
    scores: Path,
    flips: Path | None,
    stressed: Sequence[int],
) -> None:
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    load = _plain_model if training.arm == PLAIN else _run_model
    pixels, predict = load(training, machine, folder)
    y_prob = predict(pixels)
    _write_arrays(scores, y_prob=y_prob)
    if flips is not None:
        _write_arrays(flips, flips=_changed(pixels, predict, y_prob, stressed))


def _plain_model(training: Training, machine: Machine, folder: Path) -> tuple[Pixels, _Predict]:
    """Return the held-out photos as the plain loop reads them, and its prediction function."""
    device = plain_loop.device_of(machine.device)
    model = plain_loop.network(training.arch, len(training.sides.classes), "none", 0)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    model.to(device)
    paths = [row.path for row in training.sides.held_out]
    photos = plain_loop.read_squished(paths, training.image_size)

    def predict(pixels: Pixels) -> Floats:
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        return plain_loop.probabilities(model, batch, device).numpy()

    return photos.permute(0, 2, 3, 1).numpy(), predict


def _run_model(training: Training, machine: Machine, folder: Path) -> tuple[Pixels, _Predict]:
    """Return the held-out photos as the run reads them, and its prediction function."""
    run = Run(folder / "run")
    spec = read_spec(run)
    held_out = training.sides.held_out
    table = folder / "held-out.csv"
    write_rows(table, held_out)
    listing = list_photos(table, min_classes=1)
    steps = spec.preprocessing
    store = PhotoStore(len(listing.entries), steps.image_size, steps.resize, limit_mb=4096)
    manifest = read_photos(listing, good=spec.good, strict=True, on_photo=store.put)
    place = {str(photo.path): row for row, photo in enumerate(manifest.photos)}
    side = tuple(place[row.path] for row in held_out)
    parts = tuple(photo.part or "" for photo in manifest.photos)
    photos = EvaluationPhotos(manifest, store, side, "data", None, parts)
    model = load_model(run, photos, machine.device)  # type: ignore[arg-type]
    if spec.classes != training.sides.classes:
        raise TrainingFailed(
            f"{folder.name}: expected the classes {training.sides.classes}, found {spec.classes}."
        )
    views, _ = parse_views(spec.views)

    def predict(pixels: Pixels) -> Floats:
        return model.predict_pixels(pixels, range(len(pixels)), views)

    return store[np.asarray(photos.rows)], predict


def _changed(
    pixels: Pixels, predict: _Predict, y_prob: Floats, stressed: Sequence[int]
) -> NDArray[np.bool_]:
    """Return whether the most probable class changes (7, k)."""
    before = y_prob[np.asarray(stressed)].argmax(axis=1)
    rows = []
    for name, strength in STRENGTHS:
        disturbance = DISTURBANCES[name]
        index = disturbance.strengths.index(strength)
        disturbed = [
            disturbance.apply(pixels[place], strength, generator(0, name, index, place))
            for place in stressed
        ]
        rows.append(predict(np.stack(disturbed)).argmax(axis=1) != before)
    return np.stack(rows)


def _write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


# ---- hashes that identify a training -------------------------------------------------------

_PACKAGE = str(Path(fastdefect.__file__).parents[1])


@cache
def program() -> str:
    """Return a hash of the sources of fastdefect and of the plain loop."""
    sources = sorted(Path(fastdefect.__file__).parent.rglob("*.py"))
    found = hashlib.sha256()
    for source in [*sources, Path(plain_loop.__file__)]:
        found.update(source.read_bytes())
    return found.hexdigest()[:12]


@cache
def _hash_of(weights: str) -> str:
    if weights in NAMED_WEIGHTS:
        return weights
    return hashlib.sha256(Path(weights).read_bytes()).hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
