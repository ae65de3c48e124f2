"""The way in for programs: any form of a photo, from any thread."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.bundles import p_crack, photo_of, tiny_bundle, tiny_card, tiny_reference
from numpy.typing import NDArray

from fastdefect.config import PartRule
from fastdefect.data.reading.images import UnreadablePhoto
from fastdefect.errors import BundleError
from fastdefect.inference.card import Example, Rule
from fastdefect.inference.inspector import Inspector
from fastdefect.inference.judge import Decision


def png(values: NDArray[np.generic]) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()


def said(decision: Decision) -> Decision:
    return replace(decision, milliseconds=0.0)


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    folder = tmp_path_factory.mktemp("bundle")
    return Inspector(tiny_bundle(folder / "x.fdb", reference=tiny_reference()), threads=1)


def test_a_path_its_bytes_and_its_array_decide_alike(inspector: Inspector, tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    path, content = tmp_path / "photo.png", png(rgb[:, :, ::-1])
    path.write_bytes(content)
    first, *others = inspector.inspect(
        [path, str(path), content, bytearray(content), memoryview(content), rgb]
    )
    assert all(said(other) == said(first) for other in others)
    assert said(inspector.inspect(path)) == said(first)


def test_decisions_by_brightness(inspector: Inspector) -> None:
    bright, dark = inspector.inspect([photo_of(200), photo_of(40)])
    assert bright.decision == "OK"
    assert bright.probability == pytest.approx(p_crack(200), rel=1e-3)
    assert (dark.decision, dark.unlike, dark.defect_class) == ("look", True, "crack")
    assert inspector.classes == ("crack", "ok")


def test_grey_alpha_and_one_channel_are_photos(inspector: Inspector) -> None:
    grey, rgb = np.full((20, 20), 200, np.uint8), photo_of(200, 20)
    opaque = np.dstack([rgb, np.full((20, 20), 255, np.uint8)])
    expected = said(inspector.inspect(rgb))
    assert all(
        said(each) == expected for each in inspector.inspect([grey, grey[..., None], opaque])
    )
    half = np.dstack([photo_of(0, 20), np.full((20, 20), 55, np.uint8)])  # black over white
    assert said(inspector.inspect(half)) == said(inspector.inspect(photo_of(200)))


def test_deep_arrays_are_scaled_by_the_white_of_the_training(tmp_path: Path) -> None:
    steps = tiny_card().photos.model_copy(update={"white": 1000.0})
    inspector = Inspector(tiny_bundle(tmp_path / "x.fdb", photos=steps), threads=1)
    deep = np.full((20, 20), 800, np.uint16)
    assert inspector.inspect(deep).probability == pytest.approx(p_crack(204), rel=1e-3)
    assert said(inspector.inspect(png(deep))) == said(inspector.inspect(deep))


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.array([["a"]]),
        np.zeros((4, 4), complex),
    ],
)
def test_other_arrays_are_a_value_error(inspector: Inspector, values: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        inspector.inspect(values)


def test_unreadable_photos_say_why(inspector: Inspector, tmp_path: Path) -> None:
    for photo, reason in ((b"", "empty"), (b"text", "the photo"), (tmp_path / "no.png", "no such")):
        with pytest.raises(UnreadablePhoto, match=reason):
            inspector.inspect(photo)


def test_eight_threads_give_the_results_of_one(inspector: Inspector) -> None:
    photos = [photo_of(value) for value in range(0, 256, 16)]
    alone = [said(inspector.inspect(photo)) for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(inspector.inspect, photos * 4))
    assert [said(each) for each in together] == alone * 4


def test_self_test_finds_a_changed_probability(tmp_path: Path) -> None:
    assert Inspector(tiny_bundle(tmp_path / "none.fdb"), threads=1).self_test() is None
    expected = p_crack(90)
    for change in (0.0, 0.125):
        probabilities = (expected - change, 1 - expected + change)
        example = Example(file="photos/0.png", path="a.png", probabilities=probabilities)
        files = {"photos/0.png": png(photo_of(90))}
        path = tiny_bundle(tmp_path / "x.fdb", files=files, examples=(example,))
        assert Inspector(path, threads=1).self_test() == pytest.approx(change, abs=1e-5)


def test_self_test_does_not_hide_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = Example(file="photos/0.png", path="a.png", probabilities=(0.5, 0.5))
    files = {"photos/0.png": png(photo_of(90))}
    path = tiny_bundle(tmp_path / "x.fdb", files=files, examples=(example,))
    inspector = Inspector(path, threads=1)
    decision = inspector.inspect(photo_of(90))
    broken = replace(decision, probabilities={"crack": 0.5, "ok": float("nan")})
    monkeypatch.setattr(inspector, "inspect", lambda photo, **named: broken)
    assert np.isnan(inspector.self_test() or 0.0)


def test_a_reference_of_another_width_is_refused(tmp_path: Path) -> None:
    reference = replace(tiny_reference(), features=np.ones((2, 5), np.float32), blocks=(5,))
    with pytest.raises(BundleError, match="gives 4 features"):
        Inspector(tiny_bundle(tmp_path / "x.fdb", reference=reference))


@pytest.mark.parametrize("part_rule", ["worst", "mean", "noisy-or", None])
def test_a_part_has_one_decision_from_all_its_photos(
    tmp_path: Path, part_rule: PartRule | None
) -> None:
    rule = replace(tiny_card().decision_rule, part_rule=part_rule)
    inspector = Inspector(tiny_bundle(tmp_path / "x.fdb", rule=Rule(**rule.as_json())), threads=1)
    photos = [photo_of(200), photo_of(40), photo_of(90)]
    part = inspector.inspect_part(photos)
    alone = inspector.inspect(photos)
    scores = [each.probability for each in alone]
    expected = {
        "worst": max(scores),
        "mean": np.mean(scores),
        "noisy-or": 1 - np.prod([1 - score for score in scores]),
        None: max(scores),
    }
    assert part.probability == pytest.approx(expected[part_rule])
    assert part.decision == ("reject" if part.probability >= 0.5 else "OK")
    assert [said(each) for each in part.photos] == [said(each) for each in alone]
    assert (part.part_rule, part.as_json()["part_rule"]) == (part_rule, part_rule)
    assert inspector.inspect_part(photos[::-1]).probability == part.probability


@pytest.mark.parametrize(("photos", "views"), [(0, None), (2, ["left"])])
def test_a_part_without_photos_or_some_views_is_refused(
    inspector: Inspector, photos: int, views: list[str | None] | None
) -> None:
    with pytest.raises(ValueError, match=f"but got {photos} photos and {len(views or [])} views"):
        inspector.inspect_part([photo_of(200)] * photos, views=views)


def test_views_that_the_training_knew_are_missed(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "x.fdb", part_views=("left", "right", "top"))
    inspector = Inspector(bundle, threads=1)
    photos = [photo_of(200), photo_of(190)]
    assert inspector.inspect_part(photos, views=["top", None]).missing_views == ("left", "right")
    assert inspector.inspect_part(photos).missing_views == ()
