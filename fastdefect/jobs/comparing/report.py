"""The result of ``compare``: its values, its tables and its closing event."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.evaluation.compared import Pair
from fastdefect.jobs.comparing.runs import Entrant
from fastdefect.reporting.tables.compare import (
    changes_table,
    costs_table,
    figures_table,
    mcnemar_table,
    settings_table,
)
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.reporting.tables.tabled import Tabled


@dataclass(frozen=True)
class CompareReport(Tabled):
    """The result of ``compare``: each of ``entrants`` except the first is paired with the first.

    ``split`` is valid, test or data, and ``where`` its description. ``settings`` are those that
    differ, by flag, with the value of each entrant. ``page`` is the file to read, if it was made.
    ``products`` are the pairs on the photos of each product, for runs by product.
    """

    split: str
    where: str
    entrants: tuple[Entrant, ...]
    settings: tuple[tuple[str, tuple[Any, ...]], ...]
    pairs: tuple[Pair, ...]
    files: tuple[Path, ...]
    page: Path | None = None
    products: tuple[Pair, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and ``compare.json``."""
        runs = [
            {
                "run": str(entrant.run.folder),
                **entrant.costs(),
                "decision": entrant.decision.as_json(),
            }
            for entrant in self.entrants
        ]
        return {
            "split": self.split,
            "where": self.where,
            "runs": runs,
            "settings": [
                {"setting": name, "values": [_plain(value) for value in values]}
                for name, values in self.settings
            ],
            "comparisons": [_of_pair(pair) for pair in self.pairs],
            "files": [str(file) for file in self.files],
            **({"report": str(self.page)} if self.page else {}),
            **({"products": [_of_pair(pair) for pair in self.products]} if self.products else {}),
        }

    def tables(self) -> list[TableData]:
        """Three tables for each pair, then the settings that differ, and the costs."""
        names = [entrant.name for entrant in self.entrants]
        return [
            *(table for pair in self.pairs for table in self._tables_of(pair)),
            *(self.figures_of(pair) for pair in self.products),
            settings_table(self.settings, names),
            costs_table([entrant.costs() for entrant in self.entrants]),
        ]

    def _tables_of(self, pair: Pair) -> list[TableData]:
        comparison, before, after = pair.comparison, pair.before, pair.after
        return [
            self.figures_of(pair),
            mcnemar_table(comparison, before, after),
            changes_table(comparison, before, after),
        ]

    def figures_of(self, pair: Pair) -> TableData:
        """Each metric of a pair, with the difference and the verdict."""
        tuned = "Each run was tuned on these photos: its metrics are slightly optimistic."
        return figures_table(
            pair.comparison,
            pair.before,
            pair.after,
            where=self.where,
            opening=pair.opening,
            note=tuned if self.split == "valid" else "",
        )


def _of_pair(pair: Pair) -> dict[str, Any]:
    names = {"before": pair.before, "after": pair.after, "opening": pair.opening}
    return {**names, **pair.comparison.as_json()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.as_posix()
    return list(value) if isinstance(value, tuple) else value
