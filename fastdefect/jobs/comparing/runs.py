"""The compared runs, and their predictions of the same photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.config import RunConfig
from fastdefect.data.photos import Photo
from fastdefect.errors import DataError, FastdefectError, RunError
from fastdefect.evaluation.by_part import Shown, joined_shown
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.views import parse_views
from fastdefect.events import Note, OnEvent, progress_only
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.comparing.by_part import common_unit
from fastdefect.jobs.comparing.checks import check_classes, check_photos, names_of, rows_of
from fastdefect.jobs.comparing.product_series import (
    RULE,
    decisions_of,
    is_series,
    joint_spec,
    photos_of_product,
    runs_of,
)
from fastdefect.jobs.trained.decision import by_unit, decision_for, judge_validation
from fastdefect.jobs.trained.labels import keep_predictions, tell_old_labels
from fastdefect.jobs.trained.model import load_model, read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run
from fastdefect.text import counted, first
from fastdefect.training.learner import ModelSpec


@dataclass(frozen=True)
class Entrant:
    """A compared run, its unique ``name`` and its costs.

    ``parameters`` is None where the run does not store them; ``seconds``: of training.
    """

    name: str
    run: Run
    config: RunConfig
    spec: ModelSpec
    decision: DecisionRule
    parameters: int | None
    megabytes: float
    epochs: int
    seconds: float

    @property
    def arch(self) -> str:
        """The network's name."""
        return self.spec.arch

    def costs(self) -> dict[str, Any]:
        """The values for the table of costs."""
        names = ("name", "arch", "parameters", "megabytes", "epochs", "seconds", "decision")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Answered:
    """A run's predictions of n photos, and what each of them shows.

    ``photos``, by name, is empty if no photo was read for the predictions.
    ``opening`` counts the openings of the run's sealed test up to this one; None if the test was
    not opened. ``decided`` (n,) are class indices, if they do not follow from the entrant's rule:
    the predictions are then calibrated.
    """

    predictions: Predictions
    shown: Shown
    photos: Mapping[str, Photo]
    opening: int | None
    decided: NDArray[np.int64] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The part of each photo."""
        return self.shown.parts


def entrants_of(runs: Sequence[Run], request: Request, on_event: OnEvent) -> tuple[Entrant, ...]:
    """The runs with their decisions, checked for the same classes and photos."""
    names = names_of(runs)
    specs = [joint_spec(run) if is_series(run) else read_spec(run) for run in runs]
    any_photos = request.data is not None
    for name, run, spec in zip(names[1:], runs[1:], specs[1:], strict=True):
        check_classes((names[0], specs[0]), (name, spec), any_photos=any_photos)
        if not any_photos:
            check_photos((names[0], runs[0]), (name, run), request.split)
    decisions = [
        RULE
        if is_series(run)
        else by_unit(
            run, decision_for(run, "stored", None, request.device, on_event), request, on_event
        )
        for run in runs
    ]
    common_unit(list(zip(names, decisions, strict=True)))
    return tuple(_entrant(*each) for each in zip(names, runs, specs, decisions, strict=True))


def _entrant(name: str, run: Run, spec: ModelSpec, decision: DecisionRule) -> Entrant:
    trained = list(runs_of(run).values()) if is_series(run) else [run]
    history = [row for each in trained for row in each.read_whole_history()]
    parameters = [each.read("model.json").get("parameters") for each in trained]
    return Entrant(
        name,
        run,
        run.read_config(),
        spec,
        decision,
        None if None in parameters else sum(parameters),
        sum(each.path("model.safetensors").stat().st_size for each in trained) / 1e6,
        len(history),
        sum(row["seconds"] for row in history),
    )


def predict(
    entrant: Entrant, request: Request, on_event: OnEvent, *, opened_before: int
) -> Answered:
    """The predictions of a run for the photos of ``request``, as it decides in production.

    ``opened_before`` is as in ``load_evaluation_photos``. Raises the errors of reading the photos,
    and ``RunError`` for stored predictions of other photos.
    """
    run, decision = entrant.run, entrant.decision
    if is_series(run):
        return _predict_products(entrant, request, on_event, opened_before=opened_before)
    if request.split == "valid" and request.data is None:
        judged = judge_validation(run, decision.views, request.device, on_event)
        tell_old_labels(run, judged.predictions, on_event)
        if set(judged.predictions.names) != set(rows_of(run, "valid")):
            path = run.predictions_path("valid", decision.views)
            raise RunError(
                f"{path} does not hold the validation photos in {run.path('split.csv')}.",
                "Delete it: it is written again if the photos and the model exist.",
            )
        return Answered(judged.predictions, judged.shown, {}, None)
    photos = load_evaluation_photos(
        run,
        request,
        entrant.spec,
        what="comparison",
        on_event=on_event,
        opened_before=opened_before,
    )
    predicted = _predicted(entrant, photos, request, on_event)
    names, views = photos.names, decision.views
    keep_predictions(run, names, predicted.predictions, views, on_event)
    return predicted


def _predicted(
    entrant: Entrant, photos: EvaluationPhotos, request: Request, on_event: OnEvent
) -> Answered:
    views, _ = parse_views(entrant.decision.views)
    predictions = load_model(entrant.run, photos, request.device).predict(
        views, on_event=on_event, label=f"predicting with {entrant.name}"
    )
    return Answered(
        predictions,
        photos.shown,
        {photo.name: photo for photo in photos.photos},
        photos.opening,
    )


def _predict_products(
    entrant: Entrant, request: Request, on_event: OnEvent, *, opened_before: int
) -> Answered:
    """The predictions of the run of each product for its photos, as it decides."""
    classes, found = entrant.spec.classes, []
    decisions = decisions_of(entrant.run, request.device)
    for product, own in runs_of(entrant.run).items():
        if request.data is None and not rows_of(own, request.split):
            continue
        one = _entrant(product, own, read_spec(own), decisions[product])
        # Only progress: each run would report the photos of the other products as left out.
        quiet = progress_only(on_event)
        if request.data is None:
            answered = predict(one, request, quiet, opened_before=opened_before)
        else:
            photos = _of_data(one, entrant.spec, request, quiet, opened_before)
            if not photos.side:
                continue
            answered = _predicted(one, photos, request, quiet)
        found.append(_in_classes(one, answered, classes))
    if not found:
        raise _no_photos(entrant, request)
    joined = [each.predictions for each in found]
    return Answered(
        Predictions(
            tuple(name for each in joined for name in each.names),
            classes,
            entrant.spec.good,
            np.concatenate([each.y_true for each in joined]),
            np.concatenate([each.y_prob for each in joined]),
        ),
        joined_shown([each.shown for each in found]),
        {name: photo for each in found for name, photo in each.photos.items()},
        max((each.opening for each in found if each.opening is not None), default=None),
        np.concatenate([each.decided for each in found if each.decided is not None]),
    )


def _of_data(
    one: Entrant, joint: ModelSpec, request: Request, on_event: OnEvent, opened_before: int
) -> EvaluationPhotos:
    """The photos of ``data`` for the run of a product; ``joint`` has the classes of all."""
    photos = load_evaluation_photos(
        one.run, request, joint, what="comparison", on_event=on_event, opened_before=opened_before
    )
    return photos_of_product(photos, one.name, one.spec)


def _no_photos(entrant: Entrant, request: Request) -> FastdefectError:
    if request.data is None:
        return RunError(f"{entrant.name} has no {request.split} photos.", "Choose another --split.")
    return DataError(
        f"{request.data} has no photo of a product that {entrant.name} has a run for: "
        f"{first(list(runs_of(entrant.run)))}.",
        "The product is that of a column product, or found by the --product-from of the training.",
    )


def _in_classes(one: Entrant, answered: Answered, classes: tuple[str, ...]) -> Answered:
    """Calibrated and decided, over ``classes``, which contain those of the run."""
    said, rule = answered.predictions, one.decision
    calibrated = rule.calibrated(said.y_prob)
    column = np.array([classes.index(name) for name in said.classes])
    y_prob = np.zeros((len(said.names), len(classes)))
    y_prob[:, column] = calibrated
    good = tuple(name for name in said.good if name in classes)
    joint = Predictions(said.names, classes, good, column[said.y_true], y_prob)
    decided = column[rule.decide(calibrated, said.good_indices)]
    return replace(answered, predictions=joint, decided=decided)


def of_decided_photos(answered: Sequence[Answered], on_event: OnEvent) -> list[Answered]:
    """The predictions of the photos that all decide: a run by product has no others."""
    decided = [set(each.predictions.names) for each in answered]
    common = set.intersection(*decided)
    if not common:
        raise DataError(
            "The runs have no photo in common that all of them decide on.",
            "Give photos of the products that have a run, and of parts that no run was trained on.",
        )
    if n := len(set.union(*decided) - common):
        on_event(
            Note(
                f"{counted(n, 'photo')} of products or classes without a run of their own are left "
                f"out. {counted(len(common), 'photo')} can be compared.",
                "warning",
            )
        )
    return [_only(each, common) for each in answered]


def of_common_photos(answered: Sequence[Answered], on_event: OnEvent) -> list[Answered]:
    """The predictions of the photos that were measured in all runs.

    Of photos from elsewhere, a run leaves out those of the parts that it was trained on, as it
    groups the photos into parts. Another run may group them differently.
    """
    measured = [set(each.predictions.names) for each in answered]
    common = set.intersection(*measured)
    n = len(set.union(*measured) - common)
    if not common:
        raise DataError(
            "The runs have no photo in common that none of them was trained on: they group the "
            "photos into parts differently.",
            "Give photos of other parts, or measure on these with --include-trained.",
        )
    if n:
        left, their = ("1 photo is", "its part") if n == 1 else (f"{n} photos are", "their parts")
        text = f"{left} left out because some of the runs were trained on {their}. "
        on_event(Note(f"{text}{counted(len(common), 'photo')} can be compared."))
    return [_only(each, common) for each in answered]


def _only(answered: Answered, names: set[str]) -> Answered:
    """The predictions of the photos ``names`` alone."""
    predictions = answered.predictions
    kept = [i for i, name in enumerate(predictions.names) if name in names]
    return replace(
        answered,
        predictions=replace(
            predictions,
            names=tuple(predictions.names[i] for i in kept),
            y_true=predictions.y_true[kept],
            y_prob=predictions.y_prob[kept],
        ),
        shown=answered.shown.only(kept),
        decided=None if answered.decided is None else answered.decided[kept],
    )
