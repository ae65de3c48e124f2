"""Markdown that a parser other than ours reads as the table that it was."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from fastdefect.reporting.tables.markdown import as_markdown
from fastdefect.reporting.tables.table_data import TableData

TABLE = TableData(
    "Compared",
    ("figure", "before", "after"),
    (("F1", "0.5", "0.6"), ("a|b", "[x](y)", "")),
    "What it says.",
    {0: "good"},
)


def _parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def _shown(token: Token) -> str:
    """What a reader sees of a line; every child but text and line breaks is markup gone wrong."""
    seen = []
    for child in token.children or []:
        assert child.type in ("text", "text_special", "html_inline"), child
        assert child.type != "html_inline" or child.content == "<br>"
        seen.append("\n" if child.type == "html_inline" else child.content)
    return "".join(seen)


def test_it_reads_well_unrendered() -> None:
    assert as_markdown(TABLE) == (
        "### Compared\n\n"
        "| figure | before | after |\n"
        "| :--- | ---: | ---: |\n"
        "| F1 | 0.5 | 0.6 |\n"
        "| a\\|b | \\[x\\](y) |  |\n\n"
        "What it says.\n"
    )


def test_a_parser_finds_heading_table_and_caption() -> None:
    tokens = _parsed(as_markdown(TABLE))
    kinds = [token.type for token in tokens if token.nesting == 1]
    assert (kinds[0], kinds[1], kinds[-1]) == ("heading_open", "table_open", "paragraph_open")
    cells = [_shown(token) for token in tokens if token.type == "inline"]
    assert cells == ["Compared", *TABLE.columns, *TABLE.rows[0], *TABLE.rows[1], TABLE.caption]
    styles = [token.attrs["style"] for token in tokens if token.type == "th_open"]
    assert styles == ["text-align:left", "text-align:right", "text-align:right"]


def test_a_table_without_caption_ends_with_its_last_row() -> None:
    assert as_markdown(TableData("", ("a",), (("b",),))).endswith("| b |\n")


def _plain(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


@pytest.mark.parametrize("caption", ["- a", "+ b", "1. c", "12) d", "# e", "> f", "| g |", "---"])
def test_a_caption_stays_a_paragraph(caption: str) -> None:
    *_, opened, line, closed = _parsed(as_markdown(TableData("t", ("a",), (("b",),), caption)))
    assert (opened.type, _shown(line), closed.type) == (
        "paragraph_open",
        caption,
        "paragraph_close",
    )


TEXT = st.text(
    st.sampled_from("ab1_*`|\\[]()<>~&;#!-+= \n") | st.characters(codec="utf-8", categories=["L"]),
    max_size=12,
)


@given(title=TEXT, cells=st.lists(TEXT, min_size=4, max_size=4))
@example(title="__init__.py #", cells=["a\\|b", "&amp;", "**x**", "<b>_c_</b>"])
def test_any_text_is_shown_as_it_is(title: str, cells: list[str]) -> None:
    table = TableData(title, (cells[0], cells[1]), ((cells[2], cells[3]),))
    tokens = _parsed(as_markdown(table))
    shown = [_shown(token) for token in tokens if token.type == "inline"]
    assert shown == [_plain(title), *map(_plain, cells)]
