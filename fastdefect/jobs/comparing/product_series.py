"""A run for each product (``fit --each-product``) as one model: each photo by its product's run."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastdefect.config import Device
from fastdefect.errors import RunError
from fastdefect.evaluation.compare import Answers, SharedPhotos
from fastdefect.evaluation.compare import compare as compare_answers
from fastdefect.evaluation.compared import Pair
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.each_product import members_by_product
from fastdefect.jobs.trained.decision import decision_for
from fastdefect.jobs.trained.model import read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.run import Run, RunKind
from fastdefect.training.learner import ModelSpec

# The decisions of the runs are taken as they are: there is no common threshold to apply.
RULE = DecisionRule("none", 1.0, None, None, "the run of each product")


def is_series(run: Run) -> bool:
    """Whether the run has a run for each product instead of a model."""
    return run.read_kind() == RunKind.EACH_PRODUCT


def runs_of(run: Run) -> dict[str, Run]:
    """The finished run of each product; raises ``RunError`` without any."""
    found = members_by_product(run)
    if not found:
        raise RunError(
            f"{run.name} has no model yet: no product is finished.",
            f"Resume it with: {run.resume_command}",
        )
    return found


def joint_spec(run: Run) -> ModelSpec:
    """The model of the first product, with the classes of all."""
    specs = [read_spec(own) for own in runs_of(run).values()]
    classes = tuple(sorted({name for spec in specs for name in spec.classes}))
    good = tuple(sorted({name for spec in specs for name in spec.good}))
    return replace(specs[0], classes=classes, good=good)


def decisions_of(run: Run, device: Device) -> dict[str, DecisionRule]:
    """The rule of each product's run."""
    return {
        product: decision_for(own, "stored", None, device, lambda _: None)
        for product, own in runs_of(run).items()
    }


def pairs_by_product(pair: Pair, products: Sequence[str | None]) -> tuple[Pair, ...]:
    """``pair`` on the photos of each product alone; ``products`` (n,) are those of its photos."""
    of = np.array([name or "" for name in products])
    return tuple(_only(pair, name, of == name) for name in sorted(set(of.tolist()) - {""}))


def photos_of_product(photos: EvaluationPhotos, product: str, spec: ModelSpec) -> EvaluationPhotos:
    """Those of ``product`` in the classes of its run; it may be that there are none."""
    side = tuple(
        index
        for index in photos.side
        for photo in [photos.manifest.photos[index]]
        if photo.product == product and photo.label in spec.classes
    )
    return replace(photos, side=side)


def _only(pair: Pair, product: str, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Pair:
    at = np.flatnonzero(chosen)
    photos = SharedPhotos(
        tuple(pair.photos.names[i] for i in at),
        tuple(pair.photos.parts[i] for i in at),
        pair.photos.y_true[at],
        pair.photos.classes,
        pair.photos.good,
    )
    before, after = (Answers(each.y_prob[at], each.y_pred[at]) for each in pair.answers)
    return Pair(
        f"{pair.before}, {product}",
        f"{pair.after}, {product}",
        pair.opening,
        compare_answers(photos, before, after, seed=BOOTSTRAP_SEED),
        photos,
        (before, after),
    )
