"""The plan of a search and its trials, as its run stores them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastdefect.errors import RunError
from fastdefect.evaluation.tuning.halving import Trial, trial_from_json
from fastdefect.evaluation.tuning.search import Choice, Field, LogRange
from fastdefect.run import Run


@dataclass(frozen=True)
class TunePlan:
    """What the run of a search stores beside its config.

    ``known``: names and settings of the first trials. ``trials``: the most trials, None for no
    limit. ``minutes``: the budget. ``given``: see ``RunConfig``; config.toml does not hold it.
    """

    fields: tuple[Field, ...]
    known: tuple[tuple[str, Mapping[str, Any]], ...]
    folds: int
    trials: int | None
    minutes: float
    given: frozenset[str]

    def as_json(self) -> dict[str, Any]:
        """All fields as plain values, for ``plan_from_json``."""
        return {
            **asdict(replace(self, given=frozenset())),
            "given": sorted(self.given),
        }


def plan_from_json(content: Mapping[str, Any]) -> TunePlan:
    """The plan from ``TunePlan.as_json``; raises ``RunError`` for damaged content."""
    try:
        fields = tuple(
            Choice(of["name"], tuple(of["values"])) if "values" in of else LogRange(**of)
            for of in content["fields"]
        )
        known = tuple((name, settings) for name, settings in content["known"])
        given = frozenset(content["given"])
        return TunePlan(**{**content, "fields": fields, "known": known, "given": given})
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"The plan in run.json is damaged: {content!r:.80}.", "Start a new search."
        ) from error


def read_trials(run: Run) -> list[Trial]:
    """All trials so far, in order."""
    return [trial_from_json(of) for of in run.read("study.json").get("trials", [])]
