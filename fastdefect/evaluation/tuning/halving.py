"""A search over settings by successive halving: its rungs, its scores, and what came out.

A one-cycle schedule anneals only at its end, so that two trainings can't be compared in the middle
of it. A rung is therefore made of whole trainings (Jamieson and Talwalkar 2016, with whole
schedules in place of epochs):

    rung 1   fold 1 held out, a third of the epochs
    rung 2   fold 1 held out, all epochs
    rung 3   each other fold held out, all epochs

A trial goes up where it is among the best third of those that were on its rung so far
(asynchronous halving: Li et al. 2020), so that with three folds each rung takes about as much time
as another. The decision hangs on earlier trials only: the sequence of trials can be cut anywhere,
and gone on with. Optuna's own pruner decides the same, but keeps its rungs in attributes of its
storage: a trial that was interrupted between two rungs can't be put back by a public door.

The score is the area under the ROC curve, the mean over the held-out folds, and of several classes
the mean of each against the rest: it hangs on no threshold, and it is what people read. On few
photos many trainings reach the same, often 1; there the lower log loss decides. It is measured at
the temperature that the held-out photos ask for, as label smoothing and MixUp leave a model less
sure without leaving it any worse.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from fastdefect.errors import RunError
from fastdefect.evaluation.decisions.calibration import fit_temperature
from fastdefect.evaluation.predictions import Predictions

FACTOR = 3  # one in so many goes up, and the first rung has one in so many of the epochs
# What a trial's state can be.
BEGUN, STOPPED, COMPLETE, DIVERGED = "begun", "stopped", "complete", "diverged"
# So little that it decides where areas agree: 0.1 weighs as much as one pair in 100 000.
_LOSS_WEIGHT, _LARGEST_LOSS = 1e-4, 10.0


@dataclass(frozen=True)
class Rung:
    """What a trial is trained on next: with ``folds`` (from 1) held out in turn."""

    number: int
    folds: tuple[int, ...]
    epochs: int


@dataclass(frozen=True)
class HeldOut:
    """One training of a trial, measured on the fold that it never saw.

    ``auc`` is NaN where the fold has photos of one class only; ``log_loss`` at the fitted
    temperature; ``seconds`` that the training took.
    """

    rung: int
    fold: int
    auc: float
    log_loss: float
    seconds: float

    @property
    def score(self) -> float:
        """The AUC, ties broken by the log loss; an AUC that isn't defined counts as chance."""
        auc = self.auc if math.isfinite(self.auc) else 0.5
        return auc - _LOSS_WEIGHT * min(self.log_loss, _LARGEST_LOSS)


@dataclass(frozen=True)
class Trial:
    """One choice of settings, by field name, and its trainings so far.

    ``known`` names a choice that the search did not make, such as a recipe; it is never stopped.
    """

    number: int
    settings: Mapping[str, Any]
    known: str = ""
    state: str = BEGUN
    trainings: tuple[HeldOut, ...] = ()

    @property
    def seconds(self) -> float:
        """What all of its trainings took."""
        return sum(training.seconds for training in self.trainings)

    def measured(self, rung: Rung, fold: int) -> bool:
        """Whether it was trained on this rung with this fold held out."""
        return any(each.rung == rung.number and each.fold == fold for each in self.trainings)

    def reached(self, rungs: Sequence[Rung]) -> int:
        """How many rungs are behind it, trained whole."""
        done = (all(self.measured(rung, fold) for fold in rung.folds) for rung in rungs)
        return next((i for i, whole in enumerate(done) if not whole), len(rungs))

    def on(self, rung: Rung, rungs: Sequence[Rung]) -> tuple[HeldOut, ...]:
        """The trainings that its score on ``rung`` is made of: all with as many epochs, so far."""
        alike = {r.number for r in rungs if r.epochs == rung.epochs and r.number <= rung.number}
        return tuple(each for each in self.trainings if each.rung in alike)

    def score(self, rung: Rung, rungs: Sequence[Rung]) -> float:
        """Its mean score over the folds held out up to ``rung``, which must be behind it."""
        return fmean(each.score for each in self.on(rung, rungs))

    def with_training(self, training: HeldOut) -> "Trial":
        """The trial after one more training."""
        return replace(self, trainings=(*self.trainings, training))

    def as_json(self) -> dict[str, Any]:
        """All fields, plain; ``trial_from_json`` reads them back."""
        return {**asdict(self), "trainings": [asdict(each) for each in self.trainings]}


def trial_from_json(content: Mapping[str, Any]) -> Trial:
    """What ``Trial.as_json`` gave; raises ``RunError`` if it is something else."""
    try:
        trainings = tuple(HeldOut(**_numbers(each)) for each in content["trainings"])
        return Trial(**{**content, "trainings": trainings})
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"A trial in study.json is damaged: {content!r:.80}.",
            "Put the file back as it was, or start anew with --config RUN/config.toml.",
        ) from error


def _numbers(of: Mapping[str, Any]) -> dict[str, Any]:
    """As read from JSON, which has no NaN."""
    return {key: math.nan if value is None else value for key, value in of.items()}


def plan_rungs(epochs: int, folds: int) -> tuple[Rung, ...]:
    """The rungs for trainings of ``epochs`` >= 1 and ``folds`` >= 2; the first may be missing.

    With a single epoch a third of the epochs is all of them.
    """
    if epochs < 1 or folds < 2:
        raise ValueError(f"Expected an epoch and two folds or more, got {epochs} and {folds}")
    short = math.ceil(epochs / FACTOR)
    first, others = (1,), tuple(range(2, folds + 1))
    stages: list[tuple[tuple[int, ...], int]] = [(first, epochs), (others, epochs)]
    if short < epochs:
        stages.insert(0, (first, short))
    return tuple(
        Rung(number, held_out, length) for number, (held_out, length) in enumerate(stages, start=1)
    )


def measure(predictions: Predictions, rung: int, fold: int, seconds: float) -> HeldOut:
    """What a training reached on the photos it held out."""
    metrics = predictions.metrics()
    fitted = fit_temperature(predictions.y_true, predictions.y_prob)
    return HeldOut(rung, fold, metrics.auc, fitted.nll_after, seconds)


def goes_up(trial: Trial, earlier: Sequence[Trial], rungs: Sequence[Rung]) -> bool:
    """Whether a trial that stands on a rung, not the last, is trained on the next one.

    Known choices always are: so the search can't end below them by its own measure.
    """
    if trial.known:
        return True
    rung = rungs[trial.reached(rungs) - 1]
    score = trial.score(rung, rungs)
    others = [
        other.score(rung, rungs)
        for other in earlier
        if other.number < trial.number and other.reached(rungs) >= rung.number
    ]
    better = sum(other > score for other in others)
    return better < max(1, (len(others) + 1) // FACTOR)


def ranked(trials: Sequence[Trial], rungs: Sequence[Rung]) -> list[tuple[Trial, float]]:
    """Trials with a score, and that of their last rung: the furthest first, then the best.

    Scores of two rungs are of other folds or epochs, and not compared. Those that diverged are
    left out.
    """
    standing = [
        (trial, trial.score(rungs[reached - 1], rungs))
        for trial in trials
        if (reached := trial.reached(rungs)) and trial.state != DIVERGED
    ]
    return sorted(standing, key=lambda pair: (-pair[0].reached(rungs), -pair[1], pair[0].number))
