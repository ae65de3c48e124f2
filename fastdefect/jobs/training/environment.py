"""The environment of a run: versions, machine, commit."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from fastdefect import __version__
from fastdefect.processes import place

PACKAGES = (
    "torch torchvision fastai albumentations opencv-python-headless numpy pillow "
    "scikit-learn safetensors"
).split()


def describe_environment(device: torch.device, precision: str, workers: int) -> dict[str, Any]:
    """The content of ``environment.json``."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {"fastdefect": __version__} | {name: _version(name) for name in PACKAGES},
        "device": device.type,
        "device_name": _device_name(device),
        "precision": precision,
        "cpus": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "workers": workers,
        "processes": place().size,
        "git_commit": _git_commit(),
    }


def _version(name: str) -> str | None:
    """The version; None for a package under another name (opencv-python, a system package)."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return platform.processor() or platform.machine()


def _git_commit() -> str | None:
    """The commit of the folder that the command ran in; None without git or a repository."""
    git = shutil.which("git")
    if git is None:
        return None
    answer = subprocess.run(
        [git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10
    )
    return answer.stdout.strip() or None
