"""A page is safe whatever the names in it, and asks nothing of anyone."""

import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser

import pytest

from fastdefect.reporting.html.page import (
    Answer,
    Card,
    Gallery,
    Grid,
    Missing,
    Page,
    Section,
    Terms,
    Words,
    as_script_data,
    render_page,
)
from fastdefect.reporting.html.texts import say, texts
from fastdefect.reporting.tables.table_data import TableData

HOSTILE = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>\u202e&\x1b'


class _Elements(HTMLParser):
    """The start tags of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _gallery() -> Gallery:
    answers = tuple(Answer(HOSTILE, 0.1, model=HOSTILE) for _ in range(2))
    card = Card(HOSTILE, HOSTILE, HOSTILE, HOSTILE, "valid", "escape", answers, 0.2)
    return Gallery((card,), ("escape",), ("escape",), HOSTILE)


def _page(*blocks: object) -> str:
    section = Section("one", HOSTILE, blocks)  # type: ignore[arg-type]
    return render_page(Page(HOSTILE, HOSTILE, (section,), {"name": HOSTILE, "nan": math.nan}))


def _hostile_page() -> str:
    return _page(
        Words(HOSTILE),
        Missing(HOSTILE, HOSTILE),
        Terms(((HOSTILE, HOSTILE),)),
        Grid(TableData(HOSTILE, (HOSTILE,), ((HOSTILE,),), HOSTILE)),
        _gallery(),
    )


def test_hostile_names_add_no_element() -> None:
    elements = _Elements()
    elements.feed(_hostile_page())
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 2  # the data and the script
    assert "img" not in tags
    assert not [attrs for _, attrs in elements.found if any(key[:2] == "on" for key in attrs)]


def test_control_characters_are_shown_as_escapes() -> None:
    text = _hostile_page()
    assert "\u202e" not in re.sub(r"(?s)<script.*", "", text)
    assert "\x1b" not in text


def test_the_data_is_json_without_nan_and_cannot_end_its_element() -> None:
    text = re.search(
        r'(?s)<script type="application/json" id="page-data">(.*?)</script>', _hostile_page()
    )
    assert text is not None
    data = json.loads(text[1], parse_constant=pytest.fail)
    assert data["name"] == HOSTILE
    assert data["nan"] is None


def test_script_data_keeps_the_value() -> None:
    value = {"a": "<!--<script>\u2028", "b": [0.1, None]}
    text = as_script_data(value)
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == value


def test_nothing_is_asked_from_anywhere() -> None:
    page = _hostile_page()
    elements = _Elements()
    elements.feed(page)
    for tag, attrs in elements.found:
        for name in ("src", "href", "action", "srcset"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert "url(" not in page
    assert "@import" not in page
    policy = next(a["content"] for _, a in elements.found if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none';")


def test_only_the_script_of_the_page_may_run() -> None:
    page = _hostile_page()
    script = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_headings_and_landmarks() -> None:
    elements = _Elements()
    elements.feed(_page(Words("a")))
    tags = [tag for tag, _ in elements.found]
    for landmark in ("header", "nav", "main", "h1"):
        assert tags.count(landmark) == 1
    assert ("html", {"lang": "en"}) in elements.found
    links = [a["href"] for tag, a in elements.found if tag == "a"]
    ids = {f"#{a['id']}" for _, a in elements.found if "id" in a}
    assert set(links) <= ids


def test_a_missing_text_or_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        say("verdict.no_such_text")
    with pytest.raises(KeyError):
        say("verdict.few", n=1)


def test_texts_have_no_placeholder_left() -> None:
    assert all(
        text and "TODO" not in text for section in texts().values() for text in section.values()
    )
