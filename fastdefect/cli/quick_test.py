"""``fastdefect quick-test``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastdefect.cli.series import Launch, show_series
from fastdefect.cli.session import (
    TRAIN,
    ConfigFile,
    DataRoot,
    Json,
    NewName,
    Quiet,
    Resume,
    Runs,
    app,
    refuse_with_resume,
    run_to_resume,
    session,
)
from fastdefect.config import RunConfig
from fastdefect.config_resolve import load_config_file, override, resolve
from fastdefect.errors import UsageError
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.jobs.quick_test import QuickReport

_EPOCHS = 3


@app.command("quick-test", rich_help_panel=TRAIN)
@with_config_options(sections=("data", "model", "training"))
def quick_test(
    flags: dict[str, Any],
    *,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Resume = None,
    data_root: DataRoot = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare the old small CNN and the improved pipeline on the same photos, in 3 epochs each."""
    with session(quiet, as_json) as screen:
        refuse_with_resume(resume, {**flags, "config": config, "name": name})
        settings = _settings(flags, config)
        launch = Launch(
            settings, runs, name, resumed=run_to_resume(resume, runs, data_root, screen)
        )
        from fastdefect.jobs import quick_test as job
        from fastdefect.reporting.tables.quick_test import quick_table

        report: QuickReport = launch.run_job(job, screen)
        tables = []
        if report.comparison is not None:
            seconds = {each.member.name: each.seconds for each in report.series.finished}
            tables = [quick_table(report.metrics, report.comparison, report.verdicts, seconds)]
        show_series(screen, "quick-test", report, tables=tables)


def _settings(flags: dict[str, Any], config: Path | None) -> RunConfig:
    settings = resolve(flags, config)  # raises UsageError for an invalid file
    file = load_config_file(config) if config is not None else {}
    if "epochs" in flags or "epochs" in file.get("training", {}):
        return settings
    if settings.training.freeze_epochs >= _EPOCHS:
        raise UsageError(
            f"--freeze-epochs {settings.training.freeze_epochs}: a quick test has {_EPOCHS} "
            "epochs by default, including frozen ones.",
            "Set a larger --epochs as well.",
        )
    return override(settings, {"epochs": _EPOCHS})
