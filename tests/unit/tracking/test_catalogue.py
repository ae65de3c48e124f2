"""The names in ``--log``."""

import tomllib
from pathlib import Path

import pytest

from fastdefect.errors import UsageError
from fastdefect.tracking import catalogue
from fastdefect.tracking.catalogue import TRACKERS, parse_trackers


@pytest.fixture(autouse=True)
def _all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda name: object())


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, None),
        ([], None),
        (["none"], ()),
        (["wandb"], ("wandb",)),
        ([" MLflow,tensorboard", "mlflow"], ("mlflow", "tensorboard")),
        (["wandb,", "mlflow"], ("mlflow", "wandb")),
    ],
)
def test_names_are_repeated_or_separated_by_commas(
    given: list[str] | None, names: tuple[str, ...] | None
) -> None:
    assert parse_trackers(given) == names


@pytest.mark.parametrize("given", ["comet", "mlflow,x", "none,mlflow"])
def test_other_names_are_an_error(given: str) -> None:
    with pytest.raises(UsageError, match=f"--log {given}: "):
        parse_trackers([given])


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_is_an_error_with_the_command(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda package: None)
    with pytest.raises(UsageError, match=f"--log {name} needs the package {name}") as raised:
        parse_trackers([name])
    assert raised.value.hint == f'Install it: python -m pip install "fastdefect[{name}]"'


def test_every_tracker_has_its_extra() -> None:
    project = Path(__file__).parents[3] / "pyproject.toml"
    extras = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for library in TRACKERS.values():
        assert any(each.startswith(library.package) for each in extras[library.package])
