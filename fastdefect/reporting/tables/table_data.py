"""A table as plain values, quick to import for commands without metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TableData:
    """A table: the first column holds names, the others values as text.

    ``empty`` is the sentence shown for a table without rows.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    marks: Mapping[int, str] = field(default_factory=dict)  # row -> "good" or "bad"
    empty: str = ""
