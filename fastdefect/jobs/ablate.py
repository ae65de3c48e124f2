"""``fastdefect ablate``: measure each step from the old pipeline to the improved one.

Each seed has its own split by parts, and every step of that seed is trained on it. The seeds run
one after the other, so that a budget that ends early leaves complete ladders.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.config_resolve import apply_recipe, override
from fastdefect.data.settle import as_read, whole_unless_asked
from fastdefect.errors import ModelError, UsageError
from fastdefect.evaluation.ablation import (
    COMPARED,
    Gain,
    Plan,
    Step,
    gain_of,
    gains,
    plan_steps,
    spans,
)
from fastdefect.events import Note, OnEvent
from fastdefect.files import finite
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.members import Finished
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Series,
    SeriesReport,
    create_series,
    damaged_plan,
    read_plan,
    refuse_members,
    resume_series,
    run_series,
    seeds_from,
)
from fastdefect.jobs.trained.decision import judge_validation
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.network import settle_weights
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.one_epoch import refuse_one_epoch
from fastdefect.metrics import constant_prediction
from fastdefect.reporting.plots.ablate import plot_ablation
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.training.backbones import build_backbone

Figures = dict[str, dict[int, dict[str, float]]]


@dataclass(frozen=True)
class AblationReport:
    """The result of an ablation: figures by step and seed, gains by step and figure.

    ``page`` is the file to read, if it was made.
    """

    series: SeriesReport
    steps: tuple[Step, ...]
    figures: Figures
    gains: dict[str, dict[str, Gain]]
    files: tuple[Path, ...]
    page: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``; without ``run``, the content of ablation.json."""
        return {
            "run": str(self.series.run.folder),
            **({"report": str(self.page)} if self.page else {}),
            "reason": self.series.reason,
            "diverged": [member.name for member in self.series.diverged],
            "left": [member.name for member in self.series.left],
            "seconds_left": self.series.seconds_left,
            "steps": [
                {
                    "name": step.name,
                    "title": step.title,
                    "against": step.against,
                    "aside": step.aside,
                    "claim": step.claim,
                    "settings": dict(step.settings),
                    "views": step.views,
                    "figures": {
                        str(seed): finite(of)
                        for seed, of in self.figures.get(step.name, {}).items()
                    },
                    "gains": {
                        name: gain.as_json() for name, gain in self.gains.get(step.name, {}).items()
                    },
                }
                for step in self.steps
            ],
            "together": [
                {
                    **asdict(span),
                    "gains": {
                        name: gain_of(
                            name, self.figures.get(span.end, {}), self.figures.get(span.start, {})
                        ).as_json()
                        for name in COMPARED
                    },
                }
                for span in spans(self.steps)
            ],
        }


def start(
    config: RunConfig,
    new_run: NewRun,
    *,
    plan: Plan,
    seeds: int,
    budget_minutes: float | None,
    on_event: OnEvent,
) -> AblationReport:
    """Train every step of ``plan`` with ``seeds`` seeds, from the config's seed on, in a new run.

    If the pretrained weights of the config are not available, the steps about them are left out.
    """
    if config.report.folds is not None:
        raise UsageError(
            "An ablation compares on one validation split per seed, but the config has "
            f"{config.report.folds} folds.",
            "Remove folds from the config file.",
        )
    refuse_members(config)
    refuse_one_epoch(config)
    budget, log = Budget(budget_minutes), Log(on_event)
    photos = SeriesPhotos.read(whole_unless_asked(config), log)
    config = as_read(config, photos.manifest)
    config = settle_weights(config, log)
    if config.training.recipe == "auto":
        log(Note("Recipe full: it contains the steps with claimed gains."))
        config = apply_recipe(config, "full")
    steps = steps_of(config, plan, log)
    members = members_of(config, steps, seeds)
    run = create_series(
        RunKind.ABLATION,
        config,
        members,
        photos,
        new_run,
        {"steps": plan, "seeds": seeds},
    )
    return _close(run_series(Series(run, members, photos, log), budget), steps, log)


def resume(run: Run, *, budget_minutes: float | None, on_event: OnEvent) -> AblationReport:
    """Train what is left of an ablation; if nothing is left, only report again."""
    plan = read_plan(run, RunKind.ABLATION)
    config = run.read_config()
    budget, log = Budget(budget_minutes), Log(on_event)
    try:
        steps = steps_of(config, plan["steps"], log)
        members = members_of(config, steps, plan["seeds"])
    except (KeyError, TypeError) as error:
        raise damaged_plan(run, plan) from error
    return _close(resume_series(run, members, budget=budget, log=log), steps, log)


def steps_of(config: RunConfig, plan: Plan, on_event: OnEvent) -> tuple[Step, ...]:
    """The steps of ``plan`` for the user's settings, without image sizes too large for a network.

    Raises ``KeyError`` for an unknown plan.
    """
    settings = {**asdict(config.data), **asdict(config.model), **asdict(config.training)}
    steps = []
    for step in plan_steps(plan, settings):
        size = step.settings.get("image_size", config.data.image_size)
        if size != config.data.image_size:
            try:
                build_backbone(step.settings["arch"], "none", size)
            except ModelError as error:
                on_event(Note(f"Left out: {step.title}. {error.message}"))
                continue
        steps.append(step)
    return tuple(steps)


def members_of(config: RunConfig, steps: Sequence[Step], seeds: int) -> list[Member]:
    """One training for each seed and each step that needs its own."""
    return [
        Member(_name(step, seed), _configured(config, step, seed))
        for seed in seeds_from(config.training.seed, seeds)
        for step in steps
        if step.views == "none"
    ]


def _name(step: Step, seed: int) -> str:
    return f"{step.name}-seed-{seed}"


def _configured(config: RunConfig, step: Step, seed: int) -> RunConfig:
    changed = override(config, {**step.settings, "seed": seed})
    # Without early stopping: all steps train for the same epochs, and the best one is saved anyway.
    return replace(changed, training=replace(changed.training, patience=0))


def _close(series: SeriesReport, steps: Sequence[Step], log: Log) -> AblationReport:
    """Combine the trainings, write and plot the result; it depends on the files alone."""
    series.require(1)
    by_name = {finished.member.name: finished for finished in series.finished}
    first, count = series.run.read_config().training.seed, series.run.read_state()["plan"]["seeds"]
    seeds = seeds_from(first, count)
    figures: Figures = {}
    for step in steps:
        trained = step if step.views == "none" else _base_of(step, steps)
        for seed in seeds:
            finished = by_name.get(_name(trained, seed))
            # After Ctrl-C or at the end of the budget, predict nothing more.
            if finished and (
                series.reason == RunStatus.FINISHED or _is_predicted(finished, step.views)
            ):
                figures.setdefault(step.name, {})[seed] = _figures(finished, step.views, log)
    report = AblationReport(series, tuple(steps), figures, gains(steps, figures), ())
    if not figures:
        return report
    content = {key: value for key, value in report.as_json().items() if key != "run"}
    files = [series.run.write("ablation.json", content)]
    if any(gained["accuracy"].by_seed for gained in report.gains.values()):
        plot_ablation(series.run.path("ablation.png"), steps, report.gains)
        files.append(series.run.path("ablation.png"))
    return replace(report, files=tuple(files))


def _base_of(step: Step, steps: Sequence[Step]) -> Step:
    """The step that trains the model of a step with views."""
    return next(other for other in steps if other.name == step.against)


def _is_predicted(finished: Finished, views: str) -> bool:
    return finished.run.predictions_path("valid", views).exists()


def _figures(finished: Finished, views: str, log: Log) -> dict[str, float]:
    """Validation figures of one training, and its accuracy gap between train and valid.

    With views there is no gap: the training photos are predicted without views only.
    """
    if views == "none":
        valid = finished.metrics["valid"]
        gap = _number(finished.metrics["train"]["accuracy"]) - _number(valid["accuracy"])
    else:
        device = finished.member.config.training.device
        judged = judge_validation(finished.run, views, device, log)
        valid, gap = judged.predictions.metrics().as_json(), math.nan
    found = {name: _number(valid[name]) for name in COMPARED if name != "gap"}
    blind = float(constant_prediction(valid["confusion"]) is not None)
    return {**found, "gap": gap, "seconds": finished.seconds, "blind": blind}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
