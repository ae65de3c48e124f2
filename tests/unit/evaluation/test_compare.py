"""What changed between two models, and what of it may be called better."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.examples import examples
from helpers.predictions import certain, random_predictions
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.errors import DataError
from fastdefect.evaluation.compare import (
    FOR_THE_WORSE,
    KINDS,
    SUFFICIENT_FOR_PROBABILITIES,
    Answers,
    Comparison,
    SharedPhotos,
    compare,
)
from fastdefect.evaluation.statistics.paired import paired_differences
from fastdefect.metrics import METRICS, Weighted, measure, score

TYPES = ("crack", "dent", "good")
SWAPPED = dict(zip(KINDS[::2], KINDS[1::2], strict=True))
SWAPPED |= {other: kind for kind, other in SWAPPED.items()}

_OF_PROBABILITIES = [name for name, metric in METRICS.items() if metric.of == "probabilities"]


def _photos(
    truth: Sequence[int],
    parts: Sequence[str] | None = None,
    classes: tuple[str, ...] = ("defect", "good"),
    good: str | None = "good",
) -> SharedPhotos:
    names = tuple(f"{i}.png" for i in range(len(truth)))
    shown = names if parts is None else tuple(parts)
    return SharedPhotos(names, shown, np.array(truth), classes, (good,) if good else ())


def _sure(guesses: Sequence[int], n_classes: int = 2) -> Answers:
    """A little less than certain of its decisions."""
    y_prob = 0.98 * certain(guesses, n_classes) + 0.02 / n_classes
    return Answers(y_prob, np.array(guesses))


def _compared(photos: SharedPhotos, before: Any, after: Any, **options: Any) -> Comparison:
    said = (_sure(each, len(photos.classes)) for each in (before, after))
    return compare(photos, *said, **{"draws": 300, "seed": 0, **options})


def test_identical_answers_differ_in_nothing() -> None:
    y_true, y_prob = random_predictions(60, 3, seed=1)
    said = Answers(y_prob, y_prob.argmax(axis=1))
    found = compare(_photos(y_true, classes=TYPES), said, said, draws=200, seed=0)
    assert list(found.figures) == list(METRICS)
    for change in found.figures.values():
        assert change.difference.difference == 0
        assert change.difference.interval == (0, 0)
        assert (change.verdict, change.changed_parts) == ("no difference shown", 0)
    assert found.by_photo.p_value == found.by_part.p_value == 1
    assert found.changes == ()


def test_before_and_after_are_the_figures_of_each() -> None:
    y_true, before = random_predictions(80, 2, seed=1)
    _, after = random_predictions(80, 2, seed=2)
    photos = _photos(y_true)
    found = compare(
        photos,
        *(Answers(y_prob, y_prob.argmax(axis=1)) for y_prob in (before, after)),
        draws=50,
        seed=0,
    )
    scores = [score(y_true, y_prob, photos.classes, photos.good) for y_prob in (before, after)]
    for name, change in found.figures.items():
        assert change.difference.before == pytest.approx(getattr(scores[0], name))
        assert change.difference.after == pytest.approx(getattr(scores[1], name))


@pytest.mark.parametrize(
    ("truth", "before", "after", "kind"),
    [
        (0, 0, 2, "newly escapes"),
        (0, 1, 2, "newly escapes"),  # was rejected, if as another defect
        (0, 2, 0, "newly caught"),
        (0, 2, 1, "newly caught"),
        (2, 2, 1, "new overkill"),
        (2, 0, 2, "mended overkill"),
        (0, 0, 1, "type now wrong"),
        (0, 1, 0, "type now right"),
        (2, 0, 1, None),
        (0, 2, 2, None),
    ],
)
def test_each_kind_of_change(truth: int, before: int, after: int, kind: str | None) -> None:
    found = _compared(_photos([truth, 2], classes=TYPES), [before, 2], [after, 2])
    assert [change.kind for change in found.changes] == ([kind] if kind else [])


def test_without_a_good_class_only_the_types_change() -> None:
    found = _compared(_photos([0, 1, 1], good=None), [0, 1, 0], [1, 1, 1])
    assert [(c.kind, c.photos[0].path) for c in found.changes] == [
        ("type now wrong", "0.png"),
        ("type now right", "2.png"),
    ]
    assert found.changes[0].photos[0].scores is None
    assert found.figures["escape_rate"].verdict == "can't tell"
    assert found.figures["escape_rate"].as_json()["difference"] is None


def test_changes_are_gathered_by_part() -> None:
    # Part b: two photos of a defect escape newly, one is caught; part c is good, of two photos.
    photos = _photos([0, 0, 0, 0, 0, 1, 1], [*"abbbb", *"cc"])
    found = _compared(photos, [0, 0, 0, 1, 0, 0, 1], [0, 1, 1, 0, 0, 1, 1])
    shown = [(c.kind, c.part, [p.path for p in c.photos], c.of) for c in found.changes]
    assert shown == [
        ("newly escapes", "b", ["1.png", "2.png"], 4),
        ("newly caught", "b", ["3.png"], 4),
        ("mended overkill", "c", ["5.png"], 2),
    ]
    (photo, _) = found.of_kind("newly escapes")[0].photos
    assert (photo.label, photo.before, photo.after) == ("defect", "defect", "good")
    assert photo.scores == pytest.approx((0.99, 0.01))
    assert (found.by_photo.became_right, found.by_photo.became_wrong) == (2, 2)
    assert (found.by_part.became_right, found.by_part.became_wrong) == (1, 1)
    assert (found.n, found.n_parts) == (7, 3)


def _mended(n: int, *, of: int = 40) -> Comparison:
    """Of ``of`` defects and as many good parts, ``n`` escapes are caught by the second model."""
    truth = [0, 1] * of
    before = [1 if i // 2 < n and label == 0 else label for i, label in enumerate(truth)]
    return _compared(_photos(truth), before, truth)


def test_six_parts_can_be_better() -> None:
    found = _mended(6).figures
    for name in ("escape_rate", "recall", "f1", "accuracy", "auc", "brier", "log_loss"):
        assert found[name].verdict == "better", name
    assert found["escape_rate"].difference.difference == pytest.approx(-6 / 40)
    assert found["escape_rate"].changed_parts == 6
    # No good part is decided otherwise.
    assert found["overkill_rate"].changed_parts == 0
    assert found["overkill_rate"].verdict == found["specificity"].verdict == "no difference shown"


def test_five_parts_are_no_proof_even_where_the_interval_leaves_out_zero() -> None:
    change = _mended(5).figures["escape_rate"]
    assert change.difference.decides
    assert (change.verdict, change.changed_parts) == ("no difference shown", 5)


def test_many_photos_of_five_parts_are_no_more() -> None:
    truth = [0, 1] * 200
    parts = [f"{label} {i // 2 % 40}" for i, label in enumerate(truth)]
    before = [1 if part.startswith("0") and int(part[2:]) < 5 else label
              for part, label in zip(parts, truth, strict=True)]  # fmt: skip
    change = _compared(_photos(truth, parts), before, truth).figures["escape_rate"]
    assert change.difference.difference == pytest.approx(-5 / 40)
    assert (change.verdict, change.changed_parts) == ("no difference shown", 5)


def test_a_constant_model_against_a_perfect_one() -> None:
    """Each draw has all good parts rejected, then none: no interval, but no doubt either."""
    truth = [0, 1] * 10
    found = _compared(_photos(truth), [0] * 20, truth).figures
    assert found["overkill_rate"].difference.interval is None
    assert found["overkill_rate"].verdict == "better"
    assert found["auc"].difference.difference == 0.5
    assert found["auc"].verdict == "better"


def _sharper(n_parts: int, n_photos: int) -> Comparison:
    """As sure as before of each photo's class, and surer of half: decisions are the same."""
    truth = np.arange(n_photos) % n_parts % 2
    parts = [str(i % n_parts) for i in range(n_photos)]
    said = (
        Answers(np.where(np.eye(2)[truth] == 1, p, 1 - p), truth)
        for p in (np.full((n_photos, 1), 0.6), 0.7 + 0.2 * (np.arange(n_photos) % 3)[:, None] / 2)
    )
    return compare(_photos(truth.tolist(), parts), *said, draws=300, seed=0)


def test_probabilities_of_too_few_parts_have_no_verdict() -> None:
    enough = SUFFICIENT_FOR_PROBABILITIES
    for figures_of, verdict in (
        (_sharper(enough, enough).figures, "better"),
        # However many photos show them.
        (_sharper(enough - 1, 6 * enough).figures, "can't tell"),
    ):
        for name in ("brier", "log_loss", "calibration_error"):
            assert figures_of[name].difference.decides, name
            assert figures_of[name].verdict == verdict, name
        assert figures_of["accuracy"].verdict == "no difference shown"


def test_the_same_probabilities_differ_in_nothing_of_however_few_parts() -> None:
    found = _compared(_photos([0, 1] * 4), [0, 1] * 4, [0, 1] * 4).figures
    assert {found[name].verdict for name in _OF_PROBABILITIES} == {"no difference shown"}


@pytest.mark.slow
def test_chance_with_few_parts_is_no_better_brier_score() -> None:
    """Without a guard 19 % of such pairs were told apart with 6 parts, 13 % with 12."""
    rng = np.random.default_rng(3)
    for n_parts in (6, 12):
        truth = np.repeat(np.arange(n_parts) % 2, 3)
        parts = [str(i // 3) for i in range(len(truth))]
        decided = 0
        for trial in range(60):
            hard = np.repeat(rng.normal(1.2, 1, n_parts), 3)
            said = []
            for _ in range(2):
                luck = np.repeat(rng.normal(0, 0.7, n_parts), 3) + rng.normal(0, 0.5, len(truth))
                right = (1 / (1 + np.exp(-hard - luck)))[:, None]
                y_prob = np.where(np.eye(2)[truth] == 1, right, 1 - right)
                said.append(Answers(y_prob, y_prob.argmax(axis=1)))
            found = compare(_photos(truth.tolist(), parts), *said, draws=200, seed=trial).figures
            decided += found["brier"].difference.decides
            assert {found[name].verdict for name in _OF_PROBABILITIES} == {"can't tell"}
        assert decided > 3  # by the interval alone


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([1, 1, 1, 1], [0, 0, 0, 0], ("good", "defect")),
        ([0, 1, 1, 1], [0, 0, 0, 0], (None, "defect")),
        ([0, 1, 0, 1], [1, 1, 1, 0], (None, None)),
    ],
)
def test_a_constant_prediction_is_reported(before: Any, after: Any, told: Any) -> None:
    found = _compared(_photos([0, 0, 1, 1]), before, after)
    assert found.constant_prediction == told
    assert found.as_json()["constant_prediction"] == {"before": told[0], "after": told[1]}


def test_constant_prediction_is_that_of_the_decisions_not_of_the_probabilities() -> None:
    photos, sure = _photos([0, 0, 1, 1]), _sure([0, 0, 1, 1])
    all_rejected = Answers(sure.y_prob, np.zeros(4, np.int64))  # by a threshold of 0
    assert compare(photos, sure, all_rejected, draws=20, seed=0).constant_prediction == (
        None,
        "defect",
    )


def test_a_constant_prediction_for_one_class_is_not_reported() -> None:
    assert _compared(_photos([1, 1, 1]), [1, 1, 1], [0, 1, 1]).constant_prediction == (None, None)


def test_metrics_of_few_parts_have_no_verdict() -> None:
    truth = [0, 0, 0, *[1] * 40]
    found = _compared(_photos(truth), [0] * 43, [1, 1, 1, *truth[3:]]).figures
    # A draw in 20 has no defect at all.
    assert found["escape_rate"].difference.interval is None
    assert found["escape_rate"].verdict == "can't tell"
    assert found["accuracy"].verdict == "better"


@examples(30)
@given(seed=st.integers(0, 10_000))
def test_the_other_way_round_everything_is_the_other_way_round(seed: int) -> None:
    y_true, one = random_predictions(60, 3, seed=seed)
    _, other = random_predictions(60, 3, seed=seed + 1)
    photos = _photos(y_true, [f"{i % 25:02}" for i in range(60)], TYPES)
    first, second = (Answers(p, p.argmax(axis=1)) for p in (one, other))
    there = compare(photos, first, second, draws=100, seed=0)
    back = compare(photos, second, first, draws=100, seed=0)
    opposite = {"better": "worse", "worse": "better"}
    for name, change in there.figures.items():
        mirrored = back.figures[name]
        assert mirrored.difference.difference == pytest.approx(-change.difference.difference)
        assert mirrored.verdict == opposite.get(change.verdict, change.verdict)
        low, high = change.difference.interval or (0, 0)
        assert mirrored.difference.interval == pytest.approx((-high, -low))
    turned = {(SWAPPED[c.kind], c.part, tuple(p.path for p in c.photos)) for c in there.changes}
    assert turned == {(c.kind, c.part, tuple(p.path for p in c.photos)) for c in back.changes}
    # Every photo that became right or wrong is named, with what concerns passing beside it.
    wrong = {p.path for c in there.changes if c.kind in FOR_THE_WORSE for p in c.photos}
    became_wrong = (first.y_pred == y_true) & (second.y_pred != y_true)
    assert {photos.names[i] for i in np.flatnonzero(became_wrong)} <= wrong


def _calibrated(rng: np.random.Generator, confidence: Any) -> Answers:
    """A perfectly calibrated model, whose decisions are right as often as it says."""
    n = len(confidence)
    right = rng.random(n) < confidence
    y_pred = np.where(right, np.arange(n) % 2, 1 - np.arange(n) % 2)
    y_prob = np.where(np.eye(2)[y_pred] == 1, confidence[:, None], 1 - confidence[:, None])
    return Answers(y_prob, y_pred)


@pytest.mark.slow
def test_of_two_calibrated_models_neither_is_called_better() -> None:
    """Percentiles of the draws would: the wider the confidences are spread, the worse it looks."""
    rng = np.random.default_rng(0)
    photos = _photos([i % 2 for i in range(150)])
    fooled = called = 0
    for trial in range(60):
        narrow = _calibrated(rng, np.full(150, 0.9))
        wide = _calibrated(rng, rng.uniform(0.52, 1.0, 150))

        def of(said: Answers) -> Any:
            return lambda weights: measure(
                Weighted(weights, photos.y_true, said.y_prob, said.y_pred, (1,))
            )

        plain = paired_differences(of(narrow), of(wide), photos.parts, draws=200, seed=trial)
        fooled += plain["calibration_error"].decides
        found = compare(photos, narrow, wide, draws=200, seed=trial)
        called += found.figures["calibration_error"].verdict != "no difference shown"
    assert fooled > 30
    assert called == 0


@pytest.mark.slow
@pytest.mark.parametrize("flips", [0.05, 0.15])
def test_chance_alone_is_rarely_better_or_worse(flips: float) -> None:
    """Both models err on any part as often as the other: 5 % false verdicts, by the interval."""
    rng = np.random.default_rng(1)
    names = ("escape_rate", "overkill_rate", "accuracy", "f1", "auc", "log_loss")
    truth = np.repeat(np.arange(100) % 2, 2)
    parts = [f"{i // 2:03}" for i in range(200)]
    called = dict.fromkeys(names, 0)
    for trial in range(150):
        said = []
        for _ in range(2):
            y_pred = np.where(np.repeat(rng.random(100) < flips, 2), 1 - truth, truth)
            confidence = rng.uniform(0.6, 0.95, (200, 1))
            y_prob = np.where(np.eye(2)[y_pred] == 1, confidence, 1 - confidence)
            said.append(Answers(y_prob, y_pred))
        found = compare(_photos(truth.tolist(), parts), *said, draws=200, seed=trial).figures
        for name in names:
            called[name] += found[name].verdict in ("better", "worse")
    # 5 % of 150 are 7.5; more than 16 would come up once in 700 times.
    assert max(called.values()) <= 16, called


def test_a_real_difference_is_found() -> None:
    truth = np.arange(200) % 2
    rng = np.random.default_rng(2)
    weak = np.where(rng.random(200) < 0.25, 1 - truth, truth)
    strong = np.where(rng.random(200) < 0.05, 1 - truth, truth)
    found = _compared(_photos(truth.tolist()), weak, strong)
    assert found.figures["accuracy"].verdict == found.figures["f1"].verdict == "better"
    assert found.by_part.p_value < 0.001
    back = _compared(_photos(truth.tolist()), strong, weak)
    assert back.figures["accuracy"].verdict == "worse"


def test_probabilities_that_are_none_are_refused() -> None:
    broken = Answers(np.full((2, 2), np.nan), np.array([0, 1]))
    with pytest.raises(DataError, match="not"):
        compare(_photos([0, 1]), _sure([0, 1]), broken, seed=0)


def test_a_change_among_good_classes_is_neither_an_escape_nor_overkill() -> None:
    classes = ("crack", "ok_back", "ok_front")
    photos = replace(_photos([1, 1, 2, 0, 1], classes=classes), good=("ok_back", "ok_front"))
    found = _compared(photos, [2, 1, 0, 1, 1], [1, 0, 1, 2, 2])
    assert [(change.kind, change.part) for change in found.changes] == [
        ("new overkill", "1.png"),
        ("mended overkill", "2.png"),
        ("type now wrong", "4.png"),
        ("type now right", "0.png"),
    ]
    assert found.figures["escape_rate"].changed_parts == 0
    assert found.figures["overkill_rate"].changed_parts == 2
