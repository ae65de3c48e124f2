"""The pins of ``constraints.txt``, and the sha256 of their files in ``hashes/``.

    PIP_REPORT=report.json python -m pip install ...
    PYTHONPATH=tests python -m helpers.hashes report.json

checks that pip installed only files whose sha256 is in ``hashes/all.txt``. pip can't do so itself
in this command: with a hash in the constraints it refuses to install a folder.
"""

import json
import re
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.small_install import ROOT

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def names(file: str = "constraints.txt") -> set[str]:
    """The packages of a file of pins, for any system and Python."""
    return {Requirement(line).name for line in lines(file)}


def lines(file: str) -> list[str]:
    """The pins, without comments and hashes: ``name==1 ; marker``."""
    text = re.sub(r" \\\n\s+", " ", (ROOT / file).read_text(encoding="utf-8"))
    found = [_HASH.sub("", line).strip() for line in text.splitlines()]
    return [line for line in found if line and not line.startswith("#")]


def hashed(file: str) -> dict[str, set[str]]:
    """The sha256 of the files of each package."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if pinned := re.match(r"([\w.-]+)==", line):
            name = canonicalize_name(pinned[1])
        found.setdefault(name, set()).update(_HASH.findall(line))
    return {name: hashes for name, hashes in found.items() if name}


def unknown(report: Path) -> list[str]:
    """The installed packages of a report of pip whose file is not in ``hashes/all.txt``."""
    known = hashed("hashes/all.txt")
    wrong = []
    for each in json.loads(report.read_text(encoding="utf-8"))["install"]:
        name = canonicalize_name(each["metadata"]["name"])
        download = each["download_info"]
        if "dir_info" in download:  # this package itself
            continue
        if download["archive_info"]["hashes"]["sha256"] not in known.get(name, set()):
            wrong.append(f"{name} {each['metadata']['version']}")
    return wrong


def main(report: Path) -> None:
    count = len(json.loads(report.read_text(encoding="utf-8"))["install"]) - 1
    if wrong := unknown(report):
        sys.exit(f"hashes/all.txt lacks the files of: {', '.join(wrong)}. Run .ci/lock.")
    sys.stdout.write(f"{count} packages have the sha256 of hashes/all.txt\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
