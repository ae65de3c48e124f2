"""``threshold --decide part``: one score a part, and a guarantee that counts parts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.made_runs import made_run, split_row
from helpers.thresholds import kept_of, warnings_of
from scipy.stats import binom, norm

from fastdefect.config import PartRule
from fastdefect.errors import RunError, UsageError
from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.evaluation.decisions.guarantees import guaranteed_max_escape
from fastdefect.evaluation.decisions.operating_point import ScoredPhotos, Tally
from fastdefect.events import Event, silent
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.part_rule import combine_parts
from fastdefect.jobs import threshold as job
from fastdefect.jobs.trained.decision import by_unit, decision_for
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run

# Two photos of each part; the defect of the first part shows on one of them only.
SCORES = {
    "defect/1-a.png": 0.2,
    "defect/1-b.png": 0.9,
    "defect/2-a.png": 0.6,
    "defect/2-b.png": 0.5,
    "good/3-a.png": 0.1,
    "good/3-b.png": 0.3,
    "good/4-a.png": 0.45,
    "good/4-b.png": 0.1,
}


def run_of(folder: Path, scores: Mapping[str, float] = SCORES, **changes: Any) -> Run:
    rows = [split_row(path, f"part {path.partition('/')[2][:-6]}") for path in scores]
    return made_run(folder / "runs", "x", rows, scores, **changes)


def choose(
    run: Run,
    criteria: Criteria | None = None,
    events: list[Event] | None = None,
    **request: Any,
) -> job.ThresholdReport:
    asked = Request(device="cpu", **request)
    on_event = silent if events is None else events.append
    return job.choose_threshold(run, criteria or Criteria(), asked, on_event=on_event)


def test_parts_are_scored_and_counted_instead_of_photos(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    # The scores of the parts: 0.9 and 0.6 defective, 0.3 and 0.45 good.
    found = choose(run, decide="part")
    assert found.point is not None
    assert found.point.tally == Tally(0, 2, 0, 2)
    assert 0.45 < found.point.threshold < 0.6
    assert found.before == Tally(0, 2, 0, 2)
    assert found.source == (
        "validation: 4 parts of 8 photos, each decided by its photos together (worst)"
    )
    mean = choose(run, decide="part", part_rule="mean")  # 0.55, 0.55 and 0.2, 0.275
    assert mean.point is not None
    assert 0.275 < mean.point.threshold < 0.55


def test_what_is_stored_is_the_default_of_the_run(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    choose(run, part_rule="noisy-or")  # a rule alone asks for parts
    kept = kept_of(run)
    assert (kept["unit"], kept["part_rule"], kept["parts"]["parts"]) == ("part", "noisy-or", 4)
    for text in ("stored", "argmax", "0.3"):
        assert decision_for(run, text, None, "cpu", silent).part_rule == "noisy-or"
    assert choose(run).part_rule == "noisy-or"
    assert choose(run, decide="photo").part_rule is None
    assert (kept_of(run)["unit"], kept_of(run)["parts"]) == ("photo", None)
    assert decision_for(run, "stored", None, "cpu", silent).unit == "photo"


@pytest.mark.parametrize(
    ("stored", "asked", "rule", "warned"),
    [
        ({}, {"decide": "part"}, "worst", "By part (worst) its limits and guarantees do not hold"),
        ({"decide": "part"}, {"decide": "photo"}, None, "By photo its limits"),
        (
            {"decide": "part"},
            {"part_rule": "mean"},
            "mean",
            "decisions by part (worst). By part (me",
        ),
        ({"part_rule": "mean"}, {"decide": "part"}, "mean", ""),
        ({"part_rule": "mean"}, {}, "mean", ""),
        ({"decide": "part"}, {"decide": "photo", "threshold": "0.4"}, None, ""),
        ({}, {"decide": "part", "threshold": "argmax"}, "worst", ""),
    ],
)
def test_another_unit_than_the_stored_one_is_possible_but_warned_of(
    tmp_path: Path,
    stored: dict[str, Any],
    asked: dict[str, Any],
    rule: PartRule | None,
    warned: str,
) -> None:
    run = run_of(tmp_path)
    choose(run, **stored)
    request, events = Request(device="cpu", **asked), list[Event]()
    decision = decision_for(run, request.threshold, None, "cpu", silent)
    assert by_unit(run, decision, request, events.append).part_rule == rule
    assert len(warnings_of(events)) == bool(warned)
    assert all(warned in text for text in warnings_of(events))


def test_thresholds_by_product_are_not_for_parts(tmp_path: Path) -> None:
    run, request = run_of(tmp_path), Request(device="cpu", decide="part")
    point = DecisionRule("none", 1.0, 0.5, None, "hand", products=(("pump", 0.2),))
    found = by_unit(run, point, request, silent)
    assert (found.threshold, found.products, found.part_rule) == (0.5, (), "worst")


def test_a_rule_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    choose(run, decide="part")
    run.write("operating_point.json", {**kept_of(run), "part_rule": "median"})
    with pytest.raises(RunError, match="is damaged.*unknown part_rule 'median'"):
        decision_for(run, "stored", None, "cpu", silent)


def test_contradictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--decide photo decides on each photo"):
        choose(run_of(tmp_path), decide="photo", part_rule="mean")
    two = {"crack/1-a.png": 0.2, "dent/1-b.png": 0.9}
    run = run_of(tmp_path / "no", two, classes=("crack", "dent"), good=None)
    request = Request(device="cpu", decide="part")
    with pytest.raises(UsageError, match="has no good class"):
        by_unit(run, decision_for(run, "argmax", None, "cpu", silent), request, silent)


def test_the_guarantee_counts_parts_exactly(tmp_path: Path) -> None:
    n, passed = 60, 2  # defective parts with 3 photos each; two of them are never seen well
    scores = {
        f"defect/{part:03d}-{shot}.png": 0.05 if part < passed else 0.5 + 0.4 * (shot == "b")
        for part in range(n)
        for shot in "abc"
    }
    scores |= {f"good/{part:03d}-a.png": 0.3 for part in range(n, 2 * n)}
    found = choose(
        run_of(tmp_path, scores), Criteria(max_escape=0.11, confidence=0.95), decide="part"
    )
    assert found.promise is not None
    assert (found.promise.test, found.promise.n_parts) == ("binomial", n)
    assert found.promise.mean_loss == passed / n
    assert found.promise.p_value == pytest.approx(binom.cdf(passed, n, 0.11))
    assert found.promise.point is not None
    assert found.promise.point.tally == Tally(passed, n, 0, n)
    # Over photos the same set can't give it: the test for parts with several photos is weaker.
    photos = choose(
        run_of(tmp_path / "p", scores), Criteria(max_escape=0.11, confidence=0.95), decide="photo"
    )
    assert photos.promise is not None
    assert photos.promise.test == "hoeffding-bentkus"


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["worst", "mean", "noisy-or"])
def test_simulated_lines_keep_the_promise_over_parts(rule: PartRule) -> None:
    """Parts of 1 to 4 similar photos: the limit is exceeded in no more than the stated share."""
    rng, limit, confidence, draws, n = np.random.default_rng(7), 0.1, 0.9, 500, 80

    def scores_of(parts: int, mean: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        part = np.repeat(np.arange(parts), rng.integers(1, 5, parts))
        probit = (
            mean + 0.8 * rng.standard_normal(parts)[part] + 0.6 * rng.standard_normal(len(part))
        )
        score = norm.cdf(probit)
        return combine_parts(rule, np.stack([score, 1 - score], 1), part, (1,))[:, 0]

    line = np.sort(scores_of(100_000, 1.0))  # the defective parts that the line will produce
    broken = 0
    for _ in range(draws):
        score = np.concatenate([scores_of(n, 1.0), scores_of(100, -1.0)])
        names = [str(number) for number in range(len(score))]
        units = ScoredPhotos(np.arange(len(score)) < n, score, names)
        point = guaranteed_max_escape(units, limit, confidence).point
        assert point is not None
        broken += np.searchsorted(line, point.threshold) / len(line) > limit
    assert broken <= binom.ppf(0.999, draws, 1 - confidence)
