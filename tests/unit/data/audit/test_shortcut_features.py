"""The tables of the shortcut probe: what they hold, and what they must not know."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.scenes import Scene

from fastdefect.data.audit.shortcut_features import ASPECTS, Aspect, tables_of
from fastdefect.data.audit.shortcuts import probe_shortcuts, shortcut_findings

# ---- tables ------------------------------------------------------------------------------


def test_border_and_corners_know_nothing_of_the_interior() -> None:
    scene = Scene(parts=10)
    before = tables_of(scene.photos, scene.looks)
    for image in scene.images:
        image[6:-6, 6:-6] = np.random.default_rng(0).integers(0, 256, (52, 52, 3))
    after = tables_of(scene.photos, scene.looks)
    for name in ("border", "corners"):
        np.testing.assert_array_equal(before[name], after[name])
    assert not np.array_equal(before["light"], after["light"])


def test_tables_are_finite_and_without_constants() -> None:
    scene = Scene(parts=10).change(
        quality=lambda bad, i: None if i % 3 else float("nan"),
        taken=lambda bad, i: None if i % 2 else 1e9 + i,
        camera=lambda bad, i: None if i % 5 else f"camera {i}",
    )
    looks = scene.looks
    looks[0] = replace(looks[0], brightness=float("nan"), contrast=float("inf"))
    for table in tables_of(scene.photos, looks).values():
        assert len(table) == 20
        assert np.isfinite(table).all()
        assert (np.ptp(table, axis=0) > 0).all()
    assert probe_shortcuts(scene.photos, looks, scene.parts, scene.classes, seed=0)


@pytest.mark.parametrize(
    ("names", "one_series"),
    [
        (["img_1", "img_2", "img_3", "img_4"], True),
        (["2024-05-1_07", "2024-05-1_08", "2024-05-2_01", "2024-05-2_02"], True),
        (["def_1", "def_2", "ok_1", "ok_2"], False),  # each class has a series of its own
        (["1", "2", "1", "2"], False),  # each class counts from 1
        (["a", "b", "c", "d"], False),
    ],
)
def test_an_order_is_one_series_of_numbers(names: list[str], one_series: bool) -> None:
    scene = Scene(parts=2)
    scene.change(
        name=lambda bad, i: f"x/{names[i]}.png", label=lambda bad, i: ("bad", "good")[i // 2]
    )
    found = tables_of(scene.photos, scene.looks)
    assert ("order" in found) == one_series


@pytest.mark.parametrize("name", ["\udcff1.png", ".png", "鋳造 1.png", "7" * 400 + ".png"])
def test_odd_names(name: str) -> None:
    scene = Scene(parts=10).change(name=lambda bad, i: name if i == 3 else f"{i}.png")
    assert "name" in scene.probes()


def test_every_aspect_has_its_table_and_advice_unless_it_is_harmless() -> None:
    scene = Scene(parts=10)
    assert list(tables_of(scene.photos, scene.looks)) == list(ASPECTS)
    grave = {name for name, aspect in ASPECTS.items() if aspect.limit != "info"}
    assert grave == {name for name, aspect in ASPECTS.items() if aspect.advice}


def test_a_new_aspect_is_declared_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shade = Aspect(
        "shade",
        "the photo's shade",
        lambda seen: np.array([[photo.label == "bad"] for photo in seen.photos], float),
        note="Bear this in mind.",
        advice="Do this.",
    )
    monkeypatch.setitem(ASPECTS, "shade", shade)
    scene = Scene()
    probes = probe_shortcuts(scene.photos, scene.looks, scene.parts, scene.classes, seed=0)
    assert probes[-1].name == "shade"
    (finding,) = shortcut_findings(probes, scene.photos)
    assert finding.severity == "error"
    assert finding.message.startswith("The class can be predicted from the photo's shade alone: ")
    assert finding.message.endswith("Bear this in mind. Do this.")
