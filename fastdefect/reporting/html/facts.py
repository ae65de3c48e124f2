"""What the report of a run is made of: plain values, gathered by ``jobs/report.py``."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.evaluation.decisions.operating_point import Costs
from fastdefect.evaluation.decisions.sent import Sent
from fastdefect.evaluation.evaluate import Evaluation
from fastdefect.evaluation.label_check import Suspect
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.statistics.rates import Rate
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import DecisionRule, Verdict, defect_score
from fastdefect.metrics import Metrics
from fastdefect.reporting.html.page import Card
from fastdefect.reporting.tables.table_data import TableData

# What a decision on a photo is, the most important first.
OUTCOMES = ("escape", "overkill", "type", "look", "right")
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
    """Held-out photos, with all figures as ``fastdefect evaluate`` measures them."""

    decided: Decided
    evaluation: Evaluation
    uncalibrated: Metrics
    by_type: Mapping[str, Mapping[str, Rate]]
    sent: Sent | None

    @property
    def split(self) -> str:
        """The name of the split."""
        return self.decided.split


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
class Pictures:
    """The photos of the report: ``cards``, and what is to say about them.

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
    split. ``command`` names the run in commands. ``time`` and ``version`` are those of the report.
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
    members: tuple[str, ...]
    measured: tuple[Measured, ...]
    calibration: Mapping[str, Any]
    stress: Mapping[str, Mapping[str, Any]]
    suspects: tuple[Suspect, ...]
    swap: Mapping[str, Any]
    before: Before | None
    pictures: Pictures

    @property
    def judged(self) -> Measured | None:
        """The photos that the verdict refers to: the test if it was opened, else validation."""
        return self.measured[-1] if self.measured else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the model."""
        return tuple(self.model.get("classes", ()))

    def measured_on(self, split: str) -> Measured | None:
        """The figures of a split, if there are any."""
        return next((each for each in self.measured if each.split == split), None)


def leaked_by_plain_split(rows: Sequence[Mapping[str, str]]) -> float:
    """The expected number of held-out photos with a photo of their part in train.

    That is for a random split by photos with the same sizes, in which the parts are ignored.
    """
    used = [row for row in rows if row["split"] in ("train", "valid", "test")]
    n_train = sum(row["split"] == "train" for row in used)
    others = len(used) - 1
    if others < 1:
        return 0.0
    held = len(used) - n_train
    sizes = Counter(row["part"] for row in used)
    # That none of the other k - 1 photos of the part is among the n_train drawn for train.
    alone = {
        k: comb(others - (k - 1), n_train) / comb(others, n_train) for k in set(sizes.values())
    }
    share = sum(1 - alone[sizes[row["part"]]] for row in used) / len(used)
    return held * share
