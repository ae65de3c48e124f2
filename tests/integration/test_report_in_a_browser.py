"""The report in a real browser: its controls, its figures next to Python's, and its requests.

Chromium of the system and the driver of playwright are needed; without them the tests are skipped.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.chromium import IN_A_BROWSER
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import made_run, split_row
from helpers.page_files import (
    AXE,
    assert_accessible,
    assert_fits,
    assert_prints,
    cards,
    opened,
)

from fastdefect.evaluation.decisions.operating_point import NONE_REJECTED, Costs, Tally
from fastdefect.evaluation.decisions.review_band import Band, BandTally, load
from fastdefect.evaluation.statistics.rates import claim, rate_of
from fastdefect.events import silent
from fastdefect.jobs.report import report
from fastdefect.jobs.reports.gather import gather
from fastdefect.reporting.html.facts import Decided
from fastdefect.run import Run

pytestmark = IN_A_BROWSER
_COSTS = Costs(80.0, 3.0, 0.04)
_LOW, _HIGH = 0.31, 0.74


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """24 parts of three photos, with similar probabilities within a part, and a review band."""
    folder = tmp_path_factory.mktemp("browser")
    castings = castings_of(24, 3)
    data = photo_folder(folder / "data", castings, "part")
    rng = np.random.default_rng(3)
    base = {part: rng.normal(0.5, 1.8) for _, _, part in castings}
    rows, said = [], {}
    for name, label, part in castings:
        rows.append(split_row(name, part))
        logit = base[part] + rng.normal(0, 0.8)
        said[name] = float(1 / (1 + np.exp(-logit if label == "defect" else logit)))
    made = made_run(folder / "runs", "one", rows, said, data=data)
    point = {"views": "none", "temperature": 1.3, "threshold": _LOW, "high": _HIGH, "said": "band"}
    made.write("operating_point.json", {**point, "rule": "cost", "settings": vars(_COSTS)})
    return made


@pytest.fixture(scope="module")
def decided(run: Run) -> Decided:
    return gather(run, "none", 1, silent).measured[0].decided


@pytest.fixture(scope="module")
def path(run: Run) -> Path:
    return report(run, on_event=silent, photos="all").path


@pytest.fixture
def page(browser: Any, path: Path) -> Iterator[Any]:
    """The open report."""
    with opened(browser, path) as report_page:
        yield report_page


def _rate(hits: np.ndarray, parts: np.ndarray) -> str:
    rate = rate_of(hits, parts)
    assert rate.interval is not None
    low, high = rate.interval
    return (
        f"{rate.value:.2%} ({rate.count} of {rate.photos} photos, {rate.parts} parts), "
        f"95 % interval {low:.2%} to {high:.2%}"
    )


def _expected(decided: Decided, low: float, high: float) -> dict[str, str]:
    """What the page must show for two thresholds, computed in Python."""
    score, bad, parts = decided.score, decided.defective, np.array(decided.parts)
    passed, rejected = score < low, score >= high
    look = ~passed & ~rejected
    bound = claim(passed[bad], parts[bad])
    assert bound is not None
    wrong = Tally(
        int((passed & bad).sum()), int(bad.sum()), int((rejected & ~bad).sum()), int((~bad).sum())
    )
    tally = BandTally(wrong, int((look & bad).sum()), int((look & ~bad).sum()))
    sent = load(Band(low, high, 0, 0, None, tally), _COSTS.defect_rate, 700)
    rates = np.array([wrong.escape_rate]), np.array([wrong.overkill_rate])
    return {
        "out-escape": _rate(passed[bad], parts[bad]),
        "out-overkill": _rate(rejected[~bad], parts[~bad]),
        "out-bad": _rate(look[bad], parts[bad]),
        "out-fine": _rate(look[~bad], parts[~bad]),
        "out-claim": (
            f"{bound.hits} of {bound.parts} defective parts escaped: at most {bound.at_most:.2%} "
            "with 95 % confidence"
        ),
        "out-cost": f"{1000 * _COSTS.per_part(*rates)[0]:.2f} per 1,000 parts, "
        "with one photo per part",
        "out-load": f"{sent.share:.2%} of the parts: {sent.expected:.0f} of 700 a day, on 95 % of "
        f"days {sent.low} to {sent.high}",
    }


def _shown(page: Any) -> dict[str, str]:
    names = ("escape", "overkill", "bad", "fine", "claim", "cost", "load")
    return {f"out-{name}": page.inner_text(f"#out-{name}") for name in names}


def _move(page: Any, name: str, step: int) -> None:
    page.eval_on_selector(
        f"#{name}",
        "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')); }",
        step,
    )


def test_the_kept_point_has_the_figures_of_evaluate(page: Any, decided: Decided) -> None:
    page.fill("#parts-per-day", "700")
    assert _shown(page) == _expected(decided, _LOW, _HIGH)
    assert page.inner_text("#state") == "As the run decides now."


def test_every_threshold_has_the_figures_of_python(page: Any, decided: Decided) -> None:
    page.fill("#parts-per-day", "700")
    scores = np.unique(decided.score)
    between = scores[:-1] + np.diff(scores) / 2
    steps = np.unique([0.0, *between, _LOW, _HIGH, NONE_REJECTED])
    assert int(page.get_attribute("#low", "max")) == len(steps) - 1
    for low in range(0, len(steps), 5):
        high = min(low + 7, len(steps) - 1)
        _move(page, "high", high)
        _move(page, "low", low)
        assert _shown(page) == _expected(decided, steps[low], steps[high]), (low, high)
    page.click("#reset")
    assert _shown(page) == _expected(decided, _LOW, _HIGH)


def test_the_sliders_obey_the_keyboard_and_each_other(page: Any) -> None:
    page.focus("#low")
    before = int(page.input_value("#low"))
    page.keyboard.press("ArrowRight")
    assert int(page.input_value("#low")) == before + 1
    assert "Moved" in page.inner_text("#state")
    page.keyboard.press("End")
    assert page.input_value("#high") == page.input_value("#low")
    assert page.get_attribute("#low", "aria-valuetext").startswith("above 1")
    page.uncheck("#band")
    page.keyboard.press("Home")
    page.focus("#low")
    page.keyboard.press("Home")
    assert page.input_value("#high") == "0"


def test_a_wrong_number_is_marked(page: Any) -> None:
    page.fill("#defect-rate", "400")
    assert page.get_attribute("#defect-rate", "aria-invalid") == "true"
    assert page.inner_text("#out-cost").startswith("give both costs")


def test_photos_are_filtered_and_sorted(page: Any, decided: Decided) -> None:
    assert len(cards(page)) == len(decided.parts)
    page.select_option("#by-outcome", "wrong")
    wrong = cards(page)
    assert {card["outcome"] for card in wrong} == {"escape", "overkill"}
    assert page.inner_text("#shown") == f"{len(wrong)} of {len(decided.parts)} photos"
    page.select_option("#by-outcome", "")
    page.select_option("#sort", "high")
    scores = [float(card["score"]) for card in cards(page)]
    assert scores == sorted(decided.score.tolist(), reverse=True)
    page.select_option("#by-kind", "good")
    assert {card["kind"] for card in cards(page)} == {"good"}
    page.select_option("#by-kind", "")
    page.fill("#part-filter", decided.parts[0])
    assert all(decided.parts[0] in card["part"] + card["name"] for card in cards(page))


def test_a_photo_is_enlarged_by_keyboard_and_the_focus_returns(page: Any) -> None:
    names = [card["name"] for card in cards(page)]
    page.focus("#cards li:first-child button")
    page.keyboard.press("Enter")
    assert page.is_visible("#enlarged")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#enlarged-count") == f"2 of {len(names)}"
    assert names[1] in page.inner_text("#enlarged-photo")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert names[-1] in page.inner_text("#enlarged-photo")
    page.keyboard.press("Escape")
    assert not page.is_visible("#enlarged")
    # The browser first returns the focus to the photo that was opened, and then tells the page.
    of_focus = "name => document.activeElement.closest('li')?.dataset.name === name"
    page.wait_for_function(of_focus, arg=names[-1], timeout=5000)


def test_no_width_needs_a_horizontal_scroll(page: Any) -> None:
    assert_fits(page)


def test_it_prints_without_controls(page: Any) -> None:
    assert_prints(page)
    assert not page.is_visible("#low")


@pytest.mark.skipif(AXE is None, reason="AXE_CORE names no axe.min.js")
def test_it_is_accessible(page: Any) -> None:
    assert AXE is not None
    assert_accessible(page, AXE)
