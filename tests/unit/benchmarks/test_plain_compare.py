"""The difference of two arms, pooled over seeds, is that of whole parts drawn for both."""

from typing import Any

import numpy as np
import pytest
from helpers.benchmarks import load

from fastdefect.evaluation.statistics.paired import paired_differences
from fastdefect.metrics import Weighted, measure

compare = load("plain_compare")
arms = load("plain_arms")
sets = load("plain_sets")
plain = load("plain")


def _outcome(p_defect: Any, flips: Any = None, **changes: Any) -> Any:
    """What an arm says; the classes are defect and good."""
    y_prob = np.stack([p_defect, 1 - np.asarray(p_defect)], axis=1)
    times = {"wall": arms.Seconds(20.0, 16.0), "cpu": arms.Seconds(9.0, 8.0)}
    known = {"trained_on": 10, "epochs": 4, "program": "abc", **times}
    return arms.Outcome(**{**known, **changes}, y_prob=y_prob, flips=flips)


def _cell(labels: str, parts: str, stressed: tuple[int, ...] = ()) -> Any:
    """Held-out photos: ``d`` or ``g``, and the part of each."""
    names = {"d": "defect", "g": "good"}
    held = tuple(
        sets.Row(f"/{i}.jpg", names[label], part)
        for i, (label, part) in enumerate(zip(labels, parts, strict=True))
    )
    return compare.Cell((sets.Sides("sample", "good", held, held),), None, (stressed,))


def _parts(cell: Any) -> list[str]:
    return [row.part for row in cell.of.held_out]


@pytest.fixture
def drawn() -> Any:
    """24 photos of eight parts, and what two arms of three seeds say of them."""
    rng = np.random.default_rng(8)
    cell = _cell("dddgggdddgggdddgggdddggg", "aaabbbcccdddeeefffggghhh")
    truth = (cell.y_true(1) == 0).astype(float)
    for arm, skill in (("plain", 0.2), ("ours", 0.6)):
        for seed in (1, 2, 3):
            p = np.clip(skill * truth + (1 - skill) * rng.random(24), 0.01, 0.99)
            cell.outcomes.setdefault(arm, {})[seed] = _outcome(p)
    return cell


def test_on_one_seed_it_is_the_paired_bootstrap(drawn: Any) -> None:
    of = {arm: {2: seeds[2]} for arm, seeds in drawn.outcomes.items()}
    cell = compare.Cell(drawn.sides, None, ((),), of)
    found = compare.contrast(cell, "ours", "plain", draws=500)

    def alone(arm: str) -> Any:
        y_prob = of[arm][2].y_prob
        return lambda weights: measure(
            Weighted(weights, cell.y_true(2), y_prob, y_prob.argmax(axis=1), (1,))
        )

    expected = paired_differences(alone("plain"), alone("ours"), _parts(cell), draws=500, seed=0)
    assert (found.auc, found.accuracy) == (expected["auc"], expected["accuracy"])
    assert found.flips is None
    assert found.flips_ratio is None


def test_over_seeds_it_is_the_mean_in_each_draw(drawn: Any) -> None:
    found = compare.contrast(drawn, "ours", "plain", draws=400)
    # by hand: parts drawn as photos written out, scored one draw and one seed at a time
    parts = np.array(_parts(drawn))
    names = np.unique(parts)
    counts = np.random.default_rng(0).multinomial(8, np.full(8, 1 / 8), size=400)
    differences = []
    for count in counts:
        photos = np.concatenate([np.flatnonzero(parts == n) for n in np.repeat(names, count)])
        truth = drawn.y_true(1)[photos]
        accuracy = {
            arm: np.mean([(o.y_prob[photos].argmax(axis=1) == truth).mean() for o in of.values()])
            for arm, of in drawn.outcomes.items()
        }
        differences.append(accuracy["ours"] - accuracy["plain"])
    assert found.accuracy.interval == pytest.approx(np.quantile(differences, [0.025, 0.975]))
    assert found.seeds == (1, 2, 3)
    assert found.accuracy.difference == pytest.approx(np.mean(found.accuracy_by_seed))
    assert found.auc.difference == pytest.approx(np.mean(found.auc_by_seed))


def test_only_seeds_that_both_have_are_compared(drawn: Any) -> None:
    del drawn.outcomes["plain"][1]
    assert compare.contrast(drawn, "ours", "plain", draws=50).seeds == (2, 3)
    del drawn.outcomes["plain"]
    assert compare.contrast(drawn, "ours", "plain", draws=50) is None


def test_flips_are_weighed_by_part_and_given_as_a_ratio() -> None:
    cell = _cell("dgdgdg", "aabbcc", stressed=(0, 1, 2, 5))
    sure = [0.9, 0.1, 0.9, 0.1, 0.9, 0.1]
    many, few = np.zeros((7, 4), bool), np.zeros((7, 4), bool)
    many[:4, :] = True  # 4 of 7 changed on every photo
    few[0, :] = True
    cell.outcomes["plain"] = {1: _outcome(sure, many), 2: _outcome(sure, many)}
    cell.outcomes["ours"] = {1: _outcome(sure, few), 2: _outcome(sure, many)}
    found = compare.contrast(cell, "ours", "plain", draws=200)
    assert found.flips.before == pytest.approx(4 / 7)
    assert found.flips.after == pytest.approx(2.5 / 7)
    assert found.flips_ratio == pytest.approx(0.625)
    assert not found.verdicts["flips_at_most_half"]
    assert compare.summary(cell, "ours").flips == pytest.approx(2.5 / 7)


def test_seeds_with_other_held_out_parts_are_compared_on_their_own_photos() -> None:
    cells = [_cell("dgdgdg", "aabbcc", (0, 1)), _cell("ggdgd", "xyyzz", (2,))]
    cell = compare.Cell(tuple(c.of for c in cells), None, tuple(c.stressed[0] for c in cells))
    flips = {1: np.zeros((7, 2), bool), 2: np.ones((7, 1), bool)}  # of 2 photos, and of 1
    right = {1: [0.9, 0.1, 0.9, 0.1, 0.9, 0.1], 2: [0.1, 0.1, 0.9, 0.1, 0.9]}
    wrong = {1: [0.9, 0.1, 0.9, 0.9, 0.9, 0.1], 2: [0.9, 0.1, 0.1, 0.1, 0.9]}  # in b, x and y
    cell.outcomes["plain"] = {seed: _outcome(wrong[seed], flips[seed]) for seed in (1, 2)}
    cell.outcomes["ours"] = {seed: _outcome(right[seed], flips[seed]) for seed in (1, 2)}
    found = compare.contrast(cell, "ours", "plain", draws=300)
    assert found.accuracy_by_seed == pytest.approx((1 / 6, 2 / 5))
    assert found.accuracy.difference == pytest.approx((1 / 6 + 2 / 5) / 2)
    assert found.flips.before == pytest.approx(1 / 3)  # of three photos, that of seed 2
    assert compare.summary(cell, "ours").n_good == pytest.approx(3)
    assert (cell.number(2), cell.number(3)) == (1, 0)
    # by hand: the six parts together, each scored by the seed that holds it out
    photos, errors = np.array([2, 2, 2, 1, 2, 2]), np.array([0, 1, 0, 1, 1, 0])
    counts = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), size=300)
    shares = [
        (c * errors).reshape(2, 3).sum(1) / (c * photos).reshape(2, 3).sum(1)
        for c in counts
        if (c * photos).reshape(2, 3).sum(1).all()
    ]
    expected = np.quantile(np.mean(shares, axis=1), [0.025, 0.975])
    assert found.accuracy.interval == pytest.approx(expected)


def test_verdicts_follow_the_interval_and_the_mean() -> None:
    cell = _cell("dgdgdgdg", "aabbccdd")
    right, worse = [0.9, 0.1] * 4, [0.9, 0.1] * 3 + [0.1, 0.1]
    cell.outcomes["plain"] = {1: _outcome(right)}
    cell.outcomes["ours"] = {1: _outcome(worse)}
    below = compare.contrast(cell, "ours", "plain").verdicts
    assert (below["accuracy_above_margin"], below["accuracy_not_below"]) == (False, False)
    cell.outcomes["ours"] = {1: _outcome(right)}
    same = compare.contrast(cell, "ours", "plain").verdicts
    assert (same["accuracy_above_margin"], same["accuracy_not_below"]) == (True, True)
    assert same["flips_at_most_half"] is None


@pytest.mark.parametrize(
    ("clock", "seconds", "epochs"),
    [
        # 4 s beside its 4 epochs, which took 4 s each
        *(("wall", 20.0, 4), ("wall", 23.9, 4), ("wall", 24.0, 5), ("wall", 5.0, 1)),
        # 1 s beside them, 2 s each
        ("cpu", 21.0, 10),
    ],
)
def test_equal_time_is_whole_epochs_after_the_start(
    clock: str, seconds: float, epochs: int
) -> None:
    fitted = _outcome([0.5], **{clock: arms.Seconds(seconds)})
    assert plain.epochs_in(_outcome([0.5]), fitted, clock) == epochs
