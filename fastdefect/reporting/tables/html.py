"""Tables as HTML, for notebooks."""

from html import escape

from fastdefect.reporting.tables.table_data import TableData

# In the colours of the console, on light and dark backgrounds.
_STYLES = {"good": ' style="color: #2a9d4a"', "bad": ' style="color: #d64545"'}
_LEFT, _RIGHT = ' style="text-align: left"', ' style="text-align: right"'


def as_html(table: TableData) -> str:
    """``table`` with its title above and its caption below; all text is escaped.

    The first column is aligned left, the others right, as on the console.
    """
    title = f"<p><b>{escape(table.title)}</b></p>"
    if not table.rows:
        return f"{title}<p>{escape(table.empty or 'None.')}</p>"
    lines = ["<table>", f"<thead>{_line('th', table.columns)}</thead>", "<tbody>"]
    for index, row in enumerate(table.rows):
        lines.append(_line("td", row, _STYLES.get(table.marks.get(index, ""), "")))
    lines += ["</tbody>", "</table>"]
    if table.caption:
        lines.append(f"<p><small>{escape(table.caption)}</small></p>")
    return title + "\n".join(lines)


def _line(tag: str, cells: tuple[str, ...], style: str = "") -> str:
    shown = (
        f"<{tag}{_RIGHT if index else _LEFT}>{escape(cell)}</{tag}>"
        for index, cell in enumerate(cells)
    )
    return f"<tr{style}>{''.join(shown)}</tr>"
