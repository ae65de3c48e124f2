"""What a search was asked for, and its trials, as its run keeps them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastdefect.errors import RunError
from fastdefect.evaluation.tuning.halving import Trial, trial_from_json
from fastdefect.evaluation.tuning.search import Choice, Field, LogRange
from fastdefect.run import Run


@dataclass(frozen=True)
class TunePlan:
    """What a search was asked for: all that its run keeps beside the config.

    ``known``: names and settings of the first trials. ``trials``: at most so many, if any limit.
    ``minutes``: the budget. ``given``: see ``RunConfig``, whose file doesn't hold it.
    """

    fields: tuple[Field, ...]
    known: tuple[tuple[str, Mapping[str, Any]], ...]
    folds: int
    trials: int | None
    minutes: float
    given: frozenset[str]

    def as_json(self) -> dict[str, Any]:
        """All fields, plain; ``plan_from_json`` reads them back."""
        return {
            **asdict(replace(self, given=frozenset())),
            "given": sorted(self.given),
        }


def plan_from_json(content: Mapping[str, Any]) -> TunePlan:
    """What ``TunePlan.as_json`` gave; raises ``RunError`` if it is something else."""
    try:
        fields = tuple(
            Choice(of["name"], tuple(of["values"])) if "values" in of else LogRange(**of)
            for of in content["fields"]
        )
        known = tuple((name, settings) for name, settings in content["known"])
        given = frozenset(content["given"])
        return TunePlan(**{**content, "fields": fields, "known": known, "given": given})
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"The plan in run.json is damaged: {content!r:.80}.") from error


def read_trials(run: Run) -> list[Trial]:
    """All trials so far, in their order."""
    return [trial_from_json(of) for of in run.read("study.json").get("trials", [])]
