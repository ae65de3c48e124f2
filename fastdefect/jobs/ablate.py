"""``fastdefect ablate``: every step from the old pipeline to the improved one, measured.

Each seed has a part-wise split of its own, and every step of that seed is trained on it. The seeds
come one after the other, so that a budget that ends early leaves whole ladders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fastdefect.config import RunConfig, override
from fastdefect.errors import RunError, UsageError
from fastdefect.evaluation.ablation import COMPARED, Gain, Plan, Step, gains, plan_steps
from fastdefect.events import OnEvent
from fastdefect.files import finite
from fastdefect.jobs.decision import judge_validation
from fastdefect.jobs.log import Log
from fastdefect.jobs.series import (
    Budget,
    Finished,
    SeriesReport,
    create_series,
    read_plan,
    resume_series,
    run_series,
)
from fastdefect.jobs.series_photos import Member, SeriesPhotos
from fastdefect.reporting.ablation_plot import plot_ablation
from fastdefect.run import ABLATION, Run

Figures = dict[str, dict[int, dict[str, float]]]


@dataclass(frozen=True)
class AblationReport:
    """How an ablation ended: figures by step and seed, gains by step and figure."""

    series: SeriesReport
    steps: tuple[Step, ...]
    figures: Figures
    gains: dict[str, dict[str, Gain]]
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and what ablation.json holds."""
        return {
            "run": str(self.series.run.folder),
            "reason": self.series.reason,
            "left": [member.name for member in self.series.left],
            "steps": [
                {
                    "name": step.name,
                    "title": step.title,
                    "against": step.against,
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
        }


def start(
    config: RunConfig,
    *,
    plan: Plan,
    seeds: int,
    budget_minutes: float | None,
    runs: Path,
    name: str | None,
    command: str,
    on_event: OnEvent,
) -> AblationReport:
    """Train every step of ``plan`` with ``seeds`` seeds, from the config's on, in a new run."""
    if config.report.folds is not None:
        raise UsageError("An ablation compares on one validation split a seed: leave folds out.")
    budget, log = Budget(budget_minutes), Log(on_event)
    photos = SeriesPhotos.read(config, log)
    steps = plan_steps(plan, _improved(config))
    members = members_of(config, steps, seeds)
    run = create_series(
        ABLATION,
        config,
        members,
        photos,
        runs=runs,
        name=name,
        command=command,
        plan={"steps": plan, "seeds": seeds},
    )
    return _close(run_series(run, members, photos, budget=budget, log=log), steps, log)


def resume(run: Run, *, budget_minutes: float | None, on_event: OnEvent) -> AblationReport:
    """Do what is left of an ablation; if nothing is, only report again."""
    plan = read_plan(run, ABLATION)
    config = run.read_config()
    try:
        steps = plan_steps(plan["steps"], _improved(config))
        members = members_of(config, steps, plan["seeds"])
    except (KeyError, TypeError) as error:
        raise RunError(f"The plan in run.json of {run.name} is damaged: {plan!r:.80}.") from error
    log = Log(on_event)
    series = resume_series(run, members, budget=Budget(budget_minutes), log=log)
    return _close(series, steps, log)


def members_of(config: RunConfig, steps: Sequence[Step], seeds: int) -> list[Member]:
    """A training for each seed and each step that needs one."""
    first = config.training.seed
    return [
        Member(_name(step, seed), _configured(config, step, seed))
        for seed in range(first, first + seeds)
        for step in steps
        if step.views == "none"
    ]


def _name(step: Step, seed: int) -> str:
    return f"{step.name}-seed-{seed}"


def _configured(config: RunConfig, step: Step, seed: int) -> RunConfig:
    changed = override(config, {**step.settings, "seed": seed})
    # The best epoch is saved whatever the patience: all steps get the same epochs.
    return replace(changed, training=replace(changed.training, patience=0))


def _improved(config: RunConfig) -> Mapping[str, Any]:
    """The user's settings by field, as the steps take them up."""
    return {
        **asdict(config.data),
        **asdict(config.model),
        **asdict(config.training),
    }


def _close(series: SeriesReport, steps: Sequence[Step], log: Log) -> AblationReport:
    """Put the trainings together, write and plot it; all of it follows from the files."""
    by_name = {finished.member.name: finished for finished in series.finished}
    first = series.run.read_config().training.seed
    seeds = range(first, first + series.run.read_state()["plan"]["seeds"])
    figures: Figures = {}
    for step in steps:
        trained = step if step.views == "none" else _asked(step, steps)
        for seed in seeds:
            finished = by_name.get(_name(trained, seed))
            if finished is not None:
                figures.setdefault(step.name, {})[seed] = _figures(finished, step.views, log)
    folder = series.run.folder
    files = (folder / "ablation.json", folder / "ablation.png")
    report = AblationReport(series, tuple(steps), figures, gains(steps, figures), files)
    if not figures:
        return replace(report, files=())
    series.run.write_ablation(report.as_json())
    plot_ablation(files[1], steps, report.gains)
    return report


def _asked(step: Step, steps: Sequence[Step]) -> Step:
    """The step whose model is asked in another way."""
    return next(other for other in steps if other.name == step.against)


def _figures(finished: Finished, views: str, log: Log) -> dict[str, float]:
    """Validation figures of one training, and the gap to its training photos in accuracy."""
    train = finished.metrics["train"]["accuracy"]
    if views == "none":
        valid = finished.metrics["valid"]
    else:
        judged = judge_validation(finished.run, views, "auto", log)
        valid = judged.predictions.metrics().as_json()
    found = {name: _number(valid[name]) for name in COMPARED if name != "gap"}
    return {**found, "gap": _number(train) - found["accuracy"], "seconds": finished.seconds}


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
