"""Stress: a predictor that only sees brightness, and flips worked out by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fastdefect.errors import UsageError
from fastdefect.evaluation.robustness.background_swap import Flips, LabelledPhotos, Predict
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES, Disturbance, generator
from fastdefect.evaluation.robustness.stress import (
    Break,
    Decide,
    Limits,
    Mistakes,
    StressLine,
    StressPoint,
    StressReport,
    first_breaks,
    stress,
)
from fastdefect.files import finite
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.stress import choose_disturbances
from fastdefect.reporting.tables.stress import stress_table

Pixels = NDArray[np.uint8]
BRIGHTNESS = DISTURBANCES["brightness"]
DARKER = replace(BRIGHTNESS, strengths=(0.9, 0.7, 0.5))
# Bright parts are good (class 1): the line is at 100. By truth, the last two of each are wrong.
LEVELS = (60, 80, 90, 120, 105, 130, 150, 240, 90, 70)
Y_TRUE = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0])


def flat(levels: tuple[int, ...], side: int = 8) -> Pixels:
    return np.array(levels, np.uint8)[:, None, None, None] * np.ones((1, side, side, 3), np.uint8)


def brightness(photos: Pixels, at: Sequence[int] = ()) -> NDArray[np.float64]:
    """P(good) grows with the mean level, and is a half at 100."""
    bright = 1 / (1 + np.exp((100 - photos.mean(axis=(1, 2, 3))) / 10))
    return np.stack([1 - bright, bright], axis=1)


def most_probable(predict: Predict) -> Decide:
    return lambda photos, at: np.asarray(predict(photos, at).argmax(axis=1))


def run(
    levels: tuple[int, ...] = LEVELS,
    y_true: NDArray[np.int64] = Y_TRUE,
    good: int | None = 1,
    decide: Decide | None = None,
    **options: object,
) -> StressReport:
    defaults = {
        "parts": [str(i) for i in range(len(levels))],
        "seed": 1,
        "disturbances": [DARKER],
    }
    photos = LabelledPhotos(
        flat(levels), range(len(levels)), y_true, () if good is None else (good,)
    )
    decide = decide or most_probable(brightness)
    return stress(decide, photos, **{**defaults, **options})  # type: ignore[arg-type]


def test_flips_and_mistakes_by_hand() -> None:
    report = run()
    # As they are: 120 of the defective passes, 90 of the good is rejected.
    assert report.undisturbed == Mistakes(5, 1, 5, 1)
    (line,) = report.lines
    weak, middle, strong = line.points
    # x0.9: 105 -> 94 flips to overkill; 120 -> 108 still passes.
    assert (weak.flips, weak.to_escape, weak.to_overkill) == (Flips(10, 1), 0, 1)
    assert weak.mistakes == Mistakes(5, 1, 5, 2)
    # x0.7: 120 -> 84, 105, 130 -> 91 flip; 150 -> 105 doesn't.
    assert (middle.flips, middle.to_overkill) == (Flips(10, 3), 2)
    assert middle.mistakes == Mistakes(5, 0, 5, 3)
    assert middle.mistakes.escape_rate == 0
    assert middle.mistakes.overkill_rate == 0.6
    # x0.5: only 240 is still bright.
    assert (strong.flips, strong.mistakes.overkills) == (Flips(10, 4), 4)
    assert weak.flips.interval == Flips(10, 1).interval
    assert [point.unchanged for point in line.points] == [0, 0, 0]


def test_brighter_photos_escape() -> None:
    report = run(disturbances=[BRIGHTNESS])
    below, above = report.lines[0].directions
    assert [point.strength for point in below] == [0.9, 0.7, 0.5]
    assert [point.strength for point in above] == [1.1, 1.3, 1.5]
    # x1.3: 80 -> 104 and 90 -> 117, one 90 is good; x1.5: 70 -> 105 too.
    assert [point.to_escape for point in above] == [0, 2, 3]
    assert above[1].mistakes == Mistakes(5, 3, 5, 0)
    assert above[1].to_overkill == 0
    assert above[1].flips == Flips(10, 3)


def test_a_part_flips_with_any_of_its_photos() -> None:
    parts = ["a", "a", "b", "c", "b", "c", "d", "d", "d", "d"]
    report = run(parts=parts)
    assert report.n_parts == 4
    # 105 is b's; then 120 and 130 are c's; then 150 is d's.
    assert [point.parts for point in report.lines[0].points] == [
        Flips(4, 1),
        Flips(4, 2),
        Flips(4, 3),
    ]


def test_the_decision_is_the_callers() -> None:
    def strict(photos: Pixels, at: Sequence[int]) -> NDArray[np.int64]:
        return np.where(brightness(photos)[:, 1] > 0.99, 1, 0)  # brighter than 146

    report = run(decide=strict)
    assert report.undisturbed == Mistakes(5, 0, 5, 3)
    assert [point.flips.flips for point in report.lines[0].points] == [1, 1, 2]


def test_without_a_good_class_there_are_flips_and_no_rates() -> None:
    report = run(good=None)
    point = report.lines[0].points[1]
    assert point.flips == Flips(10, 3)
    assert np.isnan(point.mistakes.escape_rate)
    assert np.isnan(point.mistakes.overkill_rate)
    assert (point.to_escape, point.to_overkill) == (0, 0)
    assert not point.mistakes.has_good
    assert first_breaks(report, Limits(max_escape=0.0, max_overkill=0.0))[0].strength is None


def test_rows_of_the_store_are_not_positions_and_each_photo_has_its_own_draws() -> None:
    seen: list[Pixels] = []

    def predict(photos: Pixels, at: Sequence[int]) -> NDArray[np.float64]:
        seen.extend(photos)
        return brightness(photos)

    store = flat((0, 0, *LEVELS))
    rows = [4, 2, 4, 11]
    noise = replace(DISTURBANCES["noise"], strengths=(5, 25))
    photos, parts = LabelledPhotos(store, rows, np.array([0, 0, 0, 0]), (1,)), list("abcd")
    decide = most_probable(predict)
    stress(decide, photos, parts=parts, seed=3, disturbances=[noise])
    assert [int(image[0, 0, 0]) for image in seen[:4]] == [90, 60, 90, 70]
    for position, image in enumerate(seen[4:8]):
        expected = noise.apply(store[rows[position]], 5, generator(3, "noise", 0, position))
        np.testing.assert_array_equal(image, expected)
    assert (seen[4] != seen[6]).any()  # the same photo twice
    # Without the disturbance that came before, the draws are the same.
    first, seen[:] = list(seen), []
    both = [DARKER, noise]
    stress(decide, photos, parts=parts, seed=3, disturbances=both)
    np.testing.assert_array_equal(seen[-8:], first[-8:])
    seen.clear()
    stress(decide, photos, parts=parts, seed=4, disturbances=[noise])
    assert (np.array(seen[4:]) != np.array(first[4:])).any()


def test_photos_come_in_batches_and_steps_are_reported() -> None:
    n, sizes, told = 150, [], []

    def predict(photos: Pixels, at: Sequence[int]) -> NDArray[np.float64]:
        sizes.append(len(photos))
        return brightness(photos)

    report = stress(
        most_probable(predict),
        LabelledPhotos(flat((120,) * n), range(n), np.ones(n, np.int64), (1,)),
        parts=["p"] * n, seed=0,
        disturbances=[DARKER], on_step=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert sizes == [64, 64, 22] * 4
    assert told[0] == (64, 600)
    assert told[-1] == (600, 600)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert report.n_parts == 1


def test_disturbances_without_effect_on_grey_photos_are_reported() -> None:
    report = run(disturbances=[DISTURBANCES["colour temperature"], DARKER])
    colour, darker = report.lines
    assert {point.unchanged for point in colour.points} == {10}
    assert not colour.acts
    assert darker.acts


def test_a_new_disturbance_is_declared_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    fog = Disturbance(
        "fog", "share", "{:.0%} fog", 0, (0.5, 0.9), lambda image, share, rng: image // 2
    )
    monkeypatch.setitem(DISTURBANCES, fog.name, fog)
    assert choose_disturbances(None)[-1] is fog
    assert choose_disturbances(" Fog") == (fog,)
    with pytest.raises(UsageError) as caught:
        choose_disturbances("rain")
    assert fog.name in caught.value.hint
    report = run(disturbances=None)
    assert report.lines[-1].disturbance is fog
    table = stress_table(
        report,
        Limits(max_flips=0.2),
        DecisionRule("none", 1.0, 0.5, None, "the most probable class"),
        split="valid",
        available=len(LEVELS),
        opening=None,
    )
    assert [row[:2] for row in table.rows[-2:]] == [("fog", "50% fog"), ("", "90% fog")]


def test_all_disturbances_run_and_go_to_json() -> None:
    # A texture, so that all of them act but the colour of the light.
    photos = np.random.default_rng(0).integers(60, 150, (6, 32, 32, 1)).astype(np.uint8)
    photos = np.repeat(photos, 3, axis=3)
    y_true = np.array([0, 1, 0, 1, 0, 1])
    report = stress(
        most_probable(brightness), LabelledPhotos(photos, range(6), y_true, (1,)),
        parts=list("aabbcc"), seed=0,
    )  # fmt: skip
    assert [line.disturbance.name for line in report.lines] == list(DISTURBANCES)
    assert [line.disturbance.name for line in report.lines if not line.acts] == [
        "colour temperature"
    ]
    as_json = report.as_json()
    assert json.loads(json.dumps(finite(as_json), allow_nan=False)) == finite(
        json.loads(json.dumps(as_json))
    )
    assert as_json["disturbances"][0]["disturbance"] == "brightness"
    point = as_json["disturbances"][0]["points"][2]
    assert point["strength"] == 0.5
    assert set(point) >= {"flips", "parts", "escapes", "overkill_rate", "to_escape", "unchanged"}
    assert run(good=None).as_json()["undisturbed"]["escape_rate"] is None


@pytest.mark.parametrize("length", [0, 3])
def test_lengths_that_differ_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="as many labels and parts"):
        run(parts=["a"] * length)
    with pytest.raises(ValueError, match="at least one"):
        run(levels=(), y_true=np.array([], np.int64), parts=[])


# ---- limits


def report_of(
    disturbance: Disturbance,
    flips: list[int],
    escapes: list[int],
    overkills: list[int],
    undisturbed_escapes: int = 0,
) -> StressReport:
    points = tuple(
        StressPoint(s, Flips(100, f), Flips(100, f), Mistakes(50, e, 50, o), 0, 0, 0)
        for s, f, e, o in zip(disturbance.strengths, flips, escapes, overkills, strict=True)
    )
    undisturbed = Mistakes(50, undisturbed_escapes, 50, 0)
    return StressReport(100, 100, 0, undisturbed, (StressLine(disturbance, points),))


def test_the_first_break_of_each_direction() -> None:
    report = report_of(BRIGHTNESS, [1, 9, 30, 4, 6, 7], [0, 0, 0, 1, 4, 9], [1, 9, 30, 0, 0, 0])
    below, above = first_breaks(report, Limits(max_flips=0.08, max_escape=0.05))
    assert below == Break(BRIGHTNESS, 0.7, ("flips",), 0.9, 0.5)
    assert above == Break(BRIGHTNESS, 1.3, ("escape",), 1.1, 1.5)
    both = first_breaks(report, Limits(max_flips=0.05, max_escape=0.05, max_overkill=0.5))[1]
    assert both.broken == ("flips", "escape")
    assert below.as_json() == {
        "disturbance": "brightness", "strength": 0.7, "broken": ["flips"], "held": 0.9, "end": 0.5,
    }  # fmt: skip


def test_a_limit_that_is_just_reached_holds() -> None:
    report = report_of(DARKER, [8, 8, 9], [0, 0, 0], [0, 0, 0])
    (found,) = first_breaks(report, Limits(max_flips=0.08))
    assert (found.strength, found.held) == (0.5, 0.7)


def test_all_may_hold_and_the_weakest_may_break() -> None:
    report = report_of(DARKER, [9, 0, 0], [0, 0, 0], [0, 0, 0])
    assert first_breaks(report, Limits())[0] == Break(DARKER, None, (), 0.5, 0.5)
    # What holds again later doesn't count.
    assert first_breaks(report, Limits(max_flips=0.05))[0] == Break(
        DARKER, 0.9, ("flips",), None, 0.5
    )


def test_undisturbed_photos_may_break_a_limit_already() -> None:
    report = report_of(DARKER, [0, 0, 0], [0, 0, 0], [0, 0, 0], undisturbed_escapes=5)
    (found,) = first_breaks(report, Limits(max_escape=0.05))
    assert found == Break(DARKER, 1, ("escape",), None, 0.5)
