"""A release is reproducible: the same commit gives the same bytes, wherever and whenever."""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from helpers.small_install import ROOT

# What a user of the archive needs beside the package itself.
IN_SOURCE = (
    *("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md"),
    *("constraints.txt", "hashes/core.txt", "inspector.txt", "serve.txt"),
)
COMMITTED = "1700000000"  # seconds since 1970


def built(folder: Path, umask: int) -> dict[str, bytes]:
    """The archives of a release, built in a clone of its own with this umask."""
    # In a clone are no files that are not committed. Without a repository there is no release.
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True, umask=umask)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist"],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": COMMITTED, "PYTHONHASHSEED": str(umask)},
        umask=umask,
        check=True,
        capture_output=True,
    )
    return {path.name: path.read_bytes() for path in sorted((folder / "dist").iterdir())}


@pytest.mark.slow
def test_a_release_is_built_twice_with_the_same_bytes(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a repository")
    first = built(tmp_path / "one", 0o022)
    second = built(tmp_path / "two" / "deeper", 0o077)
    assert [name.rpartition(".")[2] for name in first] == ["whl", "gz"]
    sums = [
        {name: hashlib.sha256(content).hexdigest() for name, content in each.items()}
        for each in (first, second)
    ]
    assert sums[0] == sums[1]

    wheel, source = (tmp_path / "one" / "dist" / name for name in first)
    with zipfile.ZipFile(wheel) as file:
        assert {name.partition("/")[0].partition("-")[0] for name in file.namelist()} == {
            "fastdefect"
        }
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
        assert set(IN_SOURCE) <= inside
        assert {member.mtime for member in archive.getmembers()} == {int(COMMITTED)}
