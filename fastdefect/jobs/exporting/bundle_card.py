"""The card of a bundle from a run: facts and figures, for people who meet the file alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import ValidationError

from fastdefect import __version__
from fastdefect.aliases import Floats
from fastdefect.config import DataConfig
from fastdefect.errors import UsageError
from fastdefect.evaluation.by_part import measure_parts
from fastdefect.evaluation.evaluate import evaluate
from fastdefect.evaluation.predictions import predictions_of
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED
from fastdefect.evaluation.views import FIXED_VIEWS
from fastdefect.events import Note, OnEvent
from fastdefect.files import finite, read_csv
from fastdefect.inference.card import (
    MAX_MEGAPIXELS,
    SCHEMA,
    Card,
    NetworkFacts,
    PhotoSteps,
    Rule,
    first_problem,
)
from fastdefect.inference.part_pattern import is_quick
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.trained.scorer import RunModel, reading_of
from fastdefect.jobs.training.sides import known_views

_PACKAGES = ("torch", "onnxruntime", "numpy", "opencv-python-headless", "pillow")


def card_of(model: RunModel, photos: EvaluationPhotos, y_prob: Floats, on_event: OnEvent) -> Card:
    """The card, except for the form of the network, unlike photos, the examples and the check.

    ``y_prob`` (n, n_classes) are the run's probabilities of the validation ``photos``, not
    calibrated. Raises ``UsageError`` for a value that no card may have.
    """
    spec, config = model.spec, model.run.read_config().data
    with named_values():
        return Card(
            schema_version=SCHEMA if spec.preprocessing.view_input else 1,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=_versions(),
            classes=spec.classes,
            good=spec.good,
            photos=_photo_steps(model),
            rule=Rule.model_validate_json(json.dumps(model.rule.as_json())),
            network=_network(model),
            unlike=None,
            part_from=_part_from(config, on_event),
            part_views=tuple(sorted(known_views(model.run))),
            view_from=_quick(config.view_from, "view", on_event),
            product_from=_quick(config.product_from, "product", on_event),
            facts=_facts(model),
            figures=_figures(model, photos, y_prob),
            check={},
            examples=(),
            members={},
        )


@contextmanager
def named_values() -> Iterator[None]:
    """Turn a value that no card may have into ``UsageError``, which names it."""
    try:
        yield
    except ValidationError as error:
        place, reason = first_problem(error)
        found = error.errors(include_url=False)[0]["input"]
        raise UsageError(
            f"The run can't be exported: a bundle can't have its {place}, {found!r:.80}: {reason}.",
            "Train again with another value; --rename OLD=NEW gives a class another name.",
        ) from error


def _part_from(config: DataConfig, on_event: OnEvent) -> str | None:
    """The pattern of the training; None, with a warning, if a bundle may not have it."""
    return _quick(config.part_from if config.parts in ("auto", "regex") else None, "part", on_event)


def _quick(pattern: str | None, kind: str, on_event: OnEvent) -> str | None:
    """The pattern for the ``kind``, part, view or product, as ``_part_from``."""
    if not pattern or is_quick(pattern):
        return pattern or None
    on_event(
        Note(
            f"The bundle does not have the pattern of the {kind}s, {pattern!r:.200}: on some names "
            f"it could take very long. For decisions by {kind} give it again: fastdefect predict "
            f"BUNDLE PHOTOS --{kind}-from REGEX.",
            "warning",
        )
    )
    return None


def _versions() -> dict[str, str]:
    found = {"fastdefect": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # installed under another name
            continue
    return found


def _photo_steps(model: RunModel) -> PhotoSteps:
    steps, how = model.spec.preprocessing, reading_of(model)
    return PhotoSteps(
        image_size=steps.image_size,
        resize=steps.resize,
        white=how.white,
        max_megapixels=min(float(how.max_megapixels), MAX_MEGAPIXELS),
        side=how.side or steps.image_size,
        mean=steps.mean,
        std=steps.std,
        tiles=steps.tiles,
        background=steps.background,
    )


def _network(model: RunModel) -> NetworkFacts:
    return NetworkFacts(
        runtime="onnx",
        precision="fp32",
        arch=model.spec.arch,
        members=model.spec.members,
        views=len(FIXED_VIEWS[model.rule.views]),
        features=sum(model.blocks),
        by_tile=model.spec.preprocessing.tiles > 1,
        joint=model.spec.memory,
        view_input=model.spec.preprocessing.view_input,
    )


def _facts(model: RunModel) -> dict[str, Any]:
    """The training: its name, time, photos by side and class, and settings; no paths of photos."""
    run = model.run
    rows = read_csv(run.path("split.csv"))
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        side = counts.setdefault(row["split"], {})
        side[row["label"]] = side.get(row["label"], 0) + 1
    state = run.read_state()
    return {
        "run": run.name,
        "started": state.get("started"),
        "photos": counts,
        "parts": len({row["part"] for row in rows}),
        "settings": {"training": finite(vars(run.read_config().training))},
    }


def _figures(model: RunModel, photos: EvaluationPhotos, y_prob: Floats) -> dict[str, Any]:
    """All metrics on validation with their intervals, decided by the rule of the bundle.

    If it decides on parts, they have the figures of the parts, too.
    """
    spec, rule = model.spec, model.rule
    calibrated = rule.calibrated(y_prob)
    predictions = predictions_of(photos.photos, spec.classes, spec.good, calibrated)
    decided = rule.decide(calibrated, spec.good_indices, photos.products)
    found = evaluate(predictions, photos.parts, y_pred=decided, seed=BOOTSTRAP_SEED)
    by_part = measure_parts(predictions, photos.shown, rule, known_views=known_views(model.run))
    more = {"by_part": finite(by_part.as_json())} if by_part else {}
    return {"split": "valid", **finite(found.as_json()), **more}
