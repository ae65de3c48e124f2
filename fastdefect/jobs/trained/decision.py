"""The decisions of a run: validation predictions, temperature and stored operating point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from fastdefect.config import Device, PartRule
from fastdefect.errors import RunError, UsageError
from fastdefect.evaluation.by_part import Shown
from fastdefect.evaluation.decisions.calibration import HIGHEST, LOWEST
from fastdefect.evaluation.decisions.operating_point import NONE_REJECTED, Costs
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.evaluation.views import FIXED_VIEWS, parse_views, resolve_views
from fastdefect.events import Note, OnEvent
from fastdefect.files import read_csv, typed
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.part_rule import DEFAULT_RULE
from fastdefect.inference.stacking import Stacking
from fastdefect.jobs.trained.model import load_model, read_spec
from fastdefect.jobs.trained.photos import load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.training.calibration import keep_temperature
from fastdefect.jobs.training.sides import shown_by
from fastdefect.jobs.training.views import require_fixed
from fastdefect.run import Run
from fastdefect.training.learner import choose_device
from fastdefect.training.predict import View


@dataclass(frozen=True)
class Judged:
    """Predictions of photos, and what each photo shows."""

    predictions: Predictions
    shown: Shown

    @property
    def parts(self) -> tuple[str, ...]:
        """The part of each photo."""
        return self.shown.parts


def fixed_views(run: Run, text: str | None) -> tuple[str, Sequence[View]]:
    """The name and views of ``text``, or the run's own; raises ``UsageError`` for random views."""
    if text is None:
        name = read_spec(run).views
    else:
        name = resolve_views(text, run.read_config().data.augment)
    return name, require_fixed(name)


def judge_validation(run: Run, views: str, device: Device, on_event: OnEvent) -> Judged:
    """The run's predictions of validation: the stored ones, or new ones, which are then stored."""
    spec = read_spec(run)
    path = run.predictions_path("valid", views)
    if path.exists():
        predictions = read_predictions(path, spec.classes, spec.good)
        rows = read_csv(run.path("split.csv"))
        try:
            return Judged(predictions, shown_by(rows, predictions.names))
        except KeyError as error:
            raise RunError(
                f"{path} names a photo that is not in {run.path('split.csv')}: {error}.",
                f"Delete {path}: it is then written again.",
            ) from error
    photos = load_evaluation_photos(run, Request(), spec, what="validation", on_event=on_event)
    fixed, _ = parse_views(views)
    model = load_model(run, photos, device)
    predictions = model.predict(fixed, on_event=on_event, label="predicting validation")
    run.write_predictions("valid", predictions.rows(), predictions.columns(), views)
    return Judged(predictions, photos.shown)


def temperature_for(run: Run, views: str, device: Device, on_event: OnEvent) -> float:
    """The run's temperature for these views, fitted if it is not stored; 1 without two classes."""
    known = run.read("calibration.json").get(views)
    if known is not None:
        try:
            return _number(known["value"], LOWEST, HIGHEST)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"calibration.json of {run.name} is damaged: {known!r:.80}.",
                "Delete it: it is then written again.",
            ) from error
    fitted = keep_temperature(
        run, views, judge_validation(run, views, device, on_event).predictions
    )
    if fitted is None:
        on_event(Note("Not calibrated: all validation photos are of one class.", "warning"))
    return fitted.value if fitted else 1.0


def decision_for(
    run: Run, threshold: str, views: str | None, device: Device, on_event: OnEvent
) -> DecisionRule:
    """The rule by which the run decides.

    ``threshold``: "stored" for the stored operating point, if there is one, "argmax" for the most
    probable class, or a number. ``views``: None for those of the operating point, else the run's
    own (``jobs/training/views.py``). What is decided, photos or parts, is that of the operating
    point, else photos; see ``by_unit``.

    Raises ``UsageError`` for another text, for a number without a good class, and for a missing
    ``device``. Call this before the photos are loaded, so that an error does not open the test.
    """
    choose_device(device)
    stored = run.read("operating_point.json") if threshold == "stored" else None
    if stored:
        return _stored_decision(run, stored, views)
    name, _ = fixed_views(run, views)
    value = None if threshold in ("stored", "argmax") else _share(threshold)
    if value is not None and not read_spec(run).good:
        raise UsageError(
            f"--threshold {threshold}: a threshold needs a good class, but {run.name} has none.",
            "Remove --threshold: the most probable class then decides.",
        )
    rule = "the most probable class" if value is None else f"threshold {threshold}"
    temperature = temperature_for(run, name, device, on_event)
    by_part = stored_part_rule(run)
    return DecisionRule(
        name, temperature, value, None, rule, by_part, stacking=_stored_stacking(run, by_part)
    )


def by_unit(run: Run, decision: DecisionRule, request: Request, on_event: OnEvent) -> DecisionRule:
    """``decision`` on what ``request`` asks for: photos, or parts by a rule.

    On another unit than its own, only the common threshold decides.
    The errors are those of ``part_rule_for``, and ``UsageError`` for a rule that is not learned.
    """
    rule = part_rule_for(run, request)
    if rule == decision.part_rule:
        return decision
    if rule == "stacking":
        raise UsageError(
            f"--part-rule stacking is a rule that is learned from parts, but {run.name} has none.",
            f"Learn it with its threshold: fastdefect threshold {typed(run.folder)} --decide part "
            "--part-rule stacking.",
        )
    if decision.threshold is not None and request.threshold == "stored":
        on_event(
            Note(
                f"The operating point of {run.name} was chosen for decisions by "
                f"{unit_text(decision.part_rule)}. By {unit_text(rule)} its limits and guarantees "
                f"do not hold. Choose one for them: fastdefect threshold {options_of(rule)}.",
                "warning",
            )
        )
    # Thresholds by product are for the unit that they were chosen for.
    return replace(decision, part_rule=rule, stacking=None, products=())


def part_rule_for(run: Run, request: Request) -> PartRule | None:
    """How the photos of a part are combined for ``request``; None if photos are decided.

    Raises ``UsageError`` for a rule without decisions by part, and for parts without a good class.
    """
    stored = stored_part_rule(run)
    if request.decide == "photo":
        if request.part_rule is not None:
            raise UsageError(
                f"--part-rule {request.part_rule} combines the photos of a part, but --decide "
                "photo decides on each photo.",
                "Remove one of them.",
            )
        return None
    rule = request.part_rule or stored
    if rule is None and request.decide == "part":
        rule = DEFAULT_RULE
    if rule is not None and not read_spec(run).good:
        raise UsageError(
            f"A part is good or defective, but {run.name} has no good class.",
            "Remove --decide and --part-rule, or train with --good NAME.",
        )
    return rule


def stored_part_rule(run: Run) -> PartRule | None:
    """How the operating point combines the photos of a part; None if photos are decided.

    Raises ``RunError`` for a rule that this version does not know.
    """
    found = run.read("operating_point.json").get("part_rule")
    if found is None:
        return None
    rule: PartRule | None = next((name for name in get_args(PartRule) if name == found), None)
    if rule is None:
        raise _damaged(run, ValueError(f"unknown part_rule {found!r:.40}"))
    return rule


def _stored_stacking(run: Run, rule: PartRule | None) -> Stacking | None:
    """What the operating point has learned, if its rule is stacking."""
    if rule != "stacking":
        return None
    try:
        return Stacking.from_json(run.read("operating_point.json")["stacking"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(run, error) from error


def unit_text(rule: PartRule | None) -> str:
    """What is decided, in words."""
    return "photo" if rule is None else f"part ({rule})"


def options_of(rule: PartRule | None) -> str:
    """The options for it."""
    return "--decide photo" if rule is None else f"--decide part --part-rule {rule}"


def _stored_decision(run: Run, stored: Mapping[str, Any], views: str | None) -> DecisionRule:
    try:
        if stored["views"] not in FIXED_VIEWS:
            raise ValueError(f"unknown views {stored['views']}")
        threshold, high = _number(stored["threshold"], 0, NONE_REJECTED), stored["high"]
        by_part = stored_part_rule(run)
        chosen = DecisionRule(
            str(stored["views"]),
            _number(stored["temperature"], LOWEST, HIGHEST),
            threshold,
            None if high is None else _number(high, threshold, NONE_REJECTED),
            str(stored["said"]),
            by_part,
            tuple(
                (str(each["product"]), _number(each["threshold"], 0, NONE_REJECTED))
                for each in stored.get("products", ())
                if each["own"]
            ),
            _stored_stacking(run, by_part),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(run, error) from error
    if views is not None and fixed_views(run, views)[0] != chosen.views:
        raise UsageError(
            f"--views {views}: the operating point of {run.name} was chosen for views "
            f"{chosen.views} and is valid for these only.",
            f"Remove --views, choose again with fastdefect threshold --views {views}, or "
            "decide by the most probable class with --threshold argmax.",
        )
    return chosen


def stored_costs(run: Run) -> Costs | None:
    """The costs behind the operating point; None if it was chosen by another criterion."""
    stored = run.read("operating_point.json")
    if stored.get("rule") != "cost":
        return None
    try:
        return Costs(**stored["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(run, error) from error


def _damaged(run: Run, error: Exception) -> RunError:
    return RunError(
        f"{run.path('operating_point.json')} is damaged: {error!r}.",
        "Choose it again with fastdefect threshold, or delete it.",
    )


def _number(value: object, low: float, high: float) -> float:
    number = float(str(value))
    if not low <= number <= high:
        raise ValueError(f"Expected a number from {low} to {high}, got {value}")
    return number


def _share(text: str) -> float:
    try:
        return _number(text, 0, 1)
    except ValueError as error:
        raise UsageError(
            f"--threshold {text}: expected stored, argmax or a number from 0 to 1.",
            "Choose a threshold with fastdefect threshold.",
        ) from error
