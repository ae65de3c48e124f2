"""The check of a bundle, on probabilities by hand."""

from pathlib import Path

import numpy as np
import pytest
from helpers.bundles import photo_of, tiny_bundle
from PIL import Image

from fastdefect.data.reading.frame import Frame
from fastdefect.errors import ModelError
from fastdefect.events import silent
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.jobs.exporting.check import Check, Limits, Truth, from_files, photos_per_second

RULE = DecisionRule("none", 1.0, 0.5, 0.7, "by hand")
# Classes are crack and ok: an escape, a crack that is found, a good part, overkill.
P_CRACK = (0.2, 0.9, 0.1, 0.6)
TRUTH = Truth([Path(str(i)) for i in range(4)], np.array([0, 0, 1, 1]), (1,), RULE)


def columns(p_crack: tuple[float, ...]) -> np.ndarray:
    return np.stack([np.array(p_crack), 1 - np.array(p_crack)], axis=1)


def check(difference: float = 0, flips: int = 0) -> Check:
    return Check("x", 100, difference, flips, 0, 0, 1, 1, 1)


def test_escapes_and_overkills() -> None:
    judged = TRUTH.judged("run", columns(P_CRACK), 10, 1)
    assert (judged.escapes, judged.overkills) == (1, 1)


def test_without_a_good_class_nothing_escapes() -> None:
    truth = Truth(TRUTH.paths, TRUTH.labels, (), RULE)
    judged = truth.judged("run", columns(P_CRACK), 10, 1)
    assert (judged.escapes, judged.overkills) == (None, None)


def test_comparison_counts_other_decisions() -> None:
    run = TRUTH.judged("run", columns(P_CRACK), 10, 1)
    # From reject to look, and from look to reject.
    other = TRUTH.judged("other", columns((0.2, 0.65, 0.1, 0.72)), 40, 2)
    found = TRUTH.compare(run, other)
    assert found.flips == 2
    assert found.difference == pytest.approx(0.25)
    assert (found.ratio, found.photos, found.megabytes) == (4, 4, 2)


@pytest.mark.parametrize(
    ("found", "limits", "said"),
    [
        (check(1e-4), Limits(1e-3, 0), []),
        (check(1e-3), Limits(1e-3, 0), []),
        (check(2e-3), Limits(1e-3, 0), ["a probability differs by 0.002, more than 0.001"]),
        (check(float("nan")), Limits(1, 1), ["a probability differs by nan, more than 1"]),
        (check(0, 1), Limits(1, 0), ["1 of 100 decisions differ, more than 0.00%"]),
        (check(0, 1), Limits(1, 0.01), []),
        (check(0, 2), Limits(1, 0.01), ["2 of 100 decisions differ, more than 1.00%"]),
    ],
)
def test_limits(found: Check, limits: Limits, said: list[str]) -> None:
    assert limits.exceeded(found) == said


def test_photos_are_read_from_their_files(tmp_path: Path) -> None:
    scorer = bundle_scorer(read_bundle(tiny_bundle(tmp_path / "tiny.fdb")), "tiny")
    paths = []
    for brightness in (250, 10):
        paths.append(tmp_path / f"{brightness}.png")
        Image.fromarray(photo_of(brightness)).save(paths[-1])
    y_prob = from_files(scorer, paths, silent)
    assert y_prob[0, 1] > 0.99
    assert y_prob[1, 0] > 0.99
    paths[1].write_bytes(b"nothing")
    with pytest.raises(ModelError, match="10.png"):
        from_files(scorer, paths, silent)


def test_speed_counts_photos() -> None:
    shapes = []
    assert photos_per_second(lambda pixels: shapes.append(pixels.shape), Frame(8, "squish")) > 0
    assert set(shapes) == {(1, 8, 8, 3)}
