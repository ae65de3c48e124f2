"""The page of an ablation whose trainings were played."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from helpers.played_ablation import content_of, play_ablation, start_ablation, three_steps

from fastdefect.config import RunConfig
from fastdefect.evaluation.ablation import Gain
from fastdefect.events import silent
from fastdefect.jobs import ablate as job
from fastdefect.jobs.ablate_page import ablation_facts, with_page
from fastdefect.reporting.html.ablation import render_ablation
from fastdefect.run import Run

COMMAND = "fastdefect ablate data --report page.html"


@dataclass(frozen=True)
class Made:
    """An ablation that was played to its end, with its page."""

    runs: Path
    report: job.AblationReport
    begun: list[str]
    page: str


@pytest.fixture(scope="module")
def made(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three steps and two seeds."""
    runs = tmp_path_factory.mktemp("ablation")
    with pytest.MonkeyPatch.context() as patch:
        played = play_ablation(patch, [])
        patch.setattr(job, "plan_steps", three_steps)
        start_ablation(config, runs)
        begun = list(played.begun)
        again = job.resume(Run(runs / "ab"), budget_minutes=None, on_event=silent)
        report = with_page(again, runs / "page.html", COMMAND)
        assert played.begun == begun  # the page of a finished series needs no training
        return Made(runs, report, begun, (runs / "page.html").read_text(encoding="utf-8"))


def test_the_page_has_every_section_and_at_most_three_sentences(made: Made) -> None:
    assert re.findall(r'<section id="(\w+)"', made.page) == [
        *("verdict", "steps", "plots", "seeds", "settings", "trainings", "record")
    ]
    assert made.page.count('<p class="lead">') == 2  # the ladder has no span of all its steps
    assert made.page.count("<svg") == 4
    assert f"<dd>{COMMAND}</dd>" in made.page
    assert made.report.as_json()["report"] == str(made.runs / "page.html")
    assert made.report.files[-1] == made.runs / "page.html"


def test_the_figures_are_those_of_the_command(made: Made) -> None:
    for step in content_of(made.runs)["steps"]:
        cells = "".join(f"<td>{step['figures'][seed]['accuracy']:.2%}</td>" for seed in ("7", "8"))
        assert f'<th scope="row">{step["title"]}</th>{cells}' in made.page
        for name, gain in step["gains"].items():
            if gain["mean"] is not None:
                assert f"{100 * gain['mean']:+.1f} " in made.page, (step["name"], name)


def test_the_sentences_tell_what_helps_and_what_the_seeds_cannot_tell(made: Made) -> None:
    def said(**by_seed: tuple[float, ...]) -> str:
        gains = {
            name: {**of, "accuracy": Gain(by_seed[name])} for name, of in made.report.gains.items()
        }
        facts = ablation_facts(replace(made.report, gains=gains), COMMAND)
        return render_ablation(facts)

    better = said(arch=(0.2, 0.21), tta=(0.1, -0.1))
    assert "better: new +20.5 (+14.1 to +26.9) pts" in better
    assert "no difference shown: 1 of 2 differences" in better
    worse = said(arch=(-0.2, -0.21), tta=(-0.1, -0.1))
    assert "worse: new -20.5" in worse
    assert "no difference shown: 1 of 2 differences" in worse
    assert "With 2 seeds, a gain of less than about 6.4 points can&#39;t be told" in worse
    assert "no difference has an interval" in said(arch=(0.1,), tta=(0.1,))


def test_the_gap_decides_where_the_claim_is_about_it(made: Made) -> None:
    steps = tuple(replace(step, claim="gap 5 to 10 less") for step in made.report.steps)
    gains = {
        name: {**of, "gap": Gain((-0.2, -0.21)), "accuracy": Gain((0.1, -0.1))}
        for name, of in made.report.gains.items()
    }
    page = render_ablation(ablation_facts(replace(made.report, steps=steps, gains=gains), COMMAND))
    assert "better: new -20.5" in page


def test_each_training_has_its_time_and_each_step_its_settings(made: Made) -> None:
    for name in made.begun:
        assert f'<th scope="row">{name}</th>' in made.page
    assert "arch mobilenet_v3_small" in made.page
    assert "<td>views flips</td>" in made.page
    assert "training and split 7, 8" in made.page
    assert not list(made.runs.rglob("openings.json"))


def test_only_seeds_with_a_finished_training_count(made: Made) -> None:
    first = {step: {7: by_seed[7]} for step, by_seed in made.report.figures.items()}
    page = render_ablation(ablation_facts(replace(made.report, figures=first), COMMAND))
    assert "1 seed: an interval over so few seeds" in page


def test_an_ablation_that_is_not_finished_says_how_to_continue(
    config: RunConfig, played: Any, three: None, tmp_path: Path
) -> None:
    report = start_ablation(config, tmp_path, budget_minutes=0)
    page = render_ablation(ablation_facts(report, COMMAND))
    assert "No training is finished" in page
    assert "Not finished: 4 trainings." in page
    assert report.series.run.resume_command in page
    assert re.findall(r'<section id="(\w+)"', page) == ["verdict", "settings", "record"]
