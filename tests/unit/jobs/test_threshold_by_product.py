"""``threshold --by-product``: what is kept in the run, and what decides from then on."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.examples import examples
from helpers.made_runs import made_run, split_row
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.events import silent
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.threshold import ThresholdReport, choose_threshold
from fastdefect.jobs.trained.decision import decision_for
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run

REQUEST = Request(views="none", device="cpu", command="fastdefect threshold")


def _run(folder: Path, products: tuple[str, ...] = ("axle", "cover", "lid")) -> Run:
    """Axles score 0.5 lower than covers; of lids there are two parts of each kind."""
    scores, rows = {}, []
    for product in products:
        for label, base in (("defect", 0.3), ("good", 0.1)):
            for i in range(2 if product == "lid" else 12):
                path = f"{label}/{product}-{i}.png"
                scores[path] = base + i / 1000 + (0.5 if product == "cover" else 0)
                rows.append({**split_row(path, path), "product": product})
    return made_run(folder / "runs", "x", rows, scores)


def _choose(run: Run, criteria: Criteria | None = None) -> ThresholdReport:
    return choose_threshold(run, criteria or Criteria(), REQUEST, by_product=True, on_event=silent)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return _run(tmp_path)


def test_the_thresholds_are_kept_and_decide(run: Run) -> None:
    report = _choose(run)
    assert [each.product for each in report.products if each.own] == ["axle", "cover"]
    assert report.said == "highest F1, by product"
    rule = decision_for(run, "stored", None, "cpu", silent)
    assert dict(rule.products) == {p.product: p.threshold for p in report.products if p.own}
    assert report.point is not None
    assert rule.threshold == report.point.threshold
    score = np.array([0.25, 0.25, 0.25, 0.25, 0.25])
    y_prob = np.stack([score, 1 - score], axis=1)
    decided = rule.decide(y_prob, (1,), ["axle", "cover", "lid", "other", None])
    common = 0 if report.point.threshold <= 0.25 else 1
    assert decided.tolist() == [0, 1, common, common, common]
    stored = json.loads(run.path("operating_point.json").read_text(encoding="utf-8"))
    assert [each["reason"] for each in stored["products"]][2] == "2 defective parts, 10 are needed"


def test_a_threshold_that_is_given_is_that_of_all_products(run: Run) -> None:
    _choose(run)
    assert decision_for(run, "0.5", None, "cpu", silent).products == ()


def test_without_products_or_with_a_band_it_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both limits choose a review band"):
        _choose(run, Criteria(max_escape=0.1, max_overkill=0.1))
    other = _run(tmp_path / "other", products=("",))
    with pytest.raises(DataError, match="x knows none"):
        _choose(other)
    assert not other.path("operating_point.json").exists()


def test_a_damaged_entry_is_an_error(run: Run) -> None:
    _choose(run)
    run.put("operating_point.json", "products", [{"product": "axle"}])
    with pytest.raises(RunError, match="is damaged"):
        decision_for(run, "stored", None, "cpu", silent)


@examples(50)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(["axle", "cover", "lid", None])), min_size=1
    )
)
def test_a_photo_is_decided_as_by_the_rule_of_its_product(
    photos: list[tuple[float, str | None]],
) -> None:
    own = {"axle": 0.2, "cover": 0.8}
    rule = DecisionRule("none", 1.0, 0.5, None, "", products=tuple(own.items()))
    score = np.array([each for each, _ in photos])
    y_prob = np.stack([score, 1 - score], axis=1)
    products = [product for _, product in photos]
    one_by_one = [
        DecisionRule("none", 1.0, own.get(product or "", 0.5), None, "").verdicts(row[None], (1,))
        for row, product in zip(y_prob, products, strict=True)
    ]
    assert rule.verdicts(y_prob, (1,), products) == [verdict for (verdict,) in one_by_one]
