"""The page of an audit in a real browser: its filters, its keyboard, its requests.

Chromium of the system and the driver of playwright are needed; without them the tests are skipped.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.chromium import IN_A_BROWSER
from helpers.folders import castings_of, photo_folder
from helpers.page_files import (
    AXE,
    assert_accessible,
    assert_fits,
    assert_prints,
    opened,
)

from fastdefect.config import DataConfig
from fastdefect.events import silent
from fastdefect.jobs.audit import audit
from fastdefect.jobs.reports.of_audit import WantedPage

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 parts of two photos, four of which leak; one photo has a copy with another label."""
    folder = tmp_path_factory.mktemp("audit")
    rows = [
        (name, label, part, "test" if i % 2 and i < 8 else "train")
        for i, (name, label, part) in enumerate(castings_of(12, 2))
    ]
    data = photo_folder(folder / "data", rows, "part", "split")
    shutil.copyfile(data / rows[-1][0], data / "copy.png")
    (data / "wreck.png").write_bytes(b"no photo")
    other = "good" if rows[-1][1] == "defect" else "defect"
    with (data / "photos.csv").open("a", encoding="utf-8") as table:
        table.write(f"copy.png,{other},{rows[-1][2]},train\nwreck.png,good,x,train\n")
    wanted = WantedPage(folder / "audit.html", "errors", "fastdefect audit data")
    config = DataConfig(data, parts="csv")
    audit(config, seed=0, out=folder / "out", fail_on=(), on_event=silent, page=wanted)
    return wanted.path


@pytest.fixture
def page(browser: Any, path: Path) -> Iterator[Any]:
    """The open page; at the end there was no message of the console and no request."""
    with opened(browser, path) as shown:
        yield shown


def _kinds(page: Any) -> list[str]:
    return page.eval_on_selector_all(
        "#pairs .sheet > li:not([hidden])", "items => items.map(item => item.dataset.kinds)"
    )


def _select(page: Any, role: str, value: str) -> None:
    page.select_option(f'#pairs [data-role="{role}"]', value)


def test_pairs_are_filtered_by_any_of_their_findings_and_sorted(page: Any) -> None:
    every = _kinds(page)
    assert sorted(every) == ["label_conflict duplicate", *["leak"] * 4]
    assert every[0] == "leak"  # the most severe finding first
    _select(page, "kind", "duplicate")
    assert _kinds(page) == ["label_conflict duplicate"]
    assert page.inner_text('#pairs [data-role="count"]') == "1 of 5 pairs"
    _select(page, "kind", "")
    _select(page, "sort", "alike")
    assert _kinds(page)[0] == "label_conflict duplicate"
    page.fill('#pairs [data-role="find"]', "nothing is called so")
    assert _kinds(page) == []
    assert page.is_visible("#pairs .none")


def test_a_pair_is_enlarged_by_keyboard_and_the_focus_returns(page: Any) -> None:
    page.focus("#pairs .sheet > li:first-child button")
    page.keyboard.press("Enter")
    assert page.is_visible("#pairs dialog")
    assert page.locator("#pairs dialog img").count() == 2
    assert page.inner_text('#pairs [data-role="position"]') == "1 of 5"
    page.keyboard.press("ArrowLeft")
    assert page.inner_text('#pairs [data-role="position"]') == "5 of 5"
    page.keyboard.press("Escape")
    assert not page.is_visible("#pairs dialog")
    # The browser first returns the focus to the pair that was opened, and then tells the page.
    of_focus = "kinds => document.activeElement.closest('li')?.dataset.kinds === kinds"
    page.wait_for_function(of_focus, arg="label_conflict duplicate", timeout=5000)


def test_each_panel_has_its_own_filters(page: Any) -> None:
    _select(page, "kind", "duplicate")
    assert page.inner_text('#groups [data-role="count"]').startswith("12 of 12 parts")
    assert page.inner_text("#photos .shot").startswith("wreck.png")


def test_every_control_has_a_name_and_every_id_is_unique(page: Any) -> None:
    nameless = page.eval_on_selector_all(
        "input, select, button",
        "all => all.filter(e => !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).length",
    )
    assert nameless == 0
    landmarks = page.eval_on_selector_all("[role=search]", "all => all.map(e => e.ariaLabel)")
    assert len(landmarks) == len(set(landmarks)) == 3
    ids = page.eval_on_selector_all("[id]", "all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_no_width_needs_a_horizontal_scroll(page: Any) -> None:
    assert_fits(page)


def test_it_prints_without_controls_and_follows_the_dark_scheme(page: Any) -> None:
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert_prints(page)
    assert not page.is_visible("#pairs .filters")
    assert page.is_visible("#pairs .sheet img")


@pytest.mark.skipif(AXE is None, reason="AXE_CORE names no file of axe-core")
def test_it_is_accessible(page: Any) -> None:
    assert AXE is not None
    assert_accessible(page, AXE)
