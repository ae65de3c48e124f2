"""What the page of a comparison is made of: plain values, from ``jobs/comparing/page.py``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastdefect.evaluation.compare import Kind
from fastdefect.evaluation.compared import Pair
from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.reporting.html.facts import Pictures, RunRecord
from fastdefect.reporting.tables.table_data import TableData

# What became of a photo, the most important first, as the texts "outcomes" name it.
NEW: Mapping[Kind, str] = {
    "newly escapes": "new_escape",
    "new overkill": "new_overkill",
    "type now wrong": "new_type",
}
MENDED: Mapping[Kind, str] = {
    "newly caught": "mended_escape",
    "mended overkill": "mended_overkill",
    "type now right": "mended_type",
}
STILL = ("still_escape", "still_overkill", "still_type", "still_right")
CHANGES = (*NEW.values(), *MENDED.values(), *STILL)

ByType = Mapping[str, Mapping[str, tuple[Rate, Rate]]]


@dataclass(frozen=True)
class ComparedModel:
    """A compared run by its name, with its decision rule."""

    name: str
    rule: DecisionRule
    record: RunRecord


@dataclass(frozen=True)
class ComparedPair:
    """Two of the models; ``by_type`` has the escape rates of both, by column and type.

    ``figures`` is the table of the command.
    """

    pair: Pair
    figures: TableData
    by_type: ByType


@dataclass(frozen=True)
class ComparisonFacts:
    """Everything that the page of a comparison shows.

    ``split`` is valid, test or data, and ``where`` its description. ``trained``: photos of parts
    that a model was trained on may be among those of ``data``. ``hashes`` are the sha256 of the
    photos, as far as they are known. ``others`` are the tables of settings and costs. For runs by
    product, ``products`` are the tables of each product, and ``models`` has each of these runs.
    ``command`` is what was typed, and ``names`` the runs as arguments of a command.
    """

    split: str
    where: str
    trained: bool
    models: tuple[ComparedModel, ...]
    pairs: tuple[ComparedPair, ...]
    hashes: Sequence[Mapping[str, str]]
    others: tuple[TableData, ...]
    products: tuple[TableData, ...]
    pictures: Pictures
    command: str
    names: str
    time: str
    version: str
