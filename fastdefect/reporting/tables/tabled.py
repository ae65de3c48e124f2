"""A result with tables: the console draws them, notebooks and ``print`` show them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from fastdefect.reporting.tables.html import as_html
from fastdefect.reporting.tables.markdown import as_markdown
from fastdefect.reporting.tables.table_data import TableData


class Tabled(ABC):
    """A base for the results of commands. ``str`` gives the tables as Markdown."""

    @abstractmethod
    def tables(self) -> Sequence[TableData]:
        """The tables of the command, in their order."""

    def __str__(self) -> str:
        return "\n".join(map(as_markdown, self.tables()))

    def _repr_html_(self) -> str:
        """The form that notebooks show."""
        return "\n".join(map(as_html, self.tables()))
