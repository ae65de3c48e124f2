"""Runs on the same photos that were never trained, and their comparison."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fastdefect.events import Event, Note, OnEvent, silent
from fastdefect.jobs.compare import compare
from fastdefect.jobs.comparing.page import ComparePage
from fastdefect.jobs.comparing.report import CompareReport
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run
from helpers.folders import castings_of
from helpers.made_runs import split_row

# 16 parts of two photos, of which every other part is defective; and two to train on.
CASTINGS = castings_of(16, 2)


ROWS = [split_row(path, part) for path, _, part in CASTINGS] + [
    split_row("defect/90-0.png", "part 90", "train"),
    split_row("good/91-0.png", "part 91", "train"),
]


RIGHT = {row["path"]: 0.9 if row["label"] == "defect" else 0.1 for row in ROWS}


def compare_in(
    out: Path,
    *runs: Run,
    on_event: OnEvent = silent,
    page: ComparePage | None = None,
    **request: Any,
) -> CompareReport:
    asked = replace(Request(device="cpu", command="fastdefect compare"), **request)
    return compare(runs, asked, out=out, on_event=on_event, page=page)


def warnings_of(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Note) and e.level == "warning"]
