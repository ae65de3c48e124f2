"""Pins, their hashes, and the licences of what is installed; docs/supply-chain.md."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from helpers import licences
from helpers.hashes import hashed, lines, main, names
from helpers.small_install import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = ("constraints.txt", "constraints-oldest.txt", "inspector.txt", "serve.txt")
HASHES = ("hashes/all.txt", "hashes/core.txt", "hashes/line.txt")


@pytest.mark.parametrize("file", [*FILES, *HASHES])
def test_a_file_of_pins_names_versions_and_no_host(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    assert all(re.match(r"[\w.-]+==[\w.]+( ;|$)", line) for line in lines(file))


def test_hashes_are_of_the_versions_of_the_constraints() -> None:
    constraints = set(lines("constraints.txt"))
    assert set(lines("hashes/all.txt")) == constraints
    # Markers say for which systems and Pythons, and differ with what else is installed.
    pins = {line.partition(" ;")[0] for line in constraints}
    for file in HASHES:
        assert {line.partition(" ;")[0] for line in lines(file)} <= pins
        found = hashed(file)
        assert set(found) == {canonicalize_name(name) for name in names(file)}
        assert all(found.values())
    assert names("hashes/line.txt") == names("inspector.txt") | names("serve.txt")
    assert {"torch", "hatchling"} <= names("hashes/core.txt")


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    pins = {Requirement(line).name: line.partition("==")[2] for line in lines(FILES[1])}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in project["dependencies"]:
        requirement = Requirement(text)
        (bound,) = (each for each in requirement.specifier if each.operator in (">=", "=="))
        # A bound without a release, as 4 of 4.0.0, or one that another package raises.
        assert requirement.specifier.contains(pins[requirement.name])
        if requirement.name in ("torch", "torchvision", "fastai"):
            assert pins[requirement.name].startswith(bound.version)


def report(path: Path, name: str, sha256: str) -> Path:
    download = {"archive_info": {"hashes": {"sha256": sha256}}}
    installed = [
        {"metadata": {"name": "fastdefect", "version": "1"}, "download_info": {"dir_info": {}}},
        {"metadata": {"name": name, "version": "8.5.1"}, "download_info": download},
    ]
    path.write_text(json.dumps({"install": installed}), encoding="utf-8")
    return path


def test_a_file_with_another_hash_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = hashed("hashes/all.txt")["click"].pop()
    main(report(tmp_path / "report.json", "Click", known))
    assert "1 packages have the sha256" in capsys.readouterr().out
    for name, sha256 in (("click", "0" * 64), ("elsewhere", known)):
        with pytest.raises(SystemExit, match=f"lacks the files of: {name} 8.5.1"):
            main(report(tmp_path / "report.json", name, sha256))


# ---- licences


def test_every_pinned_package_has_a_licence_that_is_allowed() -> None:
    listed = licences.listed()
    assert set(listed) == names(), "PYTHONPATH=tests python -m helpers.licences"
    assert [name for name, each in listed.items() if not licences.is_allowed(name, each)] == []


def test_the_table_has_the_licences_that_packages_state() -> None:
    listed = licences.listed()
    stated = {name: each for name in names() if (each := licences.licence_of(name))}
    assert len(stated) > 100
    # Another version than the pinned one may be installed here.
    differing = {name for name, each in stated.items() if each != listed[name]}
    assert differing == set(), "PYTHONPATH=tests python -m helpers.licences"


@pytest.mark.parametrize(
    ("package", "licence", "allowed"),
    [
        ("any", "MIT", True),
        ("any", "MIT AND (Apache-2.0 WITH LLVM-exception)", True),
        ("any", "MIT AND GPL-3.0-only", False),
        ("any", "AGPL-3.0-or-later", False),
        ("any", "UNKNOWN", False),
        ("any", "", False),
        ("nvidia-cublas", licences.NVIDIA, True),
        ("any", licences.NVIDIA, False),
        ("pi-heif", licences.LGPL, True),
        ("any", licences.LGPL, False),
    ],
)
def test_a_licence_with_conditions_needs_an_exception(
    package: str, licence: str, allowed: bool
) -> None:
    assert licences.is_allowed(package, licence) is allowed
