"""The shortcut probe: what it finds, what it must not find, and that its figures are right."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.probes import tables_tried_once
from helpers.scenes import Scene
from numpy.typing import NDArray

from fastdefect.data.audit import shortcuts
from fastdefect.data.audit.appearance import Appearance, measure_appearance
from fastdefect.data.audit.shortcut_probe import (
    try_table,
)
from fastdefect.data.audit.shortcuts import probe_shortcuts, shortcut_findings
from fastdefect.data.photos import Photo
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.sample.render import SampleSettings, render_sample

VISIBLE = {"border", "corners", "light", "dimensions", "mode", "compression", "file size"}


@pytest.fixture(autouse=True, scope="module")
def known_tables() -> Iterator[None]:
    with tables_tried_once():
        yield


def brighten(scene: Scene, where: slice | NDArray[np.bool_], by: float = 30) -> Scene:
    for image, bad in zip(scene.images, scene.bad, strict=True):
        if bad:
            image[where] = (image[where] + np.float64(by)).clip(0, 255).astype(np.uint8)
    return scene


RING = np.pad(np.zeros((56, 56), bool), 4, constant_values=True)


# ---- what is found -----------------------------------------------------------------------


def test_a_fair_scene_has_no_shortcut() -> None:
    scene = Scene()
    assert scene.findings() == {}
    probes = scene.probes()
    assert [*probes][:3] == ["border", "corners", "light"]
    assert probes.keys() >= VISIBLE
    assert probes["dimensions"].constant
    assert probes["dimensions"].auc == probes["dimensions"].shuffled == 0.5


def test_a_background_of_its_own_for_each_class_is_an_error() -> None:
    found = brighten(Scene(), RING, 40).findings()
    assert found["border"] == found["corners"] == "error"
    assert found.keys() <= {"border", "corners", "light"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"width": lambda bad, i: 64 if bad else 80}, {"dimensions": "error"}),
        ({"quality": lambda bad, i: 75.0 if bad else 92.0}, {"compression": "error"}),
        ({"kind": lambda bad, i: "PNG" if bad else "JPEG"}, {"compression": "error"}),
        # All are grey: saved as colour or not, a model sees the same.
        ({"mode": lambda bad, i: "L" if bad else "RGB"}, {"mode": "info"}),
        ({"mode": lambda bad, i: "P" if bad else "RGB"}, {"mode": "error"}),
        ({"camera": lambda bad, i: "A" if bad else "B"}, {"exif": "warning"}),
        ({"exif": lambda bad, i: 12 if bad else 30 + i % 3}, {"exif": "warning"}),
        ({"taken": lambda bad, i: 1.7e9 + 60 * i + 86400 * bad}, {"time": "info"}),
        # Alike in all that could explain it: then it is the detail of what the photo shows.
        ({"size": lambda bad, i: (2000 if bad else 3000) + i}, {"file size": "info"}),
        (
            {
                "size": lambda bad, i: (2000 if bad else 3000) + i,
                "kind": lambda bad, i: "WebP",  # its quality is unknown
            },
            {"file size": "error"},
        ),
        (
            {"name": lambda bad, i: f"cast_{'def' if bad else 'ok'}_{i % 2}_{i}.png"},
            {"name": "info"},
        ),
        (
            {"name": lambda bad, i: f"img_{i + 5000 * bad:05}.png"},
            {"name": "info", "order": "info"},
        ),
    ],
)
def test_the_facts_of_a_file(
    changes: dict[str, Callable[[bool, int], Any]], expected: dict[str, str]
) -> None:
    assert Scene().change(**changes).findings() == expected


def test_sizes_that_follow_from_dimensions_count_with_them() -> None:
    scene = Scene().change(
        width=lambda bad, i: 64 if bad else 80, size=lambda bad, i: (2000 if bad else 3000) + i
    )
    assert scene.findings() == {"dimensions": "error", "file size": "error"}


def test_colour_counts_as_light() -> None:
    scene = Scene()
    for image, bad in zip(scene.images, scene.bad, strict=True):
        image[..., 0] += np.uint8(6 * bad)
    found = scene.findings()
    assert found["border"] == found["light"] == "error"


def test_where_the_part_fills_the_photo_its_border_is_no_shortcut() -> None:
    scene = brighten(Scene(surface=True), np.s_[:], 40)
    assert scene.findings() == dict.fromkeys(("border", "corners", "light"), "info")
    assert "the part fills the photo" in scene.probes()["border"].note


def test_a_dark_edge_of_the_lens_is_no_background() -> None:
    scene = brighten(Scene(surface=True), np.s_[:], 40)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    fading = (1 - 0.25 * (x * x + y * y))[..., None]
    scene.images = [(image * fading).astype(np.uint8) for image in scene.images]
    assert set(scene.findings().values()) == {"info"}


@pytest.mark.slow
def test_many_classes() -> None:
    scene = Scene(parts=60)
    kind = np.repeat(np.arange(60) % 6, 2)
    scene.classes = tuple("abcdef")
    scene.change(label=lambda bad, i: "abcdef"[kind[i]])
    assert scene.findings() == {}
    scene.change(quality=lambda bad, i: 70.0 + kind[i] // 2)
    probe = scene.probes()["compression"]
    assert scene.findings() == {"compression": "error"}
    # Three groups of two: each class is above four others and level with one.
    assert probe.auc == pytest.approx((4 + 0.5) / 5, abs=0.02)


def read(folder: Path, labels: Path) -> tuple[Sequence[Photo], list[Appearance], list[str]]:
    looks: dict[int, Appearance] = {}
    manifest = read_photos(
        list_photos(labels),
        good=(),
        on_photo=lambda row, im: looks.update({row: measure_appearance(im)}),
    )
    parts = [photo.part or photo.name for photo in manifest.photos]
    return manifest.photos, [looks[photo.row] for photo in manifest.photos], parts


@pytest.mark.slow
def test_the_rendered_sample_is_fair(castings: Path) -> None:
    photos, looks, parts = read(castings, castings / "labels.csv")
    probes = probe_shortcuts(photos, looks, parts, ("defect", "good"), seed=0)
    assert probes
    assert [f.message for f in shortcut_findings(probes, photos)] == []


@pytest.mark.slow
def test_rendered_samples_of_twenty_seeds_are_fair(tmp_path: Path) -> None:
    fired = []
    for seed in range(20):
        labels = render_sample(tmp_path / str(seed), SampleSettings(n=120, seed=seed, size=64))
        photos, looks, parts = read(labels.parent, labels)
        probes = probe_shortcuts(photos, looks, parts, ("defect", "good"), seed=seed)
        fired += shortcut_findings(probes, photos)
    assert len(fired) <= 1


@pytest.mark.slow
def test_shuffled_labels_of_a_shortcut_predict_nothing() -> None:
    scene = brighten(Scene(), RING, 40)
    truth = scene.probes()["border"]
    assert truth.auc > 0.95
    assert truth.shuffled == pytest.approx(0.5, abs=0.04)
    other = np.repeat(np.random.default_rng(7).permutation(scene.bad[::2]), 2)
    scene.change(label=lambda bad, i: "bad" if other[i] else "good")
    assert scene.findings() == {}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(parts=14)
    first = scene.probes(3)
    monkeypatch.setattr(shortcuts, "try_table", try_table)  # measured again, not remembered
    assert scene.probes(3) == first
    assert scene.probes(4)["border"].shuffled != first["border"].shuffled


# ---- small, large and crooked sets -------------------------------------------------------


def test_too_few_parts_give_no_probe() -> None:
    scene = Scene(parts=8)
    assert probe_shortcuts([], [], [], scene.classes, seed=0) == []
    assert scene.probes() == {}  # 4 parts a class
    assert shortcut_findings([], scene.photos) == []


@pytest.mark.parametrize(("parts", "tells"), [(10, False), (20, True)])
def test_few_parts_are_enough_only_if_no_shuffle_does_as_well(parts: int, tells: bool) -> None:
    # With a part of each class in a fold, labels are right by luck in 1 of 2 ** 5 shuffles.
    found = brighten(Scene(parts=parts), RING, 60).probes()["border"]
    assert (found.parts, found.auc) == (parts, 1.0)
    assert found.tells == tells


def test_a_class_of_few_parts_is_left_out() -> None:
    scene = Scene(parts=22)
    odd = {scene.parts[0], scene.parts[2], scene.parts[4]}
    scene.change(label=lambda bad, i: "rare" if scene.parts[i] in odd else "bad" if bad else "good")
    scene.classes = ("bad", "good", "rare")
    assert scene.probes()["border"].photos == 38


def test_a_part_of_two_classes() -> None:
    scene = brighten(Scene(parts=30), RING, 40)
    scene.change(label=lambda bad, i: ("good" if i == 0 else "bad") if bad else "good")
    assert scene.findings()["border"] == "error"


def test_large_sets_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "_MOST_PHOTOS", 60)
    scene = brighten(Scene(parts=60), RING, 40)
    probes = scene.probes()
    assert probes["border"].photos == 60
    first = shortcut_findings([*probes.values()], scene.photos)[0]
    assert "on 60 of 120 photos" in first.message


def test_a_sample_has_as_many_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "_MOST_PHOTOS", 40)
    label = np.repeat([0, 1, 2], [100, 30, 8])
    chosen = shortcuts._chosen(label, np.arange(138), 0)
    assert np.bincount(label[chosen]).tolist() == [13, 13, 8]


def test_lengths_must_agree() -> None:
    scene = Scene(parts=10)
    with pytest.raises(ValueError, match="Expected an appearance and a part for each photo"):
        probe_shortcuts(scene.photos, scene.looks[1:], scene.parts, scene.classes, seed=0)
