"""The photos of a run that are explained: chosen by its predictions, with maps and checks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fastdefect.errors import RunError
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.events import OnEvent
from fastdefect.explain.attention import Attention
from fastdefect.explain.checks import MapChecks, Removal, remove_place
from fastdefect.files import read_csv
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.explaining.checked import CheckPhoto, attention_of, check_maps
from fastdefect.jobs.explaining.choice import (
    Judgement,
    choose_groups,
    found_defects,
    judgements,
)
from fastdefect.jobs.explaining.explanation import PhotoMap
from fastdefect.jobs.explaining.marks import marked_place
from fastdefect.jobs.trained.decision import decision_for, judge_validation
from fastdefect.jobs.trained.heat_maps import Explained, RunMaps, explain_names, open_maps
from fastdefect.jobs.trained.model import read_spec
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import settle_root
from fastdefect.run import Run


@dataclass(frozen=True)
class RunPhotoMaps:
    """The explained photos of a run's ``split`` by group, and the checks of their maps."""

    maps: RunMaps
    split: str
    groups: tuple[tuple[str, tuple[PhotoMap, ...]], ...]
    checks: MapChecks
    attention: Attention


def explain_split(
    run: Run,
    request: Request,
    *,
    method: str,
    class_name: str | None,
    each: int,
    on_event: OnEvent,
) -> RunPhotoMaps:
    """Explain the mistakes, the least sure and the surest decisions of a split of the run.

    The sealed test is not opened: its predictions must be stored. Raises ``RunError`` otherwise,
    and ``UsageError`` for a method or class that the model does not have.
    """
    settle_root(run, request.data_root, (), on_event)
    rule = decision_for(run, request.threshold, request.views, request.device, on_event)
    predictions = _predictions(run, request, rule, on_event)
    maps = open_maps(run, request, method=method, class_name=class_name)
    chosen = choose_groups(predictions, rule, each)
    names = {predictions.names[i] for group in chosen for i in group.indices}
    decided = rule.decide(rule.calibrated(predictions.y_prob), predictions.good_indices)
    to_check = found_defects(predictions, decided, maps.target, maps.method)
    checked = {predictions.names[i] for i in to_check}
    said = dict(zip(predictions.names, judgements(predictions, rule), strict=True))
    wanted = [name for name in predictions.names if name in names or name in checked]
    shown: dict[str, PhotoMap] = {}
    photos: list[CheckPhoto] = []
    parts = {row["path"]: row["part"] for row in read_csv(run.path("split.csv"))}
    for one in explain_names(maps, wanted, on_event):
        if one.name in names:
            shown[one.name] = _shown(one, said[one.name], maps)
        if one.name in checked:
            photos.append(check_photo(one, maps, parts))
    usual = float(np.median([photo.raw.max() for photo in photos])) if photos else None
    shown = {name: replace(photo, usual=usual) for name, photo in shown.items()}
    groups = [
        (g.title, tuple(shown[n] for i in g.indices if (n := predictions.names[i]) in shown))
        for g in chosen
    ]
    removals: list[Removal] = [photo.removal for name, photo in shown.items() if name in checked]
    return RunPhotoMaps(
        maps,
        request.split,
        tuple((title, some) for title, some in groups if some),
        check_maps(photos, removals, maps.maps),
        attention_of(photos),
    )


def _predictions(run: Run, request: Request, rule: DecisionRule, on_event: OnEvent) -> Predictions:
    if request.split == "valid":
        return judge_validation(run, rule.views, request.device, on_event).predictions
    path, spec = run.predictions_path(request.split, rule.views), read_spec(run)
    if not path.exists():
        raise RunError(
            f"The test of {run.name} has no predictions of views {rule.views}: it is sealed, and "
            "explain does not open it.",
            "Explain the validation photos, or, after all choices are made: fastdefect evaluate "
            "--split test",
        )
    return read_predictions(path, spec.classes, spec.good)


def _shown(one: Explained, said: Judgement, maps: RunMaps) -> PhotoMap:
    removal = remove_place(one.pixels, one.raw, maps.judge_of(one.name).score, one.area)
    view = maps.views.get(one.name) if maps.spec.preprocessing.view_input else None
    return PhotoMap(
        one.name,
        said.label,
        said.decided,
        said.probability,
        one.shown,
        one.map,
        removal,
        (one.width, one.height),
        one.tile,
        view=view,
    )


def check_photo(one: Explained, maps: RunMaps, parts: Mapping[str, str]) -> CheckPhoto:
    """A photo for the checks, with its marked place; ``parts`` names the part of each photo."""
    mask = marked_place(
        one.entry,
        one.width,
        one.height,
        frame=maps.spec.preprocessing.frame,
        max_megapixels=maps.reading.max_megapixels,
    )
    whole = (one.shown, one.map.values) if maps.spec.preprocessing.tiles > 1 else None
    return CheckPhoto(one.pixels, one.raw, one.area, mask, parts.get(one.name, one.name), whole)
