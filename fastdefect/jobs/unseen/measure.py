"""Measure each type of defect by the training without it, beside the run, which knows it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.config import Device
from fastdefect.evaluation.defect_types import TypesOf
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.unseen_types import (
    Scored,
    UnseenType,
    UnseenTypes,
    figures_of_type,
)
from fastdefect.evaluation.views import parse_views
from fastdefect.events import Note, OnEvent, Progress, silent
from fastdefect.good import Good, is_good
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.inference.halves import HALVES, rejecting
from fastdefect.jobs.trained.decision import temperature_for
from fastdefect.jobs.trained.model import halves_of, load_network, read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.unseen.trainings import LeftOut, WithoutTypes
from fastdefect.run import Run
from fastdefect.text import first
from fastdefect.training.joint import Joint
from fastdefect.training.predict import Predictor


@dataclass(frozen=True)
class OfRun:
    """The run's own photos, predictions and decision rule, as ``evaluate`` has them.

    ``halves`` (n, 2, n_classes) are the probabilities by the halves of a joint model.
    """

    photos: EvaluationPhotos
    predictions: Predictions
    decision: DecisionRule
    halves: Floats | None = None


@dataclass(frozen=True)
class _Side:
    """Photos to measure, and for each of them its types and whether it is good.

    ``own``: what the run decides; None for photos that it was trained on.
    """

    photos: EvaluationPhotos
    types: Sequence[frozenset[str]]
    good: NDArray[np.bool_]
    own: Scored | None

    def of_type(self, kind: str) -> NDArray[np.bool_]:
        return np.array([kind in shown for shown in self.types], bool)


def measure_unseen(
    run: Run, without: WithoutTypes, own: OfRun, request: Request, on_event: OnEvent
) -> UnseenTypes:
    """The figures of each type, by the training without it and by the run.

    The good photos are those of ``own`` that none of the trainings has seen. A type that is not
    among the photos of ``own`` is measured on its training photos, which the training without it
    lacks.
    """
    spec = read_spec(run)
    measured = _side_of(own, without, spec.good_indices)
    if without.of_good:
        return _of_good(without, own, measured)
    absent = [each.name for each in without.left_out if not measured.of_type(each.name).any()]
    spare = _trained_side(run, without.types, request, on_event) if absent else None
    if absent:
        on_event(
            Note(
                f"{own.photos.split} has no photo of {first(absent)}: measured on the training "
                "photos, which the training without this type has not seen."
            )
        )
    types = []
    for number, each in enumerate(without.left_out, start=1):
        on_event(Progress("measuring unseen types", number, len(without.left_out)))
        side = spare if each.name in absent and spare is not None else measured
        types.append(_measure(each, side, measured, own.decision, request.device))
    return UnseenTypes(
        without.types.column,
        own.photos.split,
        int(measured.good.sum()),
        own.decision.rule,
        spec.members,
        tuple(types),
    )


def _of_good(without: WithoutTypes, own: OfRun, measured: _Side) -> UnseenTypes:
    """The figures of the run, which has seen no type, of those among the measured photos."""
    if measured.own is None:
        raise ValueError("Expected the decisions of the run")
    good = measured.own[measured.good]
    types = tuple(
        UnseenType(
            each.name, own.photos.split, 0, figures_of_type(measured.own[chosen], good), None
        )
        for each in without.left_out
        if (chosen := measured.of_type(each.name)).any()
    )
    facts = (without.types.column, own.photos.split, int(measured.good.sum()))
    return UnseenTypes(*facts, own.decision.rule, 1, types, of_good=True)


def _measure(
    left_out: LeftOut, side: _Side, measured: _Side, decision: DecisionRule, device: Device
) -> UnseenType:
    """The figures of one type on the photos of ``side``, and the good photos of ``measured``."""
    chosen = side.of_type(left_out.name)
    unseen = known = None
    if left_out.run is not None:
        judge = _Judge.of(left_out.run, decision, device)
        unseen = figures_of_type(judge(side.photos, chosen), judge(measured.photos, measured.good))
    if side.own is not None and measured.own is not None:
        known = figures_of_type(side.own[chosen], measured.own[measured.good])
    return UnseenType(left_out.name, side.photos.split, left_out.photos, unseen, known)


@dataclass(frozen=True)
class _Judge:
    """A training without a type, with the threshold and views of the run."""

    predictor: Predictor
    good: Good
    rule: DecisionRule

    @classmethod
    def of(cls, run: Run, decision: DecisionRule, device: Device) -> "_Judge":
        """The model of ``run``. Its own temperature, too, was fitted without the type."""
        temperature = temperature_for(run, decision.views, device, silent)
        predictor, spec = load_network(run, device)
        return cls(predictor, spec.good_indices, replace(decision, temperature=temperature))

    def __call__(self, photos: EvaluationPhotos, chosen: NDArray[np.bool_]) -> Scored:
        """Decide on the ``chosen`` (n,) of the photos, whose class it may not have."""
        if not chosen.any():
            return Scored(np.zeros(0, bool), np.zeros(0), np.zeros(0, np.str_))
        rows = [photos.rows[i] for i in np.flatnonzero(chosen)]
        seen = [photos.photos[i].view for i in np.flatnonzero(chosen)]
        views, _ = parse_views(self.rule.views)
        y_prob = self.predictor.probabilities(photos.store, rows, views=views, seen_from=seen)
        halves = None
        if isinstance(self.predictor.network, Joint):
            halves = halves_of(self.predictor).probabilities(photos.store, rows, views=views)
        return _scored(y_prob, halves, self.rule, self.good, photos, chosen)


def _scored(
    y_prob: Floats,
    halves: Floats | None,
    rule: DecisionRule,
    good: Good,
    photos: EvaluationPhotos,
    chosen: NDArray[np.bool_],
) -> Scored:
    """The decisions on the ``chosen`` of ``photos``; ``y_prob`` has a row for each of these."""
    products = [photos.products[i] for i in np.flatnonzero(chosen)]
    calibrated = rule.calibrated(y_prob)
    decided = rule.decide(calibrated, good, products)
    parts = np.asarray(photos.parts, np.str_)[chosen]
    by_half = {}
    if halves is not None:
        alone = rejecting(halves, rule, good, products)
        by_half = {name: ~alone[:, half] for half, name in enumerate(HALVES)}
    return Scored(is_good(decided, good), defect_score(calibrated, good), parts, by_half)


def _side_of(own: OfRun, without: WithoutTypes, good: Good) -> _Side:
    """The measured photos; good ones count only if no training has seen them."""
    photos, predictions = own.photos, own.predictions
    unseen = np.array([photo.name not in without.trained for photo in photos.photos], bool)
    return _Side(
        photos,
        _types(photos, without.types),
        is_good(predictions.y_true, good) & (unseen | (photos.split == "data")),
        _scored(
            predictions.y_prob, own.halves, own.decision, good, photos, np.ones(len(unseen), bool)
        ),
    )


def _trained_side(run: Run, types: TypesOf, request: Request, on_event: OnEvent) -> _Side:
    """The training photos of the run."""
    asked = replace(request, split="train", data=None, include_trained=False)
    photos = load_evaluation_photos(
        run, asked, read_spec(run), what="unseen types", on_event=on_event
    )
    return _Side(photos, _types(photos, types), np.zeros(len(photos.side), bool), None)


def _types(photos: EvaluationPhotos, types: TypesOf) -> list[frozenset[str]]:
    return [types(photo.label, dict(photo.columns)) for photo in photos.photos]
