"""Results as HTML for notebooks: the cells of the console, and nothing in them is markup."""

from dataclasses import dataclass
from html.parser import HTMLParser

from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.reporting.tables.html import as_html
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.reporting.tables.tabled import Tabled

TABLE = TableData(
    "Compared", ("figure", "before", "after"), (("F1", "0.5", "0.6"), ("<b>", "&", "")), "Small.",
    {0: "good"},
)  # fmt: skip


@dataclass(frozen=True)
class _Result(Tabled):
    name: str

    def tables(self) -> list[TableData]:
        return [TABLE, TableData(self.name, ("a",), (), empty="No photos.")]


class _Reader(HTMLParser):
    """The tag, the text and the style of each element."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[list[str]] = []
        self._open: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append([tag, "", dict(attrs).get("style") or ""])
        self.elements.append(self._open[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1][1] += data

    def of(self, *tags: str) -> list[str]:
        return [text for tag, text, _ in self.elements if tag in tags]


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    return reader


def test_a_notebook_shows_title_cells_and_caption() -> None:
    reader = _read(as_html(TABLE))
    assert reader.of("b", "small") == ["Compared", "Small."]
    assert reader.of("th", "td") == [*TABLE.columns, *TABLE.rows[0], *TABLE.rows[1]]
    rows = [style for tag, _, style in reader.elements if tag == "tr"]
    assert rows == ["", "color: #2a9d4a", ""]


@examples(25)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_names_are_never_markup(name: str) -> None:
    reader = _read(as_html(TableData(name, ("a",), ((name,),))))
    assert reader.of("b") == reader.of("td") == [name]
    assert {tag for tag, _, _ in reader.elements} == set("p b table thead tr th tbody td".split())


def test_a_result_is_all_of_its_tables() -> None:
    result = _Result("Empty <one>")
    assert result._repr_html_() == "\n".join(map(as_html, result.tables()))
    assert _read(result._repr_html_()).of("p")[-1] == "No photos."
    assert str(result).startswith("### Compared\n")
    assert repr(result) == "_Result(name='Empty <one>')"
