"""Tables in GitHub's Markdown, for a pull request or a wiki."""

import re
from collections.abc import Iterable

from fastdefect.reporting.tables.table_data import TableData

# Characters that begin markup within a line. An underscore between letters or digits does not
# (GitHub Flavored Markdown 0.29, section 6.4), and many file names have one.
_MARKUP = re.compile(r"[\\`*\[\]<|~&#]|(?<![^\W_])_|_(?![^\W_])")
# The beginnings that would turn a paragraph into a list or a quotation.
_BLOCK = re.compile(r"^(\d*)([-+.)>])")


def as_markdown(table: TableData) -> str:
    """``table`` with its title as a heading and its caption below.

    The first column is aligned left, the others right. Cells keep all characters, except spaces
    at their ends and repeated spaces. A line break becomes ``<br>``. The table's marks are lost,
    because Markdown has no colours. Ends with a line break.
    """
    rule = [":---", *("---:" for _ in table.columns[1:])]
    lines = [_line(map(_cell, table.columns)), _line(rule)]
    lines += [_line(map(_cell, row)) for row in table.rows]
    blocks = [f"### {_cell(table.title)}", "\n".join(lines)]
    if table.caption:
        blocks.append(_BLOCK.sub(r"\1\\\2", _cell(table.caption)))
    return "\n\n".join(blocks) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.strip().splitlines())
    return "<br>".join(_MARKUP.sub(r"\\\g<0>", line) for line in lines)
