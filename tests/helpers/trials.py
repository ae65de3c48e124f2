"""Trials of a search that was never run."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastdefect.evaluation.tuning.halving import BEGUN, HeldOut, Rung, Trial


def trial_of(
    number: int,
    rungs: Sequence[Rung],
    aucs: Sequence[float],
    settings: Mapping[str, Any] | None = None,
    *,
    state: str = BEGUN,
    known: str = "",
    log_loss: float = 0.5,
) -> Trial:
    """A trial with so many trainings, in their order, of these areas; ten seconds each."""
    places = [(rung.number, fold) for rung in rungs for fold in rung.folds]
    trainings = tuple(
        HeldOut(rung, fold, auc, log_loss, 10.0)
        for (rung, fold), auc in zip(places, aucs, strict=False)
    )
    return Trial(number, settings or {}, known, state, trainings)
