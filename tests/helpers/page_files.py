"""Pages that are one file, in a real browser: opened, watched, and checked for accessibility."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# axe.min.js of axe-core, which no Python package brings along; without it the check is skipped.
AXE = os.environ.get("AXE_CORE")


@contextmanager
def opened(browser: Any, path: Path) -> Iterator[Any]:
    """The open file; at the end there was no message of the console and no request."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: trouble.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html.ready")
    yield page
    unexpected = [each for each in trouble if not each.startswith((path.as_uri(), "data:"))]
    assert not unexpected, unexpected
    context.close()


def cards(page: Any) -> list[dict[str, str]]:
    """The data of the photos that are shown, in their order."""
    return page.eval_on_selector_all(
        "#cards > li:not([hidden])", "cards => cards.map(card => ({...card.dataset}))"
    )


def assert_fits(page: Any) -> None:
    """No width needs a horizontal scroll."""
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def assert_prints(page: Any) -> None:
    """Printed, the page is light and has no controls."""
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.is_visible("nav")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")


def assert_accessible(page: Any, axe: str) -> None:
    """axe-core reports no violation, in both schemes, with all parts opened."""
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.evaluate(Path(axe).read_text(encoding="utf-8"))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("axe.run()")["violations"]
        problems = [(each["id"], each["nodes"][0]["html"]) for each in found]
        assert not problems, problems
