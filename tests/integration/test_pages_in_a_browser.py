"""The pages of compare and ablate in a real browser: their controls, figures and requests.

Chromium of the system and the driver of playwright are needed; without them the tests are skipped.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.chromium import IN_A_BROWSER
from helpers.compared import CASTINGS, RIGHT, ROWS, compare_in
from helpers.folders import photo_folder
from helpers.heat_maps import heat_maps
from helpers.made_runs import made_run
from helpers.page_files import (
    AXE,
    assert_accessible,
    assert_fits,
    assert_prints,
    cards,
    opened,
)
from helpers.played_ablation import play_ablation, start_ablation

from fastdefect.config_resolve import resolve
from fastdefect.jobs.ablate_page import with_page
from fastdefect.jobs.comparing.page import ComparePage

pytestmark = IN_A_BROWSER
DEFECTS = [row["path"] for row in ROWS[:32] if row["label"] == "defect"]
GOOD = [row["path"] for row in ROWS[:32] if row["label"] == "good"]
BEFORE = {DEFECTS[0]: 0.2, GOOD[0]: 0.8, GOOD[1]: 0.8}
AFTER = {DEFECTS[0]: 0.3, DEFECTS[5]: 0.4, GOOD[0]: 0.9}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two runs with all photos and some heat maps."""
    folder = tmp_path_factory.mktemp("compared")
    data = photo_folder(folder / "data", CASTINGS, "part")
    runs = [
        made_run(folder / "runs", name, ROWS, {**RIGHT, **said}, data=data)
        for name, said in (("old", BEFORE), ("new", AFTER))
    ]
    page = ComparePage(folder / "page.html", "all")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastdefect.jobs.trained.heat_maps.heat_maps", heat_maps)
        compare_in(folder / "out", *runs, page=page)
    return page.path


@pytest.fixture(scope="module")
def ablated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the whole ladder with two seeds, played."""
    folder = tmp_path_factory.mktemp("ablated")
    settings = {"data": photo_folder(folder / "data", CASTINGS, "part"), "image_size": 16}
    settings |= {"arch": "mobilenet_v3_small", "weights": "none", "device": "cpu", "seed": 7}
    config = resolve({**settings, "workers": 0, "epochs": 8, "valid": 0.4})
    with pytest.MonkeyPatch.context() as patch:
        play_ablation(patch, [])
        with_page(start_ablation(config, folder / "runs"), folder / "page.html", "fastdefect")
    return folder / "page.html"


@pytest.fixture(params=["compared", "ablated"])
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    with opened(browser, request.getfixturevalue(request.param)) as each:
        yield each


@pytest.fixture
def comparison(browser: Any, compared: Path) -> Iterator[Any]:
    with opened(browser, compared) as each:
        yield each


def test_it_fits_every_width(page: Any) -> None:
    assert_fits(page)


def test_it_prints_without_controls(page: Any) -> None:
    assert_prints(page)
    assert not any(each.is_visible() for each in page.query_selector_all(".controls"))
    for card in page.query_selector_all("#cards > li"):
        assert card.is_visible() == (card.get_attribute("data-outcome") != "still_right")


@pytest.mark.skipif(AXE is None, reason="AXE_CORE names no axe.min.js")
def test_it_is_accessible(page: Any) -> None:
    assert AXE is not None
    assert_accessible(page, AXE)


def test_changes_are_filtered_and_sorted(comparison: Any) -> None:
    shown = [card["outcome"] for card in cards(comparison)]
    assert len(shown) == 32
    first = ["new_escape", "mended_overkill", "still_escape", "still_overkill"]
    assert shown[:4] == first
    comparison.select_option("#by-outcome", "wrong")
    assert [card["name"] for card in cards(comparison)] == [DEFECTS[5]]
    assert comparison.inner_text("#shown") == "1 of 32 photos"
    comparison.select_option("#by-outcome", "still_overkill")
    assert [card["name"] for card in cards(comparison)] == [GOOD[0]]
    comparison.select_option("#by-outcome", "")
    comparison.select_option("#sort", "high")
    scores = [float(card["score"]) for card in cards(comparison)]
    assert scores == sorted(scores, reverse=True)
    comparison.fill("#part-filter", "part 1")
    assert {card["part"] for card in cards(comparison)} == {
        part for *_, part in CASTINGS if part.startswith("part 1")
    }


def test_a_photo_is_enlarged_by_keyboard_with_both_answers(comparison: Any) -> None:
    comparison.focus("#cards li:first-child button")
    comparison.keyboard.press("Enter")
    text = comparison.inner_text("#enlarged-photo")
    for part in ("newly escapes", "old → reject, P(defect) 0.9", "new → OK, P(defect) 0.4"):
        assert part in text
    comparison.keyboard.press("ArrowRight")
    assert comparison.inner_text("#enlarged-count") == "2 of 32"
    comparison.keyboard.press("Escape")
    assert not comparison.is_visible("#enlarged")


def test_the_heat_maps_of_both_models_are_beside_each_other(comparison: Any) -> None:
    assert comparison.locator("#cards .photo:visible").count() == 32
    assert comparison.locator(".map:visible").count() == 0
    comparison.check("#maps")
    twin = comparison.locator("#cards .twin:visible")
    assert twin.count() == 1
    assert comparison.locator("#cards .map:visible").count() == 2
    assert twin.locator("img:not(.map)").evaluate("photo => photo.naturalWidth") > 0
    one, other = (
        box.bounding_box() for box in comparison.locator(".photos:has(.twin) .photo").all()
    )
    assert one["y"] == other["y"]
    assert one["width"] == pytest.approx(other["width"], abs=1)
    comparison.uncheck("#maps")
    assert comparison.locator(".twin:visible").count() == 0
