"""A new run with settings of its own."""

from pathlib import Path

from fastdefect.config_resolve import resolve
from fastdefect.run import Run
from fastdefect.run_registry import create_run

CONFIG = resolve({"arch": "resnet18", "epochs": 3, "data": "photos"})


def new_run(runs: Path, name: str | None = None) -> Run:
    return create_run(runs, name, CONFIG, "fastdefect fit")
