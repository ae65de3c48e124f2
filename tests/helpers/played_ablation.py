"""Ablations whose trainings are played, with mistakes that are known."""

import json
from pathlib import Path
from typing import Any

import pytest

from fastdefect.config import RunConfig
from fastdefect.evaluation.ablation import OLD, Step
from fastdefect.evaluation.by_part import Shown
from fastdefect.events import silent
from fastdefect.jobs import ablate as job
from fastdefect.jobs.trained.decision import Judged
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.run import Run
from helpers.played import Played, play

N_VALID = 12


def play_ablation(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, str, str]]) -> Played:
    played = play(monkeypatch, wrong=mistakes)

    def judge(run: Run, views: str, device: str, on_event: Any) -> Judged:
        asked.append((run.name, views, device))
        kept = job_predictions(run)
        prob = kept.y_prob.copy()
        wrong = prob.argmax(axis=1) != kept.y_true
        prob[wrong] = prob[wrong][:, ::-1]
        better = type(kept)(kept.names, kept.classes, kept.good, kept.y_true, prob)
        run.write_predictions("valid", better.rows(), better.columns(), views)
        return Judged(better, Shown.unknown(()))

    monkeypatch.setattr(job, "judge_validation", judge)
    return played


def job_predictions(run: Run) -> Any:
    from fastdefect.evaluation.predictions import read_predictions

    return read_predictions(run.predictions_path("valid"), ("defect", "good"), ("good",))


def mistakes(name: str, config: RunConfig) -> int:
    seed = config.training.seed
    if name.startswith("old"):
        return 5 + seed % 2
    return 3 if config.data.balance == "none" else 1 + seed % 2


def start_ablation(config: RunConfig, runs: Path, **changes: Any) -> job.AblationReport:
    options: dict[str, Any] = {"plan": "ladder", "seeds": 2, "budget_minutes": None}
    options |= {"on_event": silent}
    return job.start(config, NewRun(runs, "ab", "fastdefect ablate"), **{**options, **changes})


def three_steps(plan: str, improved: Any) -> tuple[Step, ...]:
    """A ladder of three steps, one of them views."""
    arch = {**OLD, "arch": improved["arch"]}
    return (
        Step("old", "old", OLD, None),
        Step("arch", "new", arch, "old", "accuracy +5 to 8"),
        Step("tta", "views", arch, "arch", views="flips", aside=True),
    )


def content_of(runs: Path) -> Any:
    return json.loads((runs / "ab" / "ablation.json").read_text(encoding="utf-8"))
