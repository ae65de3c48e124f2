"""A search over settings by successive halving: rungs, scores and ranking.

A one-cycle schedule anneals only at its end, so trainings cannot be compared before they end. A
rung therefore consists of complete trainings (Jamieson and Talwalkar 2016, with complete schedules
in place of epochs):

    rung 1   fold 1 held out, a third of the epochs
    rung 2   fold 1 held out, all epochs
    rung 3   each other fold held out, all epochs

A trial is promoted if it is in the best third of the trials on its rung so far (asynchronous
halving: Li et al. 2020). With three folds each rung takes about the same time. The decision depends
only on earlier trials, so the search can be interrupted and resumed at any trial. Optuna's pruner
makes the same decisions, but it stores its rungs in attributes of its storage, and its public
interface cannot restore a trial that was interrupted between two rungs.

The score is the area under the ROC curve, averaged over the held-out folds (with several classes,
the mean of each class against the rest). It does not depend on a threshold, and it is the metric
that people read. With few photos many trainings have the same AUC, often 1; then the lower log loss
decides. The log loss is measured at the temperature fitted to the held-out photos, because label
smoothing and MixUp make a model less confident without making it worse.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from fastdefect.errors import RunError
from fastdefect.evaluation.decisions.calibration import fit_temperature
from fastdefect.evaluation.predictions import Predictions

FACTOR = 3  # one trial in three is promoted; the first rung has one third of the epochs
# The states of a trial.
BEGUN, STOPPED, COMPLETE, DIVERGED = "begun", "stopped", "complete", "diverged"
# Small enough to break only ties of the AUC: a log loss of 0.1 counts as one pair in 100 000.
_LOSS_WEIGHT, _LARGEST_LOSS = 1e-4, 10.0


@dataclass(frozen=True)
class Rung:
    """The next trainings of a trial: each of ``folds`` (from 1) is held out in turn."""

    number: int
    folds: tuple[int, ...]
    epochs: int


@dataclass(frozen=True)
class HeldOut:
    """One training of a trial, measured on its held-out fold.

    ``auc`` is NaN if the fold has photos of one class only. ``log_loss`` is at the fitted
    temperature. ``seconds`` is the duration of the training.
    """

    rung: int
    fold: int
    auc: float
    log_loss: float
    seconds: float

    @property
    def score(self) -> float:
        """The AUC, ties broken by the log loss; an undefined AUC counts as 0.5."""
        auc = self.auc if math.isfinite(self.auc) else 0.5
        return auc - _LOSS_WEIGHT * min(self.log_loss, _LARGEST_LOSS)


@dataclass(frozen=True)
class Trial:
    """One choice of settings, by field name, and its trainings so far.

    ``known`` names a choice that does not come from the sampler, such as a recipe; it is never
    stopped.
    """

    number: int
    settings: Mapping[str, Any]
    known: str = ""
    state: str = BEGUN
    trainings: tuple[HeldOut, ...] = ()

    @property
    def seconds(self) -> float:
        """The duration of all its trainings."""
        return sum(training.seconds for training in self.trainings)

    def measured(self, rung: Rung, fold: int) -> bool:
        """Whether the trial was trained on this rung with this fold held out."""
        return any(each.rung == rung.number and each.fold == fold for each in self.trainings)

    def reached(self, rungs: Sequence[Rung]) -> int:
        """The number of rungs that the trial completed."""
        done = (all(self.measured(rung, fold) for fold in rung.folds) for rung in rungs)
        return next((i for i, whole in enumerate(done) if not whole), len(rungs))

    def on(self, rung: Rung, rungs: Sequence[Rung]) -> tuple[HeldOut, ...]:
        """The trainings behind the score on ``rung``: all so far with the same number of epochs."""
        alike = {r.number for r in rungs if r.epochs == rung.epochs and r.number <= rung.number}
        return tuple(each for each in self.trainings if each.rung in alike)

    def score(self, rung: Rung, rungs: Sequence[Rung]) -> float:
        """The mean score over the folds held out up to ``rung``, which must be completed."""
        return fmean(each.score for each in self.on(rung, rungs))

    def with_training(self, training: HeldOut) -> "Trial":
        """The trial after one more training."""
        return replace(self, trainings=(*self.trainings, training))

    def as_json(self) -> dict[str, Any]:
        """All fields as plain data; ``trial_from_json`` reads them."""
        return {**asdict(self), "trainings": [asdict(each) for each in self.trainings]}


def trial_from_json(content: Mapping[str, Any]) -> Trial:
    """Read the output of ``Trial.as_json``; raises ``RunError`` if it is damaged."""
    try:
        trainings = tuple(HeldOut(**_numbers(each)) for each in content["trainings"])
        return Trial(**{**content, "trainings": trainings})
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"A trial in study.json is damaged: {content!r:.80}.",
            "Restore the file, or start a new search with --config RUN/config.toml.",
        ) from error


def _numbers(of: Mapping[str, Any]) -> dict[str, Any]:
    """Replace None by NaN, because JSON has no NaN."""
    return {key: math.nan if value is None else value for key, value in of.items()}


def plan_rungs(epochs: int, folds: int) -> tuple[Rung, ...]:
    """The rungs for trainings of ``epochs`` >= 1 and ``folds`` >= 2.

    With a single epoch there is no first rung, because a third of the epochs is all of them.
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
    """Measure a training on its held-out photos."""
    metrics = predictions.metrics()
    fitted = fit_temperature(predictions.y_true, predictions.y_prob)
    return HeldOut(rung, fold, metrics.auc, fitted.nll_after, seconds)


def goes_up(trial: Trial, earlier: Sequence[Trial], rungs: Sequence[Rung]) -> bool:
    """Whether a trial that completed a rung, not the last, is trained on the next one.

    Known choices are always promoted, so the search cannot end below them by its own score.
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
    """Trials with a score on their last rung: furthest rung first, then best score.

    Scores of different rungs come from different folds or epochs and are not compared. Trials that
    diverged are excluded.
    """
    standing = [
        (trial, trial.score(rungs[reached - 1], rungs))
        for trial in trials
        if (reached := trial.reached(rungs)) and trial.state != DIVERGED
    ]
    return sorted(standing, key=lambda pair: (-pair[0].reached(rungs), -pair[1], pair[0].number))
