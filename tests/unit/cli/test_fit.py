"""The closing lines of fit."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.cli import invoke

from fastdefect.cli import fit
from fastdefect.config_resolve import resolve
from fastdefect.console import QuietScreen
from fastdefect.run import RunKind, RunStatus
from fastdefect.run_registry import create_run


class Lines(QuietScreen):
    """Records the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        """Record the line."""
        self.lines.append(text)


def test_an_unknown_tracker_is_an_error_before_the_photos_are_read() -> None:
    result = invoke("fit", "nowhere", "--log", "tensorboard,comet")
    assert result.exit_code == 2
    assert "--log tensorboard,comet: expected a tracker, but got 'comet'." in result.stderr


@pytest.mark.parametrize(
    ("show", "kind"),
    [(fit._show_fit, RunKind.TRAINING), (fit._show_folds, RunKind.CROSS_VALIDATION)],
)
def test_the_resume_command_can_be_pasted_into_a_shell(
    show: Callable[..., None], kind: RunKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastdefect.jobs.training.report.as_event_data", lambda report: {})
    run = create_run(tmp_path, "line 3", resolve({"data": "photos"}), "fit", kind=kind)
    values: dict[str, Any] = {"metrics": {}, "verdicts": [], "outcome": None, "n_folds": 5}
    report = SimpleNamespace(
        run=run, page=None, reason=RunStatus.INTERRUPTED, done=2, as_json=dict, n_test=0, **values
    )
    screen = Lines()
    show(screen, report)
    assert screen.lines[-1].endswith(f'Resume with: fastdefect fit --resume "{run.folder}"')
