"""The small installation for a line, made of links to the installed packages."""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

import fastdefect

ROOT = Path(__file__).parents[2]
INSTALLED = Path(fastdefect.__file__).parent


def pinned(file: str) -> dict[str, str]:
    """The name and the version of each line of a file of pins that applies to this Python."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in found
        if each.marker is None or each.marker.evaluate()
    }


def linked(folder: Path, *files: str) -> Path:
    """Links in ``folder`` to fastdefect and to the packages of files of pins, and no others.

    Without ``files`` of ``inspector.txt``.
    """
    (folder / "fastdefect").symlink_to(INSTALLED, target_is_directory=True)
    for name in (name for file in files or ("inspector.txt",) for name in pinned(file)):
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or () if file.parts[0] != ".."}:
            link = folder / top
            if top != "__pycache__" and not link.exists():
                link.symlink_to(Path(str(installed.locate_file(top))))
    return folder


def run_there(packages: Path, code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``code`` with the standard library and ``packages`` alone."""
    return subprocess.run(
        [sys.executable, "-S", "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
    )
