"""Compare two models on the same photos and separate real changes from chance.

Each metric gets the interval of its difference and a verdict, the decisions get an exact test, and
the parts with changed decisions are listed with their photos.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Interval
from fastdefect.config import Unit
from fastdefect.evaluation.statistics.intervals import bootstrap
from fastdefect.evaluation.statistics.paired import (
    Difference,
    McNemar,
    mcnemar,
    mcnemar_by_part,
    paired_differences,
)
from fastdefect.files import finite
from fastdefect.good import Good, good_indices, is_good, only_defect
from fastdefect.inference.decision_rule import defect_score
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
# If five parts change, all improve by chance alone once in 32 times, and all change in the same
# direction once in 16 times. At least six are necessary for evidence at 5 % (McNemar, exact).
SUFFICIENT = 6

# Probabilities change in every part, so a minimum of six changed parts is a minimum of six parts.
# With so few parts a percentile bootstrap is too narrow. For two equally good models, with three
# photos per part, it called one Brier score better or worse in 19 % of trials with 6 parts, 12 %
# with 8, 13 % with 12, 9 % with 20 and 5 % with 60. The nominal rate is 5 %.
SUFFICIENT_FOR_PROBABILITIES = 20


@dataclass(frozen=True)
class SharedPhotos:
    """The photos that both models are evaluated on; names, parts and truth are (n,).

    ``y_true`` indexes ``classes``; ``good`` names the good classes. If the ``unit`` is the part,
    each is a part, with the name of one of its photos, and ``decided_on`` names all photos.
    """

    names: tuple[str, ...]
    parts: tuple[str, ...]
    y_true: Labels
    classes: tuple[str, ...]
    good: tuple[str, ...]
    unit: Unit = "photo"
    decided_on: tuple[str, ...] = ()

    @property
    def good_indices(self) -> Good:
        """The indices of the good classes; empty if every class is a defect."""
        return good_indices(self.classes, self.good)

    @property
    def every_name(self) -> tuple[str, ...]:
        """The names of all photos that were compared."""
        return self.decided_on or self.names


@dataclass(frozen=True)
class Answers:
    """The predictions of one model: calibrated ``y_prob`` (n, n_classes), ``y_pred`` (n,)."""

    y_prob: Floats
    y_pred: Labels


@dataclass(frozen=True)
class FigureChange:
    """A metric before and after, with the verdict on its difference.

    ``changed_parts`` counts the parts with changed predictions, among those that the metric depends
    on.
    """

    difference: Difference
    verdict: Verdict
    changed_parts: int

    def as_json(self) -> dict[str, Any]:
        """All values in one object; None for what is not defined."""
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
    """A photo with its decisions before and after; ``scores`` is P(defect), with a good class."""

    path: str
    label: str
    before: str
    after: str
    scores: tuple[float, float] | None


@dataclass(frozen=True)
class PartChange:
    """A part with some photos that changed in the same way.

    ``of`` counts the photos of the part that can change in this way: the defective or the good
    ones.
    """

    kind: Kind
    part: str
    photos: tuple[ChangedPhoto, ...]
    of: int


@dataclass(frozen=True)
class Comparison:
    """What changed on ``n`` photos, or parts if they are the ``unit``.

    ``figures`` has ``metrics.METRICS`` in their order.

    ``changes`` are sorted by kind, in the order of ``KINDS``, and by part. A part is listed under
    each kind of change that its photos show. ``constant_prediction`` holds, for the model before
    and the model after, the class that it predicts for every photo. It is None if the model
    predicts several classes, or if all photos are of one class.
    """

    n: int
    n_parts: int
    figures: dict[str, FigureChange]
    by_photo: McNemar
    by_part: McNemar
    changes: tuple[PartChange, ...]
    constant_prediction: tuple[str | None, str | None]
    unit: Unit = "photo"

    def of_kind(self, kind: Kind) -> tuple[PartChange, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.kind == kind)

    def as_json(self) -> dict[str, Any]:
        """All values as plain data."""
        return {
            "n": self.n,
            "unit": self.unit,
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
    """Compare the predictions of two models for the same photos, in the same order.

    Intervals are 95 %, from ``draws`` draws of whole parts (``paired_differences``). The interval
    for the calibration error uses the deviations of its gaps. A difference is better or worse if
    its interval excludes 0 and at least ``SUFFICIENT`` parts changed. If all draws agree there is
    no interval, and the number of changed parts decides. The verdict is "can't tell" if the metric
    is not defined or has too few parts for an interval. It is also "can't tell" for metrics of
    probabilities that changed, with fewer than ``SUFFICIENT_FOR_PROBABILITIES`` parts.

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
        unit=photos.unit,
    )


def _differences(
    photos: SharedPhotos, before: Answers, after: Answers, draws: int, seed: int
) -> Mapping[str, Difference]:
    def of(answers: Answers) -> Any:
        return lambda weights: measure(
            Weighted(weights, photos.y_true, answers.y_prob, answers.y_pred, photos.good_indices)
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
    """The interval of the difference of two calibration errors; None if no draw deviates.

    Chance increases a calibration error, and more so if the confidences are spread more widely: of
    two perfectly calibrated models one looks worse in every draw. Therefore the interval reaches as
    far as the gaps of both models move in 95 % of the draws. No difference can exceed this
    (triangle inequality; see ``intervals.deviation_interval``).
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
    """For each of ``METRICS``, the number of parts it depends on with changed predictions."""
    parts, good = np.asarray(photos.parts), photos.good_indices

    def count(chosen: NDArray[np.bool_]) -> int:
        return len(np.unique(parts[chosen]))

    moved = count((before.y_prob != after.y_prob).any(axis=1))
    decided = count(before.y_pred != after.y_pred)
    found = {
        name: moved if metric.of == "probabilities" else decided for name, metric in METRICS.items()
    }
    if good:
        truly_good = is_good(photos.y_true, good)
        other = is_good(before.y_pred, good) != is_good(after.y_pred, good)
        found["escape_rate"] = count(other & ~truly_good)
        found["overkill_rate"] = count(other & truly_good)
        if only_defect(len(photos.classes), good) is not None:
            found["recall"], found["specificity"] = found["escape_rate"], found["overkill_rate"]
    return found


def _always_defined(photos: SharedPhotos) -> bool:
    """Whether each class is in enough parts that almost every draw has it.

    If so, a metric without an interval is one on which all draws agree.
    """
    parts = np.asarray(photos.parts)
    shown = [len(np.unique(parts[photos.y_true == i])) for i in np.unique(photos.y_true)]
    return min(shown) >= SUFFICIENT


def _verdict(
    name: str, of: Difference, changed_parts: int, n_parts: int, always_defined: bool
) -> Verdict:
    if not math.isfinite(of.difference) or (of.interval is None and not always_defined):
        return "can't tell"
    # Without changed probabilities there is no difference, however few the parts are.
    of_probabilities = METRICS[name].of == "probabilities"
    if of_probabilities and changed_parts and n_parts < SUFFICIENT_FOR_PROBABILITIES:
        return "can't tell"
    decides = of.decides or of.interval is None
    if not decides or changed_parts < SUFFICIENT:
        return "no difference shown"
    return "better" if (of.difference < 0) == lower_is_better(name) else "worse"


def _constant_prediction(photos: SharedPhotos, answers: Answers) -> str | None:
    """The class predicted for all photos; None if there are several, or if it is the only class."""
    once = np.ones((1, len(photos.names)))
    confusion = confusions(once, photos.y_true, answers.y_pred, len(photos.classes))[0]
    only = constant_prediction(confusion.astype(np.int64))
    return None if only is None or len(np.unique(photos.y_true)) == 1 else photos.classes[only]


def _changes(photos: SharedPhotos, before: Answers, after: Answers) -> tuple[PartChange, ...]:
    """The photos with changed decisions, by kind and part."""
    good = photos.good_indices
    found: dict[tuple[Kind, str, bool], list[ChangedPhoto]] = defaultdict(list)
    shown: dict[tuple[str, bool], int] = defaultdict(int)
    pairs = zip(photos.y_true.tolist(), before.y_pred.tolist(), after.y_pred.tolist(), strict=True)
    for i, (truth, old, new) in enumerate(pairs):
        shown[photos.parts[i], truth in good] += 1
        kind = _kind(truth, old, new, good)
        if kind is not None:
            found[kind, photos.parts[i], truth in good].append(
                ChangedPhoto(
                    photos.names[i],
                    photos.classes[truth],
                    photos.classes[old],
                    photos.classes[new],
                    _scores(before, after, i, good),
                )
            )
    return tuple(
        PartChange(kind, part, tuple(of_part), shown[part, truly_good])
        for (kind, part, truly_good), of_part in sorted(
            found.items(), key=lambda item: (KINDS.index(item[0][0]), *item[0][1:])
        )
    )


def _kind(truth: int, old: int, new: int, good: Good) -> Kind | None:
    """How a photo's decision changed; None if it did not, or from one wrong type to another."""
    passed = old in good, new in good
    if passed[0] != passed[1]:
        if truth in good:
            return "mended overkill" if passed[1] else "new overkill"
        return "newly escapes" if passed[1] else "newly caught"
    if (old == truth) == (new == truth):
        return None
    return "type now right" if new == truth else "type now wrong"


def _scores(before: Answers, after: Answers, i: int, good: Good) -> Any:
    if not good:
        return None
    return tuple(float(defect_score(of.y_prob[i : i + 1], good)[0]) for of in (before, after))
