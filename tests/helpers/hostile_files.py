"""Damaged tables, settings, annotations, weights, checkpoints, run folders and bundles.

Each is read as the commands read it. A reader may raise a ``FastdefectError``, and nothing else.
"""

import io
import json
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save, save_file

from fastdefect.config_resolve import resolve, resolve_kept, to_toml
from fastdefect.data.reading.manifest import list_photos
from fastdefect.errors import FastdefectError
from fastdefect.events import silent
from fastdefect.inference.bundle import CARD, ONNX
from fastdefect.inference.inspector import Inspector
from fastdefect.jobs.drifting.day_file import read_day
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.scorer import run_scorer
from fastdefect.run import Run
from fastdefect.run_registry import create_run, list_runs
from fastdefect.training.backbones import build_backbone
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.learner import ModelSpec, build_network
from fastdefect.training.weights import read_safetensors
from helpers.bundles import photo_of, tiny_bundle, tiny_network, tiny_reference
from helpers.encode import encode, picture
from helpers.mutations import mutated
from helpers.photos import PREPROCESSING
from helpers.text_mutations import mutated_json, mutated_tensors, mutated_text

Read = Callable[[Path], None]


@cache
def _photo() -> bytes:
    return encode(picture(), "PNG")


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _photos_in(folder: Path) -> None:
    for name in ("a.png", "b.png", "c/d.png", "ü.png"):
        _write(folder / name, _photo())


_TABLE = (
    "path,label,part,split,defect,x,y,w,h,view\na.png,ok,1,train,,,,,,top\n"
    "b.png,ng,2,valid,scratch,1,2,10,12,top\nc/d.png,ng,3,test,dent,5,5,5,5,side\nü.png,ok,4,,,,,,,\n"
).encode()
_DETECTIONS = json.dumps(
    {
        "images": [
            {"id": n, "file_name": name, "width": 60, "height": 40}
            for n, name in enumerate(("a.png", "b.png", "c/d.png", "ü.png"))
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 10, 12], "area": 120},
            {"id": 2, "image_id": 2, "category_id": 4, "bbox": [0.5, 2, 60, 12.25], "area": 700},
        ],
        "categories": [{"id": 3, "name": "scratch"}, {"id": 4, "name": "dent"}],
    }
).encode()
_YOLO = b"path: .\ntrain: images/train\nval: images/val\nnames:\n  0: scratch\n  1: dent\n"
_LABELS = b"0 0.5 0.5 0.25 0.125\n1 0.25 0.75 0.1 0.1\n"
_DAY = (
    b"path,decision,p_defective,label,part,unlike,distance,error,model\n"
    b"a.png,OK,0.1,ok,1,false,0.25,,abcdef\nb.png,reject,0.9,ng,2,true,0.75,,abcdef\n"
)


def _table(data: bytes) -> Read:
    def read(folder: Path) -> None:
        _photos_in(folder)
        list_photos(_write(folder / "photos.csv", data), min_classes=1)

    return read


def _detections(data: bytes) -> Read:
    def read(folder: Path) -> None:
        _photos_in(folder)
        _write(folder / "annotations.json", data)
        list_photos(folder, min_classes=1)

    return read


def _yolo(settings: bytes, labels: bytes) -> Read:
    def read(folder: Path) -> None:
        for name in ("train/a", "train/b", "val/c"):
            _write(folder / f"images/{name}.png", _photo())
            _write(folder / f"labels/{name}.txt", labels)
        _write(folder / "data.yaml", settings)
        list_photos(folder, min_classes=1)

    return read


def _zip(data: bytes) -> Read:
    def read(folder: Path) -> None:
        list_photos(_write(folder / "data.zip", data), min_classes=1)

    return read


@cache
def _zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("ok/a.png", "ok/b.png", "ng/c.png", "ng/d.png"):
            file.writestr(name, _photo())
    return buffer.getvalue()


def _settings(data: bytes) -> Read:
    def read(folder: Path) -> None:
        path = _write(folder / "config.toml", data)
        try:
            resolve({}, path)
        except FastdefectError:
            resolve_kept(path)

    return read


def _weights(data: bytes) -> Read:
    return lambda folder: _discard(read_safetensors(_write(folder / "w.safetensors", data)))


def _checkpoint(data: bytes) -> Read:
    return lambda folder: _discard(load_checkpoint(_write(folder / "c.safetensors", data)))


def _day(data: bytes) -> Read:
    return lambda folder: _discard(read_day(_write(folder / "day.csv", data), ("ok",), "abcdef"))


def _discard(_: object) -> None:
    """What was read is of no interest."""


def checkpoint_bytes(**changes: str) -> bytes:
    """A checkpoint; ``changes`` replace texts of its header."""
    position = {"epoch": 1, "batch": 0, "loss_sum": 0.0, "photos": 0, "learning_rate": 0.1}
    header = {
        "format": "fastdefect-checkpoint-2",
        "position": json.dumps(position),
        "history": json.dumps([{"epoch": 1, "f1": 0.5, "auc": 0.5, "valid_loss": 1.0}]),
        "optimizer_groups": json.dumps([{"lr": 0.1, "params": [0]}]),
    }
    return _tensors({**header, **changes})


@cache
def _sound_tensors(checkpoint: bool) -> bytes:
    return checkpoint_bytes() if checkpoint else _tensors(None)


def _tensors(header: dict[str, str] | None) -> bytes:
    tensors = {"model.a": torch.zeros(3, 4), "optimizer.0.step": torch.zeros(())}
    return save(tensors, metadata=header)


@cache
def sound_run() -> Path:
    """A folder of a run with a tiny network, which nothing deletes before the process ends."""
    home = tempfile.TemporaryDirectory()
    _HOMES.append(home)
    torch.manual_seed(1)
    config = resolve({"arch": "small-cnn", "image_size": 32, "data": home.name})
    run = create_run(Path(home.name), "run", config, "fit")
    spec = ModelSpec("small-cnn", ("ng", "ok"), ("ok",), PREPROCESSING)
    backbone, _ = build_backbone("small-cnn", "none", 32)
    network = build_network(spec, backbone, torch.device("cpu"))
    save_file(
        {k: v.contiguous() for k, v in network.state_dict().items()}, run.path("model.safetensors")
    )
    run.write("model.json", {**spec.as_json(), "parameters": 1})
    rows = [
        {
            "path": f"{i}.png",
            "label": ("ng", "ok")[i % 2],
            "part": str(i),
            "split": ("train", "valid")[i // 3],
            "sha256": sha256(b"%d" % i).hexdigest(),
            "given_part": "",
            "view": "",
            "product": "",
        }
        for i in range(6)
    ]
    run.write("split.csv", rows)
    columns = ("epoch", "train_loss", "valid_loss", "f1", "auc", "learning_rate", "seconds")
    run.write("history.csv", [dict.fromkeys(columns, 1.0)], columns)
    run.write("metrics.json", {"valid": {"f1": 1.0, "auc": 1.0}})
    run.put("calibration.json", "none", {"value": 1.0})
    run.write(
        "operating_point.json",
        {
            "threshold": 0.5,
            "high": None,
            "views": "none",
            "temperature": 1.0,
            "said": "by hand",
            "rule": "value",
        },
    )
    run.update_state(status="finished", epochs=1, best_epoch=1)
    return run.folder


_HOMES: list[tempfile.TemporaryDirectory[str]] = []


def _run(name: str, data: bytes) -> Read:
    def read(folder: Path) -> None:
        place = Path(shutil.copytree(sound_run(), folder / "runs" / "run"))
        _write(place / name, data)
        list_runs(folder / "runs")
        request = Request(device="cpu", threshold="stored")
        scorer = run_scorer(Run(place), request, silent)
        scorer.decide(scorer.decoded(_photo(), "x"), 0.0, None)

    return read


@cache
def _bundled() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = tiny_bundle(Path(folder) / "x.fdb", reference=tiny_reference())
        return path.read_bytes()


def _resealed(member: str, change: Callable[[bytes], bytes]) -> bytes:
    """A bundle whose sums fit, as those of an attacker do."""
    with zipfile.ZipFile(io.BytesIO(_bundled())) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members[member] = change(members[member])
    if member != CARD:
        card = json.loads(members[CARD])
        card["members"][member] = {
            "bytes": len(members[member]),
            "sha256": sha256(members[member]).hexdigest(),
        }
        members[CARD] = json.dumps(card).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _bundle(data: bytes) -> Read:
    def read(folder: Path) -> None:
        inspector = Inspector(_write(folder / "x.fdb", data), threads=1)
        inspector.inspect(photo_of(200))

    return read


# ---- series --------------------------------------------------------------------------------

_IN_RUN = (
    "run.json",
    "model.json",
    "operating_point.json",
    "calibration.json",
    "config.toml",
    "split.csv",
    "metrics.json",
    "history.csv",
    "model.safetensors",
    "findings.json",
)


def _of_run(rng: random.Random) -> tuple[str, bytes, Read]:
    name = rng.choice(_IN_RUN)
    sound = sound_run() / name
    content = sound.read_bytes() if sound.exists() else b"[]"
    change = {".json": mutated_json, ".safetensors": mutated_tensors}.get(
        sound.suffix, mutated_text
    )
    data = change(content, rng)
    return f"run {name}", data, _run(name, data)


def _of_bundle(rng: random.Random) -> tuple[str, bytes, Read]:
    match rng.randrange(4):
        case 0:
            data = mutated(_bundled(), "", [_zipped()], rng)
        case 1:
            data = _resealed(CARD, lambda card: mutated_json(card, rng))
        case 2:
            data = _resealed(ONNX, lambda net: mutated(net, "", [tiny_network(views=2)], rng))
        case _:
            data = _resealed("reference.safetensors", lambda each: mutated_tensors(each, rng))
    return "bundle", data, _bundle(data)


def hostile_file(seed: int, index: int) -> tuple[str, bytes, Read]:
    """The file ``index`` of a series: what it is, its bytes, and what reads it below a folder."""
    rng = random.Random(f"{seed}/{index}")
    kind = rng.choice(
        (
            "table",
            "table",
            "settings",
            "COCO",
            "YOLO",
            "zip",
            "weights",
            "checkpoint",
            "day",
            "run",
            "run",
            "run",
            "bundle",
            "bundle",
        )
    )
    match kind:
        case "run":
            return _of_run(rng)
        case "bundle":
            return _of_bundle(rng)
        case "table":
            data = mutated_text(_TABLE, rng)
            return kind, data, _table(data)
        case "settings":
            data = mutated_text(to_toml(resolve({})).encode(), rng)
            return kind, data, _settings(data)
        case "COCO":
            data = mutated_json(_DETECTIONS, rng)
            return kind, data, _detections(data)
        case "YOLO":
            data, labels = mutated_text(_YOLO, rng), mutated_text(_LABELS, rng)
            return kind, data, _yolo(data if rng.random() < 0.5 else _YOLO, labels)
        case "zip":
            data = mutated(_zipped(), "", [_bundled()], rng)
            return kind, data, _zip(data)
        case "day":
            data = mutated_text(_DAY, rng)
            return kind, data, _day(data)
        case _:
            data = mutated_tensors(_sound_tensors(kind == "checkpoint"), rng)
            return kind, data, (_checkpoint if kind == "checkpoint" else _weights)(data)


def sound_files() -> dict[str, Read]:
    """What reads each kind of file that is not damaged."""
    return {
        "table": _table(_TABLE),
        "settings": _settings(to_toml(resolve({})).encode()),
        "COCO": _detections(_DETECTIONS),
        "YOLO": _yolo(_YOLO, _LABELS),
        "zip": _zip(_zipped()),
        "day": _day(_DAY),
        "weights": _weights(_sound_tensors(False)),
        "checkpoint": _checkpoint(_sound_tensors(True)),
        "run": _run("model.json", (sound_run() / "model.json").read_bytes()),
        "bundle": _bundle(_bundled()),
    }
