"""The shortcut probe: what it finds, what it must not find, and that its figures are right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.manifests import FACTS
from helpers.probes import tables_tried_once
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fastdefect.data.audit import shortcuts
from fastdefect.data.audit.appearance import Appearance, measure_appearance
from fastdefect.data.audit.shortcut_features import ASPECTS, Aspect, tables_of
from fastdefect.data.audit.shortcut_probe import (
    Trial,
    areas_under_roc,
    predict_scores,
    trial_of,
    try_table,
)
from fastdefect.data.audit.shortcuts import Probe, probe_shortcuts, shortcut_findings
from fastdefect.data.photos import Photo
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.sample.render import SampleSettings, render_sample

VISIBLE = {"border", "corners", "light", "dimensions", "mode", "compression", "file size"}


@pytest.fixture(autouse=True, scope="module")
def known_tables() -> Iterator[None]:
    with tables_tried_once():
        yield


class Scene:
    """Photos of 40 parts, two of each: a disc on a background. No other property reveals the class.

    Good and bad differ by a spot in the middle of the disc, as they should.
    """

    classes = ("bad", "good")

    def __init__(self, parts: int = 40, seed: int = 0, surface: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.parts = [f"p{i // 2}" for i in range(2 * parts)]
        self.bad = np.repeat(rng.permutation(parts) < parts // 2, 2)
        self.images = [_surface(rng) if surface else _disc(rng, bad) for bad in self.bad]
        serial = rng.permutation(9000)[: 2 * parts] + 1000
        self.photos = [
            Photo(
                f"photos/img_{serial[i]}.png",
                Path("/data"),
                "bad" if bad else "good",
                self.parts[i],
                None,
                f"sha {i}",
                64,
                64,
                i,
                replace(FACTS, size=int(rng.integers(900, 1100))),
            )
            for i, bad in enumerate(self.bad)
        ]

    def change(self, **values: Callable[[bool, int], Any]) -> "Scene":
        """With other facts; each is a function of whether the photo is bad and of its index."""
        own = {name for name in values if name in Photo.__dataclass_fields__}
        for i, photo in enumerate(self.photos):
            said = {name: of(bool(self.bad[i]), i) for name, of in values.items()}
            facts = {name: value for name, value in said.items() if name not in own}
            changed = {name: value for name, value in said.items() if name in own}
            self.photos[i] = replace(photo, facts=replace(photo.facts, **facts), **changed)
        return self

    @property
    def looks(self) -> list[Appearance]:
        return [measure_appearance(image) for image in self.images]

    def probes(self, seed: int = 0) -> dict[str, Probe]:
        found = probe_shortcuts(self.photos, self.looks, self.parts, self.classes, seed=seed)
        return {probe.name: probe for probe in found}

    def findings(self) -> dict[str, str]:
        """The severity by the probe that a finding is about."""
        probes = self.probes()
        found = shortcut_findings([*probes.values()], self.photos)
        assert all(finding.kind == "shortcut" for finding in found)
        names = {f"from {probe.what} alone": name for name, probe in probes.items()}
        return {
            next(names[what] for what in names if what in finding.message): finding.severity
            for finding in found
        }


def _disc(rng: np.random.Generator, bad: bool) -> NDArray[np.uint8]:
    y, x = np.mgrid[-1:1:64j, -1:1:64j] + rng.normal(0, 0.03, 2)[:, None, None]
    away = np.hypot(y, x)
    luma = np.full((64, 64), rng.normal(120, 8))
    luma[away < 0.7] = rng.normal(180, 8)
    luma[away < 0.3] = 60
    if bad:
        luma[30:34, 44:48] = 20
    noisy = luma + rng.normal(0, 4, luma.shape)
    return np.repeat(noisy.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _surface(rng: np.random.Generator) -> NDArray[np.uint8]:
    luma = rng.normal(120, 8) + rng.normal(0, 12, (64, 64))
    return np.repeat(luma.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


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


# ---- what must not be found --------------------------------------------------------------


def random_trial(seed: int, parts: int = 30, per: int = 2) -> Trial:
    label = np.random.default_rng(seed).permutation(parts) % 2
    part = np.repeat(np.arange(parts), per)
    return trial_of(label[part], part, seed)


def false_alarms(seeds: Sequence[int], parts: int) -> tuple[int, list[float]]:
    """In how many sets any of three random tables predicts the class, and how far each is out."""
    fired, excess = 0, []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        trial = random_trial(seed, parts)
        outcomes = [
            try_table(rng.normal(size=(parts, columns))[trial.part], trial)
            for columns in (1, 6, 30)
        ]
        excess += [outcome.excess for outcome in outcomes]
        fired += any(
            Probe("", "", *vars(outcome).values(), False, 2 * parts, parts).tells
            for outcome in outcomes
        )
    return fired, excess


@pytest.mark.slow
def test_what_is_random_predicts_nothing() -> None:
    fired, excess = false_alarms(range(16), parts=30)
    assert fired == 0
    assert abs(np.mean(excess)) < 0.5
    assert 0.6 < np.std(excess) < 1.4  # a z-score: else the shuffles would be no measure


@pytest.mark.slow
@pytest.mark.parametrize("parts", [12, 30, 150])
def test_what_is_random_predicts_nothing_in_95_of_100_sets(parts: int) -> None:
    fired, excess = false_alarms(range(100), parts)
    assert fired <= 5
    assert abs(np.mean(excess)) < 0.25


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


def test_parts_stay_whole() -> None:
    # A photo reveals its part, and only by that its class.
    rng = np.random.default_rng(3)
    label = np.repeat(rng.permutation(60) % 2, 6)
    part = np.repeat(np.arange(60), 6)
    table = rng.normal(size=(60, 3))[part] + rng.normal(0, 0.01, (360, 3))
    whole = try_table(table, trial_of(label, part, 0))
    torn = try_table(table, trial_of(label, np.arange(360), 0))
    assert torn.auc > 0.95
    assert whole.auc < 0.65
    # Photos of one part are no evidence of their own: far wider, in truth and in chance.
    assert np.ptp(whole.interval) > 3 * np.ptp(torn.interval)
    assert np.ptp(whole.shuffled_interval) > 1.5 * np.ptp(torn.shuffled_interval)


# ---- figures -----------------------------------------------------------------------------


def test_the_auc_is_that_of_scikit_learn_over_the_folds() -> None:
    trial = random_trial(1)
    scores = np.random.default_rng(2).normal(size=(1, 60)).round(1)  # with ties
    areas, pairs = [], []
    for _, test in trial.folds:
        areas.append(roc_auc_score(trial.truth[0, test], scores[0, test]))
        pairs.append(trial.truth[0, test].sum() * (~trial.truth[0, test]).sum())
    expected = np.average(areas, weights=pairs)
    assert areas_under_roc(scores, trial.truth, trial.folds)[0] == pytest.approx(expected)


def test_the_interval_is_that_of_drawn_parts() -> None:
    # Photos that are drawn twice count as if they were there twice.
    trial = random_trial(1)
    table = np.random.default_rng(5).normal(size=(60, 2)) + trial.truth.T
    outcome = try_table(table, trial)
    scores = predict_scores(table, trial.truth, trial.folds, trial.seed)
    drawn = []
    for weights in trial.weights[1:101]:
        kept = np.repeat(np.arange(60), weights.astype(int))
        places = [np.flatnonzero(np.isin(kept, test)) for _, test in trial.folds]
        folds = [(kept, at) for at in places]
        drawn.append(areas_under_roc(scores[:, kept], trial.truth[:, kept], folds)[0])
    few = Trial(
        trial.part, trial.folds, trial.truth, trial.shuffled, trial.weights[:101], trial.seed
    )
    assert try_table(table, few).interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    assert outcome.interval[0] < outcome.auc < outcome.interval[1]


def test_the_p_value_counts_the_truth_among_the_shuffles() -> None:
    trial = random_trial(1)
    assert len(trial.shuffled) == 400
    table = np.random.default_rng(6).normal(size=(60, 2))
    found = try_table(table, trial)
    shuffled = areas_under_roc(
        predict_scores(table, trial.shuffled, trial.folds, trial.seed), trial.shuffled, trial.folds
    )
    assert found.p_value == pytest.approx(((shuffled >= found.auc).sum() + 1) / 401)
    assert found.shuffled == pytest.approx(shuffled.mean())
    assert found.shuffled_interval == pytest.approx(np.quantile(shuffled, [0.025, 0.975]))
    assert found.excess == pytest.approx((found.auc - shuffled.mean()) / shuffled.std(ddof=1))


def test_a_draw_has_each_photo_of_a_part_as_often() -> None:
    trial = random_trial(4, parts=20, per=3)
    assert (trial.weights[0] == 1).all()
    by_part = trial.weights.reshape(len(trial.weights), 20, 3)
    assert (by_part == by_part[:, :, :1]).all()
    assert (by_part[:, :, 0].sum(axis=1) == 20).all()


def test_labels_are_shuffled_between_parts() -> None:
    trial = random_trial(4, parts=20, per=3)
    by_part = trial.shuffled.reshape(-1, 20, 3)
    assert (by_part == by_part[:, :, :1]).all()
    assert (by_part[:, :, 0].sum(axis=1) == 10).all()
    assert len(np.unique(by_part[:, :, 0], axis=0)) > 0.9 * len(by_part)


def test_what_is_alike_ties() -> None:
    # Otherwise the last digits of sums would rank photos of one kind, by their place.
    trial = random_trial(0)
    table = (np.arange(60) % 7 < 3).astype(float)[:, None]
    scores = predict_scores(table, trial.truth, trial.folds, 0)
    assert all(len(np.unique(scores[:, test])) <= 2 for _, test in trial.folds)


def test_the_model_is_as_good_as_a_forest() -> None:
    from sklearn.ensemble import RandomForestClassifier

    trial = random_trial(3, parts=300, per=1)
    x = np.random.default_rng(8).normal(size=(300, 4))
    truth = (np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] > 0)[None]  # nothing a line could tell
    ours = areas_under_roc(predict_scores(x, truth, trial.folds, 0), truth, trial.folds)[0]
    forest = RandomForestClassifier(50, random_state=0, n_jobs=1)
    scores = np.zeros((1, 300))
    for train, test in trial.folds:
        scores[0, test] = forest.fit(x[train], truth[0, train]).predict_proba(x[test])[:, 1]
    theirs = areas_under_roc(scores, truth, trial.folds)[0]
    assert theirs > 0.7
    assert ours > theirs - 0.05


def test_the_same_seed_gives_the_same_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(parts=14)
    first = scene.probes(3)
    monkeypatch.setattr(shortcuts, "try_table", try_table)  # measured again, not remembered
    assert scene.probes(3) == first
    assert scene.probes(4)["border"].shuffled != first["border"].shuffled


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


# ---- small, large and crooked sets -------------------------------------------------------


def pick(scene: Scene, chosen: Sequence[int]) -> Scene:
    scene.photos = [scene.photos[i] for i in chosen]
    scene.images = [scene.images[i] for i in chosen]
    scene.parts = [scene.parts[i] for i in chosen]
    scene.bad = scene.bad[list(chosen)]
    return scene


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


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=10, max_size=16),
    classes=st.integers(2, 3),
    seed=st.integers(0, 2**40),
)
def test_any_sizes_of_parts(sizes: list[int], classes: int, seed: int) -> None:
    # Nothing may fall over, be it a part as large as all others together.
    label = np.concatenate([np.full(n, i % classes) for i, n in enumerate(sizes)])
    part = np.concatenate([np.full(n, i) for i, n in enumerate(sizes)])
    chosen = shortcuts._chosen(label, part, seed)
    if not chosen.size:
        return
    label, part = label[chosen], part[chosen]
    trial = trial_of(label, part, seed)
    tested = np.concatenate([test for _, test in trial.folds])
    assert sorted(tested.tolist()) == list(range(len(label)))
    for train, test in trial.folds:
        assert not set(part[train]) & set(part[test])
    outcome = try_table(np.random.default_rng(0).normal(size=(len(label), 2)), trial)
    assert 0 <= outcome.interval[0] <= outcome.interval[1] <= 1
    assert 0 <= outcome.auc <= 1
    assert np.isfinite([outcome.excess, outcome.shuffled]).all()


# ---- what is said ------------------------------------------------------------------------


def probe(auc: float, low: float, excess: float = 9.0, **other: Any) -> Probe:
    base = Probe(
        "border", "the outer ring", auc, (low, 0.99), 0.5, (0.42, 0.58), excess, 0.01, False, 90, 30
    )
    return replace(base, **other)


@pytest.mark.parametrize(
    ("found", "severity"),
    [
        (probe(0.9, 0.8), "error"),
        (probe(0.9, 0.79), "warning"),
        (probe(0.7, 0.61), "warning"),
        (probe(0.7, 0.6), None),
        (probe(0.9, 0.85, excess=2.9), None),
        (probe(0.9, 0.85, excess=2.1, p_value=1 / 401), "error"),
        (probe(0.9, 0.85, shuffled_interval=(0.1, 0.9)), None),
        (probe(0.9, 0.85, limit="warning"), "warning"),
        (probe(0.7, 0.65, limit="warning"), "warning"),
        (probe(0.9, 0.85, limit="info"), "info"),
    ],
)
def test_severity(found: Probe, severity: str | None) -> None:
    said = [finding.severity for finding in shortcut_findings([found], [None] * 90)]
    assert said == ([] if severity is None else [severity])


def test_a_finding_has_an_advice() -> None:
    found = probe(0.912, 0.86, note="Bear this in mind.")
    (finding,) = shortcut_findings([found], [None] * 90)
    assert finding.kind == "shortcut"
    assert (finding.value, finding.interval) == (0.912, (0.86, 0.99))
    assert finding.message == (
        "The class can be predicted from the outer ring alone: AUC 0.91 [0.86, 0.99], with "
        "shuffled labels 0.50 [0.42, 0.58]. Bear this in mind. Photograph all classes in one "
        "session on one background, crop or mask the background, or train with "
        "--randomize-background-light."
    )
    (harmless,) = shortcut_findings([replace(found, limit="info")], [None] * 90)
    assert harmless.message.endswith("Bear this in mind.")


def test_the_gravest_come_first() -> None:
    probes = [probe(0.7, 0.65), probe(0.9, 0.85, limit="info"), probe(0.9, 0.85)]
    found = [finding.severity for finding in shortcut_findings(probes, [None] * 90)]
    assert found == ["error", "warning", "info"]


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
