"""A run of known scores, and the choice of its threshold."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.events import Event, Note, silent
from fastdefect.jobs import threshold as job
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run
from helpers.folders import photo_folder
from helpers.made_runs import made_run, split_row

# P(defect) by photo. One defect hides at 0.2; good ones reach 0.3, and one 0.6.
SCORES = {
    **{f"defect/{i}.png": p for i, p in enumerate([0.2, 0.45, 0.7, 0.9])},
    **{f"good/{i}.png": p for i, p in enumerate([0.1, 0.15, 0.3, 0.6])},
}


def scored_run(tmp_path: Path, scores: Mapping[str, float] = SCORES, **changes: Any) -> Run:
    """A run at temperature 1 that said ``scores`` of validation photos, each of its own part."""
    rows = [split_row(path, f"part of {path}") for path in scores]
    return made_run(tmp_path / "runs", "x", rows, scores, **changes)


def choose_for(
    run: Run,
    criteria: Criteria | None = None,
    events: list[Event] | None = None,
    *,
    data: Path | None = None,
    views: str = "none",
) -> job.ThresholdReport:
    return job.choose_threshold(
        run,
        criteria or Criteria(),
        Request(data=data, views=views, device="cpu", command="fastdefect threshold"),
        on_event=silent if events is None else events.append,
    )


def kept_of(run: Run) -> dict[str, Any]:
    """``operating_point.json``, which must be JSON as its standard has it."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    text = run.path("operating_point.json").read_text(encoding="utf-8")
    return dict(json.loads(text, parse_constant=refuse))


def warnings_of(events: Sequence[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note) and event.level == "warning"]


def _corrected(tmp_path: Path) -> Run:
    """A run whose four defects are labelled as good now."""
    rows = [(path, "good", f"part of {path}") for path in SCORES]
    data = photo_folder(tmp_path / "data", [*rows, ("a.png", "defect", "a")], "part")
    return scored_run(tmp_path, data=data)
