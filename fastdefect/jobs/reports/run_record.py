"""The files of a run that a page shows, read as they are."""

import hashlib
from pathlib import Path
from typing import Any

from fastdefect.reporting.html.facts import RunRecord
from fastdefect.run import Run


def run_record(run: Run) -> RunRecord:
    """What an auditor asks about ``run``; a run of several trainings has no model of its own."""
    config = run.read_config()
    return RunRecord(
        folder=run.folder,
        state=run.read_state(),
        settings={name: vars(getattr(config, name)) for name in ("data", "model", "training")},
        settings_text=run.path("config.toml").read_text(encoding="utf-8"),
        model=read_or(run, "model.json", {}),
        model_digest=_digest(run.path("model.safetensors")),
        point=run.read("operating_point.json"),
        rows=read_or(run, "split.csv", []),
        environment=read_or(run, "environment.json", {}),
        openings=run.read_openings(),
    )


def read_or(run: Run, name: str, missing: Any) -> Any:
    """The content of a file of the run, or ``missing`` if there is no such file."""
    return run.read(name) if run.path(name).exists() else missing


def _digest(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
