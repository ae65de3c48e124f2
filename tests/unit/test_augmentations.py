"""The levels of ``--augment``: each is declared once, and used wherever levels are listed."""

import subprocess
import sys
from pathlib import Path

import pytest

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.data.augment.steps import STEPS
from fastdefect.evaluation.views import FIXED_VIEWS

DOCS = Path(__file__).parents[2] / "docs" / "guide.md"


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_steps_and_symmetries_are_known(name: str) -> None:
    level = AUGMENTATIONS[name]
    assert level.name == name
    assert level.symmetries in FIXED_VIEWS
    assert {change.step for change in level.steps} <= set(STEPS)
    assert all(0 < change.share <= 1 for change in level.steps)
    # Without a change a model sees each part one way round.
    assert level.steps or level.symmetries == "none"


def test_each_step_is_in_a_level() -> None:
    assert set(STEPS) == {c.step for level in AUGMENTATIONS.values() for c in level.steps}


def test_the_documentation_lists_the_levels() -> None:
    lines = "\n".join(
        f"  - `{each.name}`: {each.about}; matching views: `{each.symmetries}`."
        for each in AUGMENTATIONS.values()
    )
    assert f":\n{lines}\n- " in DOCS.read_text(encoding="utf-8")


# In a separate process: the commands read the levels when they are imported.
A_NEW_LEVEL = """
from fastdefect.augmentations import AUGMENTATIONS, Augmentation, Change

AUGMENTATIONS["dummy"] = Augmentation("dummy", "turned", "turns", (Change("turn", 0.25),))

from fastdefect.config_resolve import resolve
from fastdefect.errors import UsageError

assert resolve({"augment": "dummy"}).data.augment == "dummy"
try:
    resolve({"augment": "strong"})
except UsageError as error:
    assert "'steady' or 'dummy'" in error.message, error.message
else:
    raise AssertionError("a level that is not declared was accepted")

from typer.testing import CliRunner

from fastdefect.cli import app

for command in ("preview", "fit"):
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "500"}).output
    assert "|dummy" in shown, shown
    assert "dummy: turned." in shown, shown

import numpy as np

from fastdefect.data.augment.pipelines import Augmenter

augmenter = Augmenter("dummy", 64)
(line,) = augmenter.describe()
assert line.startswith("turn: ") and line.endswith("25% of photos"), line
assert augmenter(np.zeros((64, 64, 3), np.uint8), 1).shape == (64, 64, 3)

from fastdefect.evaluation.views import resolve_views

assert resolve_views("auto", "dummy") == "turns"

from dataclasses import asdict

from fastdefect.config import RunConfig
from fastdefect.evaluation.ablation import ladder

config = RunConfig()
fields = {**asdict(config.data), **asdict(config.model), **asdict(config.training)}
steps = ladder({**fields, "augment": "dummy"})
assert [step.aside for step in steps if step.name == "dummy"] == [False]
assert [step for step in steps if not step.aside][-1].settings["augment"] == "dummy"
print("found everywhere")
"""


@pytest.mark.slow
def test_a_new_level_is_declared_in_one_place() -> None:
    done = subprocess.run(
        [sys.executable, "-c", A_NEW_LEVEL],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "found everywhere"
