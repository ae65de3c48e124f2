"""The threshold of a run that has learned from good parts alone, chosen on good parts alone."""

from datetime import UTC, datetime

from fastdefect.config import Device
from fastdefect.evaluation.decisions.conformal import GoodPoint, choose_from_good, usual_level
from fastdefect.events import Note, OnEvent
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import calibrated, defect_score
from fastdefect.jobs.trained.decision import Judged, judge_validation, temperature_for
from fastdefect.jobs.trained.model import read_spec
from fastdefect.run import Run


def good_point(judged: Judged, temperature: float, limit: float | None) -> GoodPoint:
    """The threshold from the good photos of ``judged``; without a ``limit`` the usual level.

    Raises ``DataError`` if there are too few good parts for ``limit``.
    """
    said = judged.predictions
    good = is_good(said.y_true, said.good_indices)
    scores = defect_score(calibrated(said.y_prob, temperature), said.good_indices)[good]
    parts = [part for part, of_good in zip(judged.parts, good, strict=True) if of_good]
    level = limit if limit is not None else usual_level(len(set(parts)))
    return choose_from_good(scores, parts, level)


def keep_good_point(run: Run, device: Device, command: str, on_event: OnEvent) -> None:
    """Store the threshold of the usual level, chosen on the good validation parts; a note tells."""
    views = read_spec(run).views
    judged = judge_validation(run, views, device, on_event)
    temperature = temperature_for(run, views, device, lambda event: None)
    point = good_point(judged, temperature, None)
    run.write(
        "operating_point.json",
        {
            "run": str(run.folder),
            **point.as_json(),
            "high": None,
            "said": point.said,
            "chosen_on": "the good validation photos",
            "unit": "photo",
            "part_rule": None,
            "views": views,
            "temperature": temperature,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
        },
    )
    on_event(
        Note(
            f"Threshold {point.threshold:.3f}, {point.said}. How many defects escape is not known "
            "without photos of defects. To choose another: fastdefect threshold."
        )
    )
