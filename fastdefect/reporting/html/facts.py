"""What the report of a run is made of: plain values, gathered by ``jobs/report.py``."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.config import Unit
from fastdefect.evaluation.by_half import ByHalf
from fastdefect.evaluation.by_part import ByPart
from fastdefect.evaluation.decisions.operating_point import Costs
from fastdefect.evaluation.decisions.sent import Sent
from fastdefect.evaluation.evaluate import Evaluation
from fastdefect.evaluation.label_check import Suspect
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.products import ProductFigures
from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.evaluation.unseen_types import UnseenTypes
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import DecisionRule, Verdict, defect_score
from fastdefect.metrics import Metrics
from fastdefect.reporting.html.page import Card
from fastdefect.reporting.tables.table_data import TableData

# What a decision on a photo is, the most important first.
OUTCOMES = ("escape", "overkill", "type", "look", "right")
# How the networks of a run were trained: one; several seeds, averaged; without each fold in turn,
# to make a model (``--final``) or only to measure (``--folds``).
Making = Literal["one", "members", "final", "folds"]
MOST_LISTED = 5000  # photos; a browser lists more only slowly


@dataclass(frozen=True)
class Decided:
    """The photos of a split with the decisions of the run.

    ``raw`` and ``predictions`` are the probabilities before and after calibration, ``parts``,
    ``verdicts`` and ``y_pred`` (n,) the parts, decisions and decided classes.
    """

    split: str
    raw: Predictions
    predictions: Predictions
    parts: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    y_pred: NDArray[np.int64]

    @property
    def defective(self) -> NDArray[np.bool_]:
        """(n,) the truth; all are defective without a good class."""
        return ~is_good(self.predictions.y_true, self.predictions.good_indices)

    @property
    def score(self) -> Floats:
        """(n,) P(defect)."""
        return defect_score(self.predictions.y_prob, self.predictions.good_indices)


@dataclass(frozen=True)
class Measured:
    """Held-out photos, with all figures as ``fastdefect evaluate`` measures them.

    ``evaluation`` and ``sent`` are of the photos, ``by_part`` of the parts, with the decisions
    ``of_parts``; both are None if the run decides on photos. ``products`` is empty if no product is
    known. ``by_half`` has the figures of each half of a joint model; empty for other models, and if
    ``evaluate`` has not measured them by the rule of the run.
    """

    decided: Decided
    evaluation: Evaluation
    uncalibrated: Metrics
    by_type: Mapping[str, Mapping[str, Rate]]
    sent: Sent | None
    by_part: ByPart | None = None
    of_parts: Decided | None = None
    products: tuple[ProductFigures, ...] = ()
    by_half: ByHalf = field(default_factory=dict)

    @property
    def split(self) -> str:
        """The name of the split."""
        return self.decided.split

    @property
    def unit(self) -> Unit:
        """What one decision is about."""
        return "photo" if self.by_part is None else "part"

    @property
    def of_units(self) -> Decided:
        """The decisions on what the run decides: photos, or parts."""
        return self.of_parts or self.decided

    @property
    def figures(self) -> Evaluation:
        """The figures of what the run decides."""
        return self.evaluation if self.by_part is None else self.by_part.evaluation

    @property
    def reviewed(self) -> Sent | None:
        """The effect of a review band on what the run decides; None without a band."""
        return self.sent if self.by_part is None else self.by_part.sent


@dataclass(frozen=True)
class Before:
    """The run that this one continues: the tables of the comparison, or the reason for none.

    ``reason`` is the name of a text in the section ``before``.
    """

    name: str
    n: int = 0
    tables: tuple[TableData, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Trained:
    """One of several trainings of a run: its name, seed, epochs and, if it is in a fold, that."""

    name: str
    seed: int
    status: str
    best_epoch: int | None
    history: Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Pictures:
    """The photos of the report: ``cards``, and the notes about them.

    ``side`` is that of the pictures in pixels, 0 without any. ``trouble`` is why there are none.
    ``left_out`` counts the photos that a shorter list leaves out, and ``counts`` all held-out
    photos by outcome.
    """

    cards: tuple[Card, ...]
    side: int = 0
    trouble: str = ""
    left_out: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The files of a run that an auditor asks for, as values. A file that the run lacks is empty.

    ``settings`` are the sections of config.toml, ``settings_text`` the file. ``rows`` are those of
    split.csv.
    """

    folder: Path
    state: Mapping[str, Any]
    settings: Mapping[str, Any]
    settings_text: str
    model: Mapping[str, Any]
    model_digest: str
    point: Mapping[str, Any]
    rows: Sequence[Mapping[str, str]]
    environment: Mapping[str, Any]
    openings: Sequence[Mapping[str, str]]

    def side(self, split: str) -> list[Mapping[str, str]]:
        """The rows of a split."""
        return [row for row in self.rows if row["split"] == split]


@dataclass(frozen=True, kw_only=True)
class RunFacts(RunRecord):
    """Everything that the report of a run shows. A file that the run lacks is empty.

    ``measured`` has validation, and the test if it was opened by ``evaluate``. ``stress`` is by
    split, and ``unseen`` has the types left out of a training, if any. ``command`` names the run in
    commands. ``time`` and ``version`` are those of the report. ``trainings`` are those of a run
    with several networks, and ``compared`` is the table of them. Each row of a photo that was held
    out in turn has its ``fold``.
    """

    command: str
    time: str
    version: str
    good: tuple[str, ...]
    rule: DecisionRule | None
    costs: Costs | None
    findings: Sequence[Mapping[str, Any]]
    recipe: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    making: Making
    trainings: tuple[Trained, ...]
    compared: TableData | None
    measured: tuple[Measured, ...]
    calibration: Mapping[str, Any]
    stress: Mapping[str, Mapping[str, Any]]
    suspects: tuple[Suspect, ...]
    swap: Mapping[str, Any]
    unseen: tuple[UnseenTypes, ...]
    before: Before | None
    pictures: Pictures

    @property
    def judged(self) -> Measured | None:
        """The photos that the verdict refers to: the test if it was opened, else validation."""
        return self.measured[-1] if self.measured else None

    @property
    def has_model(self) -> bool:
        """Whether the run has a model; a cross-validation has only the networks of its folds."""
        return self.making != "folds"

    @property
    def is_joint(self) -> bool:
        """Whether the model has two halves: a classifier and a memory of good parts."""
        return bool(self.model.get("memory"))

    @property
    def is_out_of_fold(self) -> bool:
        """Whether each photo was decided by the network that never trained on its part."""
        return self.making in ("final", "folds")

    @property
    def trained_on(self) -> list[Mapping[str, str]]:
        """The photos that a network was trained on."""
        return [row for row in self.rows if row.get("fold") or row["split"] == "train"]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the model."""
        return tuple(self.model.get("classes", ()))

    def measured_on(self, split: str) -> Measured | None:
        """The figures of a split, if there are any."""
        return next((each for each in self.measured if each.split == split), None)


def place_of(row: Mapping[str, str]) -> str:
    """Where a photo was held out: ``fold 2``, else the name of its split."""
    return f"fold {row['fold']}" if row.get("fold") else row["split"]


def leaked_by_plain_split(rows: Sequence[Mapping[str, str]]) -> float:
    """The expected number of held-out photos with a photo of their part in the training.

    That is for a random split by photos with the same sizes, in which the parts are ignored.
    """
    used = [row for row in rows if row["split"] in ("train", "valid", "test")]
    others = len(used) - 1
    if others < 1:
        return 0.0
    sizes = Counter(row["part"] for row in used)
    held_out = Counter(place_of(row) for row in used)
    n_train = held_out.pop("train", 0)
    pool = sum(n for place, n in held_out.items() if place.startswith("fold "))
    leaked = 0.0
    for place, n in held_out.items():
        # The networks learn from train, or from all folds but the one that is held out.
        learned = pool - n if place.startswith("fold ") else pool or n_train
        # That none of the other k - 1 photos of the part is among those drawn to learn from.
        alone = {
            k: comb(others - (k - 1), learned) / comb(others, learned) for k in set(sizes.values())
        }
        leaked += n * sum(1 - alone[sizes[row["part"]]] for row in used) / len(used)
    return leaked
