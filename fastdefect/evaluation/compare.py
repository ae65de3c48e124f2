"""What changed from one model to another on the same photos, and what of it is more than luck.

Every figure gets the interval of its difference and a verdict; the decisions get an exact test;
and the parts that are decided otherwise are named, with their photos.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.evaluation.decisions.decide import defect_score
from fastdefect.evaluation.statistics.intervals import Interval, bootstrap
from fastdefect.evaluation.statistics.paired import (
    Difference,
    McNemar,
    mcnemar,
    mcnemar_by_part,
    paired_differences,
)
from fastdefect.files import finite
from fastdefect.metrics import (
    METRICS,
    Weighted,
    calibration_gaps,
    check_predictions,
    confusions,
    constant_prediction,
    lower_is_better,
    measure,
)

Verdict = Literal["better", "worse", "no difference shown", "can't tell"]
Kind = Literal[
    "newly escapes",
    "newly caught",
    "new overkill",
    "mended overkill",
    "type now wrong",
    "type now right",
]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

KINDS: tuple[Kind, ...] = (
    "newly escapes",
    "newly caught",
    "new overkill",
    "mended overkill",
    "type now wrong",
    "type now right",
)
FOR_THE_WORSE: frozenset[Kind] = frozenset({"newly escapes", "new overkill", "type now wrong"})
# Of five parts that changed, all change for the better by luck alone once in 32 times, and for
# better or worse once in 16: no fewer than six can prove anything at 5 % (McNemar, exact).
SUFFICIENT = 6

# Probabilities change in every part, so that asking for six that changed asks for six parts. Of so
# few a percentile bootstrap is too narrow: of two models that were alike in all but luck, three
# photos a part, one had the better or worse Brier score in 19 % of trials with 6 parts, 12 % with
# 8, 13 % with 12, 9 % with 20 and 5 % with 60, where 5 % are promised.
SUFFICIENT_FOR_PROBABILITIES = 20


@dataclass(frozen=True)
class SharedPhotos:
    """The photos that both models judge: names, parts and truth are (n,).

    ``y_true`` indexes ``classes``; ``good`` is the good class, if any.
    """

    names: tuple[str, ...]
    parts: tuple[str, ...]
    y_true: Labels
    classes: tuple[str, ...]
    good: str | None

    @property
    def good_index(self) -> int | None:
        """The good class's index, if any."""
        return self.classes.index(self.good) if self.good is not None else None


@dataclass(frozen=True)
class Answers:
    """What one model says of n photos: calibrated ``y_prob`` (n, n_classes), ``y_pred`` (n,)."""

    y_prob: Floats
    y_pred: Labels


@dataclass(frozen=True)
class FigureChange:
    """A figure before and after, and what its difference is worth.

    ``changed_parts`` is the number of parts whose answers changed among those that the figure
    depends on.
    """

    difference: Difference
    verdict: Verdict
    changed_parts: int

    def as_json(self) -> dict[str, Any]:
        """All of it in one object; None for what is not defined."""
        of = self.difference
        return finite(
            {
                "before": of.before,
                "after": of.after,
                "difference": of.difference,
                "interval": of.interval,
                "verdict": self.verdict,
                "changed_parts": self.changed_parts,
            }
        )


@dataclass(frozen=True)
class ChangedPhoto:
    """A photo with the classes that were decided; ``scores``: P(defect), if a class is good."""

    path: str
    label: str
    before: str
    after: str
    scores: tuple[float, float] | None


@dataclass(frozen=True)
class PartChange:
    """A part of which some photos changed in one way.

    ``of`` is how many of its photos could have: those that are defective, or those that are good.
    """

    kind: Kind
    part: str
    photos: tuple[ChangedPhoto, ...]
    of: int


@dataclass(frozen=True)
class Comparison:
    """What changed on ``n`` photos; ``figures`` are ``metrics.METRICS`` in their order.

    ``changes`` are sorted by kind, as ``KINDS`` has them, and part. A part stands under each kind
    that some photo of it shows. ``constant_prediction`` is the class that the model before, and
    the one after, calls every photo; None if it calls them several, or all photos show one class.
    """

    n: int
    n_parts: int
    figures: dict[str, FigureChange]
    by_photo: McNemar
    by_part: McNemar
    changes: tuple[PartChange, ...]
    constant_prediction: tuple[str | None, str | None]

    def of_kind(self, kind: Kind) -> tuple[PartChange, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.kind == kind)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "n": self.n,
            "n_parts": self.n_parts,
            "figures": {name: change.as_json() for name, change in self.figures.items()},
            "mcnemar": {"photos": self.by_photo.as_json(), "parts": self.by_part.as_json()},
            "changes": [asdict(change) for change in self.changes],
            "constant_prediction": dict(
                zip(("before", "after"), self.constant_prediction, strict=True)
            ),
        }


def compare(
    photos: SharedPhotos, before: Answers, after: Answers, *, draws: int = 2000, seed: int
) -> Comparison:
    """Compare the answers of two models to the same photos, in the same order.

    Intervals are 95 %, from ``draws`` draws of whole parts (``paired_differences``); that of the
    calibration error is by its gaps' deviations. A difference is better or worse if its interval
    leaves out 0 and at least ``SUFFICIENT`` parts changed; where there is no interval because all
    draws agree, the parts alone decide. What has no value, or no interval for want of parts,
    can't be told; nor, of fewer than ``SUFFICIENT_FOR_PROBABILITIES`` parts, what probabilities
    that changed make of the metrics of probabilities.

    Raises as ``metrics.score`` does.
    """
    for answers in (before, after):
        check_predictions(photos.y_true, answers.y_prob, photos.classes, answers.y_pred)
    found = _differences(photos, before, after, draws, seed)
    changed = _changed_parts(photos, before, after)
    n_parts, sure = len(set(photos.parts)), _always_defined(photos)
    was_right, is_right = (of.y_pred == photos.y_true for of in (before, after))
    return Comparison(
        n=len(photos.names),
        n_parts=n_parts,
        figures={
            name: FigureChange(found[name], _verdict(name, found[name], n, n_parts, sure), n)
            for name, n in changed.items()
        },
        by_photo=mcnemar(was_right, is_right),
        by_part=mcnemar_by_part(was_right, is_right, photos.parts),
        changes=_changes(photos, before, after),
        constant_prediction=(
            _constant_prediction(photos, before),
            _constant_prediction(photos, after),
        ),
    )


def _differences(
    photos: SharedPhotos, before: Answers, after: Answers, draws: int, seed: int
) -> Mapping[str, Difference]:
    def of(answers: Answers) -> Any:
        return lambda weights: measure(
            Weighted(weights, photos.y_true, answers.y_prob, answers.y_pred, photos.good_index)
        )

    found = paired_differences(of(before), of(after), photos.parts, draws=draws, seed=seed)
    if np.array_equal(before.y_prob, after.y_prob):
        return found
    name = "calibration_error"
    interval = _calibration_interval(photos, before, after, draws, seed)
    return {**found, name: replace(found[name], interval=interval)}


def _calibration_interval(
    photos: SharedPhotos, before: Answers, after: Answers, draws: int, seed: int
) -> Interval | None:
    """The interval of the difference of two calibration errors; None where no draw deviates.

    Chance adds to a calibration error, the more the wider its confidences are spread: of two
    perfectly calibrated models one looks worse in every draw. So the interval reaches as far as
    95 % of the draws move the gaps of both, which no difference exceeds (triangle inequality; see
    ``intervals.deviation_interval``).
    """

    def gaps(weights: Floats) -> dict[str, Floats]:
        each = (calibration_gaps(weights, photos.y_true, of.y_prob) for of in (before, after))
        return {"gaps": np.concatenate([*each], axis=1)}

    (measured,) = gaps(np.ones((1, len(photos.names))))["gaps"]
    drawn = bootstrap(gaps, photos.parts, draws=draws, seed=seed)["gaps"]
    away = float(np.quantile(np.abs(drawn - measured).sum(axis=1), 0.95))
    error_before, error_after = np.abs(measured).reshape(2, -1).sum(axis=1)
    change = float(error_after - error_before)
    return (max(-1.0, change - away), min(1.0, change + away)) if away > 0 else None


def _changed_parts(photos: SharedPhotos, before: Answers, after: Answers) -> dict[str, int]:
    """For each of ``METRICS``, how many of the parts that it depends on got other answers."""
    parts, good = np.asarray(photos.parts), photos.good_index

    def count(chosen: NDArray[np.bool_]) -> int:
        return len(np.unique(parts[chosen]))

    moved = count((before.y_prob != after.y_prob).any(axis=1))
    decided = count(before.y_pred != after.y_pred)
    found = {
        name: moved if metric.of == "probabilities" else decided for name, metric in METRICS.items()
    }
    if good is not None:
        other = (before.y_pred == good) != (after.y_pred == good)
        found["escape_rate"] = count(other & (photos.y_true != good))
        found["overkill_rate"] = count(other & (photos.y_true == good))
        if len(photos.classes) == 2:
            found["recall"], found["specificity"] = found["escape_rate"], found["overkill_rate"]
    return found


def _always_defined(photos: SharedPhotos) -> bool:
    """Whether so many parts show each class that hardly a draw can be without one.

    A figure without an interval is then one on which all draws agree.
    """
    parts = np.asarray(photos.parts)
    shown = [len(np.unique(parts[photos.y_true == i])) for i in np.unique(photos.y_true)]
    return min(shown) >= SUFFICIENT


def _verdict(
    name: str, of: Difference, changed_parts: int, n_parts: int, always_defined: bool
) -> Verdict:
    if not math.isfinite(of.difference) or (of.interval is None and not always_defined):
        return "can't tell"
    # Probabilities that are the same differ in nothing, of however few parts.
    of_probabilities = METRICS[name].of == "probabilities"
    if of_probabilities and changed_parts and n_parts < SUFFICIENT_FOR_PROBABILITIES:
        return "can't tell"
    decides = of.decides or of.interval is None
    if not decides or changed_parts < SUFFICIENT:
        return "no difference shown"
    return "better" if (of.difference < 0) == lower_is_better(name) else "worse"


def _constant_prediction(photos: SharedPhotos, answers: Answers) -> str | None:
    """The class that every photo is called; None if several, or rightly so: all show one class."""
    once = np.ones((1, len(photos.names)))
    confusion = confusions(once, photos.y_true, answers.y_pred, len(photos.classes))[0]
    only = constant_prediction(confusion.astype(np.int64))
    return None if only is None or len(np.unique(photos.y_true)) == 1 else photos.classes[only]


def _changes(photos: SharedPhotos, before: Answers, after: Answers) -> tuple[PartChange, ...]:
    """The photos that are decided otherwise, by kind and part."""
    good = photos.good_index
    found: dict[tuple[Kind, str], list[ChangedPhoto]] = defaultdict(list)
    shown: dict[tuple[str, bool], int] = defaultdict(int)
    pairs = zip(photos.y_true.tolist(), before.y_pred.tolist(), after.y_pred.tolist(), strict=True)
    for i, (truth, old, new) in enumerate(pairs):
        shown[photos.parts[i], truth == good] += 1
        kind = _kind(truth, old, new, good)
        if kind is not None:
            found[kind, photos.parts[i]].append(
                ChangedPhoto(
                    photos.names[i],
                    photos.classes[truth],
                    photos.classes[old],
                    photos.classes[new],
                    _scores(before, after, i, good),
                )
            )
    return tuple(
        PartChange(kind, part, tuple(of_part), shown[part, of_part[0].label == photos.good])
        for (kind, part), of_part in sorted(
            found.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1])
        )
    )


def _kind(truth: int, old: int, new: int, good: int | None) -> Kind | None:
    """How a photo's decision changed; None if it did not, or from one wrong type to another."""
    if truth == good:
        if (old == good) == (new == good):
            return None
        return "mended overkill" if new == good else "new overkill"
    passed = old == good, new == good
    if passed[0] != passed[1]:
        return "newly escapes" if passed[1] else "newly caught"
    if (old == truth) == (new == truth):
        return None
    return "type now right" if new == truth else "type now wrong"


def _scores(before: Answers, after: Answers, i: int, good: int | None) -> Any:
    if good is None:
        return None
    return tuple(float(defect_score(of.y_prob[i : i + 1], good)[0]) for of in (before, after))
