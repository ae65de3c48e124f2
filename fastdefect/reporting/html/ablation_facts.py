"""What the page of an ablation is made of: plain values, gathered by ``jobs/ablate_page.py``."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastdefect.evaluation.ablation import Gain, Step
from fastdefect.reporting.html.facts import RunRecord
from fastdefect.reporting.tables.table_data import TableData


@dataclass(frozen=True)
class Training:
    """A finished training: its seed, time, and the validation photos of its split."""

    name: str
    seed: int
    seconds: float
    photos: int
    epochs: int


@dataclass(frozen=True)
class AblationFacts:
    """Everything that the page of an ablation shows.

    ``figures`` are by step and seed, ``gains`` by step and figure. ``table`` is that of the
    command; None before any training is finished. ``left`` and ``diverged`` name trainings,
    ``resume`` is the command that continues, and ``command`` what was typed for this page.
    """

    record: RunRecord
    plan: str
    seeds: tuple[int, ...]
    steps: tuple[Step, ...]
    figures: Mapping[str, Mapping[int, Mapping[str, float]]]
    gains: Mapping[str, Mapping[str, Gain]]
    table: TableData | None
    trainings: tuple[Training, ...]
    left: tuple[str, ...]
    diverged: tuple[str, ...]
    resume: str
    command: str
    time: str
    version: str

    @property
    def seeds_done(self) -> int:
        """The number of seeds with a finished training."""
        return len({seed for by_seed in self.figures.values() for seed in by_seed})
