"""One decision for each part, from the rows of its photos."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastdefect.data.parts.given import parts_from_names
from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.errors import DataError
from fastdefect.inference.decision_rule import DECISIONS
from fastdefect.inference.part_pattern import LONGEST
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.rows import Row

PART_COLUMNS = (
    *("part", "decision", "p_defective", "path", "photos"),
    *("n_ok", "n_look", "n_reject", "n_unlike", "n_unreadable", "model"),
)


class PartOf:
    """The part of a photo: given by a table, else in its name."""

    def __init__(self, pattern: str | None, longest: int | None = None) -> None:
        """``pattern`` applies to the place in a folder, else to the whole path, as in a training.

        A name of more than ``longest`` characters has no part. Raises ``UsageError`` if
        ``pattern`` is not a regular expression.
        """
        self._pattern, self._longest = pattern, longest
        if pattern is not None:
            parts_from_names([], pattern)

    @classmethod
    def given_or_of(cls, given: str | None, scorer: Scorer) -> "PartOf":
        """The pattern that the user gave, else that of the model."""
        return cls(given) if given is not None else cls(scorer.part_from, LONGEST)

    def __call__(self, candidate: Candidate) -> str | None:
        """The name of the part; None if it is not known."""
        if candidate.part is not None or self._pattern is None:
            return candidate.part
        return self._in(candidate.inside) or self._in(candidate.name)

    def _in(self, name: str) -> str | None:
        if self._longest is not None and len(name) > self._longest:
            return None
        try:
            return parts_from_names([name], self._pattern or "")[0]
        except DataError:  # this name does not match
            return None


@dataclass(slots=True)
class _Part:
    """What is known of a part; small, since there may be as many parts as photos."""

    model: str
    path: str
    p_defective: float | None = None
    photos: int = 0
    decisions: list[int] = field(default_factory=lambda: [0] * len(DECISIONS))
    unlike: int = 0
    unreadable: int = 0


class Parts:
    """The parts of all rows so far.

    A part is rejected if one of its photos is rejected. Otherwise a person looks at it if one of
    its photos is look. Otherwise it is OK. A photo without a known part is a part of its own.
    """

    def __init__(self) -> None:
        self.known = False  # whether any photo has a part
        self._parts: dict[str, _Part] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count the row of a photo."""
        self.known = self.known or row["part"] is not None
        name = row["part"] or row["path"]
        if (part := self._parts.get(name)) is None:
            part = self._parts[name] = _Part(row["model"], row["path"])
        part.photos += 1
        part.decisions[DECISIONS.index(row["decision"])] += 1
        part.unlike += bool(row["unlike"])
        part.unreadable += row["error"] is not None
        score = row["p_defective"]
        if score is not None and (part.p_defective is None or score > part.p_defective):
            part.p_defective, part.path = score, row["path"]

    def rows(self) -> Iterator[Row]:
        """A row for each part, in the order of its first photo."""
        for name, part in self._parts.items():
            worst = max(i for i, n in enumerate(part.decisions) if n)
            values = (name, DECISIONS[worst], part.p_defective, part.path, part.photos)
            counts = (*part.decisions, part.unlike, part.unreadable, part.model)
            yield dict(zip(PART_COLUMNS, (*values, *counts), strict=True))
