"""The view of a photo as an input of a bundle's network, from the file to the decision."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.bundles import VIEWS, p_crack, photo_of, tiny_bundle, viewed_bundle, viewed_network

from fastdefect.errors import BundleError
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import Inspector, bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import decide_all

# The second view reverses the decision; an unknown one counts as the first.
EXPECTED = {"front": p_crack(90), "back": 1 - p_crack(90), None: p_crack(90), "x": p_crack(90)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return viewed_bundle(tmp_path_factory.mktemp("bundle") / "x.fdb")


@pytest.fixture(scope="module")
def scorer(bundle: Path) -> Scorer:
    return bundle_scorer(read_bundle(bundle), "x", threads=1)


def test_an_inspector_decides_by_the_view(bundle: Path) -> None:
    inspector = Inspector(bundle, threads=1)
    for view, expected in EXPECTED.items():
        found = inspector.inspect(photo_of(90), view=view)
        assert found.probability == pytest.approx(expected, rel=1e-4)
    (one,) = inspector.inspect([photo_of(90)], view="back")
    assert one.probability == pytest.approx(EXPECTED["back"], rel=1e-4)
    part = inspector.inspect_part([photo_of(90)] * 2, views=["front", "back"])
    found = [each.probability for each in part.photos]
    assert found == pytest.approx([EXPECTED["front"], EXPECTED["back"]], rel=1e-4)


def test_a_bundle_without_this_input_ignores_the_view(tmp_path: Path) -> None:
    inspector = Inspector(tiny_bundle(tmp_path / "x.fdb"), threads=1)
    same = inspector.inspect(photo_of(90), view="back").probability
    assert same == inspector.inspect(photo_of(90)).probability


@pytest.mark.parametrize("concurrent", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_each_photo_of_many_has_its_own_view(
    scorer: Scorer, tmp_path: Path, concurrent: bool, whole: bool
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), photo_of(90))
    views = [VIEWS[i % 3 % 2] if i % 5 else None for i in range(20)]
    chosen = replace(scorer, concurrent=concurrent)
    done = decide_all(
        chosen,
        range(20),
        lambda _: tmp_path / "a.png",
        view_of=views.__getitem__,
        whole_batches=whole,
    )
    found = [each.decision.probability for each in done if each.decision]
    assert found == pytest.approx([EXPECTED[view] for view in views], rel=1e-4)


def test_the_maps_of_a_view_are_of_its_probabilities(scorer: Scorer) -> None:
    pixels = np.stack([photo_of(90)] * 3)
    found = scorer.probabilities_of_view("back")(pixels)[:, 0]
    np.testing.assert_allclose(found, [EXPECTED["back"]] * 3, rtol=1e-4)


def test_card_and_network_have_the_same_inputs(tmp_path: Path) -> None:
    for path in (
        tiny_bundle(tmp_path / "a.fdb", network=viewed_network()),
        viewed_bundle(tmp_path / "b.fdb", network=None),
    ):
        with pytest.raises(BundleError, match="of its network, found"):
            Inspector(path)
