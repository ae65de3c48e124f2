"""``fastdefect stress``: disturb photos until a run's decisions change."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.sampling import draw_in_proportion
from fastdefect.errors import UsageError
from fastdefect.evaluation.robustness.background_swap import LabelledPhotos
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES, Disturbance
from fastdefect.evaluation.robustness.stress import Break, Limits, StressReport, first_breaks
from fastdefect.evaluation.robustness.stress import stress as stress_photos
from fastdefect.evaluation.views import parse_views
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.trained.decision import decision_for
from fastdefect.jobs.trained.model import load_model, read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import settle_root
from fastdefect.reporting.plots.stress import plot_stress
from fastdefect.run import Run
from fastdefect.text import counted


@dataclass(frozen=True)
class StressTest:
    """The result of ``stress``.

    ``available``: the number of photos in the split; ``report.n`` of them were disturbed.
    ``opening`` counts the openings of the sealed test up to this one; None if the test was not
    opened. ``breaks``: the strength at which each disturbance breaks a limit; empty without limits.
    """

    run: Run
    split: str
    opening: int | None
    available: int
    decision: DecisionRule
    limits: Limits
    report: StressReport
    breaks: tuple[Break, ...]
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and the content of the run's file."""
        return {
            "run": str(self.run.folder),
            "split": self.split,
            "opening": self.opening,
            "available": self.available,
            "decision": self.decision.as_json(),
            "limits": asdict(self.limits),
            **self.report.as_json(),
            "breaks": [each.as_json() for each in self.breaks],
            "files": [str(file) for file in self.files],
        }


@dataclass(frozen=True)
class StressPlan:
    """The disturbances to apply, and the limits for their effect.

    ``only``: names as for ``choose_disturbances``, None for all. ``most``: the most photos to
    disturb, None for all. ``seed`` draws the photos and the disturbances.
    """

    limits: Limits
    only: str | None = None
    most: int | None = None
    seed: int = 0


def stress(run: Run, plan: StressPlan, request: Request, *, on_event: OnEvent) -> StressTest:
    """Disturb the photos of ``request`` by ``plan``, and decide again.

    Writes the figures and a plot into the run. Raises ``RunError`` if the run has no model or no
    such photos.
    """
    spec, seed = read_spec(run), plan.seed
    disturbances = choose_disturbances(plan.only)
    _check_limits(plan.limits, spec.good)
    settle_root(run, request.data_root, request.sides, on_event)
    # Before the photos: a request without a decision must not open the test.
    decision = decision_for(run, request.threshold, request.views, request.device, on_event)
    photos = load_evaluation_photos(run, request, spec, what="stress", on_event=on_event)
    available = len(photos.side)
    photos = _at_most(photos, plan.most, seed)
    on_event(_stress_note(disturbances, len(photos.side), available, seed))
    model = load_model(run, photos, request.device)
    fixed, _ = parse_views(decision.views)
    labels = [spec.classes.index(photo.label) for photo in photos.photos]
    products = photos.products

    def decide(pixels: NDArray[np.uint8], positions: Sequence[int]) -> NDArray[np.int64]:
        y_prob = model.predict_pixels(pixels, positions, fixed)
        return decision.decide(
            decision.calibrated(y_prob), spec.good_indices, [products[i] for i in positions]
        )

    report = stress_photos(
        decide,
        LabelledPhotos(photos.store, photos.rows, np.array(labels, np.int64), spec.good_indices),
        parts=photos.parts,
        seed=seed,
        disturbances=disturbances,
        on_step=lambda done, total: on_event(Progress("disturbing photos", done, total)),
    )
    return _keep(run, photos, available, decision, plan.limits, report)


def choose_disturbances(only: str | None) -> tuple[Disturbance, ...]:
    """The disturbances named in ``only``, separated by commas, or all; in their fixed order.

    Case does not matter, and a hyphen stands for a space. Raises ``UsageError`` for an unknown
    name.
    """
    if only is None:
        return tuple(DISTURBANCES.values())
    wanted = {_plain(name) for name in only.split(",")}
    unknown = sorted(wanted - set(map(_plain, DISTURBANCES)))
    if unknown:
        raise UsageError(
            f"--only {only}: there is no disturbance {', '.join(map(repr, unknown))}.",
            f"Choose from {', '.join(DISTURBANCES)}, separated by commas.",
        )
    return tuple(each for name, each in DISTURBANCES.items() if _plain(name) in wanted)


def _plain(name: str) -> str:
    return name.strip().casefold().replace("-", " ")


def _check_limits(limits: Limits, good: tuple[str, ...]) -> None:
    for name, most in asdict(limits).items():
        flag = f"--{name.replace('_', '-')}"
        if most is None:
            continue
        if not 0 <= most <= 1:  # refuses NaN, too
            raise UsageError(
                f"{flag} {most}: expected a share from 0 to 1.", f"1 % is {flag} 0.01."
            )
        if not good and name != "max_flips":
            raise UsageError(
                f"{flag}: this run has no good class, so there are no escapes and no overkill.",
                "Limit the decisions that flip instead: --max-flips.",
            )


def _at_most(photos: EvaluationPhotos, most: int | None, seed: int) -> EvaluationPhotos:
    if most is None or most >= len(photos.side):
        return photos
    places = draw_in_proportion([photo.label for photo in photos.photos], most, seed)
    # The fold names the network that was not trained on a photo.
    fold = photos.fold and tuple(photos.fold[place] for place in places)
    return replace(photos, side=tuple(photos.side[place] for place in places), fold=fold)


def _stress_note(disturbances: Sequence[Disturbance], n: int, available: int, seed: int) -> Note:
    strengths = sum(len(each.strengths) for each in disturbances)
    photos = counted(available, "photo")
    taken = photos if n == available else f"{n} of {photos}, drawn by class with seed {seed}"
    return Note(
        f"Stress on {taken}: {counted(len(disturbances), 'disturbance')} in {strengths} strengths, "
        f"{n * (1 + strengths):,} predictions."
    )


def _keep(
    run: Run,
    photos: EvaluationPhotos,
    available: int,
    decision: DecisionRule,
    limits: Limits,
    report: StressReport,
) -> StressTest:
    picture = run.report_path("stress", photos.stem, ".png")
    found = StressTest(
        run,
        photos.split,
        photos.opening,
        available,
        decision,
        limits,
        report,
        first_breaks(report, limits) if limits != Limits() else (),
        (run.report_path("stress", photos.stem, ".json"), picture),
    )
    for name in photos.names:
        run.write(f"stress-{name}.json", found.as_json())
    plot_stress(picture, report, limits)
    return found
