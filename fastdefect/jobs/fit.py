"""``fastdefect fit``: from settings to a run on disk, and on again after an interruption."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from fastdefect.config import RunConfig, override
from fastdefect.data.findings import findings_as_json
from fastdefect.data.load import load_training_data
from fastdefect.data.splitting.split import split_rows
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DivergedError, FastdefectError, RunError
from fastdefect.events import Note, OnEvent
from fastdefect.files import typed
from fastdefect.jobs.training.assemble import Job, assemble, choose_machine
from fastdefect.jobs.training.environment import describe_environment
from fastdefect.jobs.training.head_alone import check_head_alone
from fastdefect.jobs.training.interrupt import StopRequested, stop_on_interrupt
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.recipe import OF_RANDOM
from fastdefect.jobs.training.report import FitReport, conclude, parse_targets
from fastdefect.jobs.training.steps import with_enough_steps
from fastdefect.run import DIVERGED, EARLY, FAILED, FINISHED, RUNNING, Run
from fastdefect.run_registry import create_run
from fastdefect.training.backbones import parameter_count
from fastdefect.training.checkpoint import Checkpoint, load_checkpoint
from fastdefect.training.fit import Fitted, fit
from fastdefect.training.fit_head import fit_head


def start(
    config: RunConfig,
    *,
    runs: Path,
    name: str | None,
    command: str,
    on_event: OnEvent,
) -> FitReport:
    """Train a new run. Nothing is written before the data and the model are known to work."""
    check_head_alone(config)
    parse_targets(config)
    log = Log(on_event)
    data = load_training_data(
        config.data,
        seed=config.training.seed,
        workers=choose_machine(config.training).workers,
        on_event=log,
    )
    config = with_enough_steps(config, len(data.split.train), log)
    job = assemble(config, log, data=data)
    run = create_run(runs, name, absolute(job.config), command)
    return begin(run, job, log)


def resume(run: Run, *, on_event: OnEvent) -> FitReport:
    """Go on with a run, whatever ended it; a finished one is only reported again."""
    log = Log(on_event)
    job, checkpoint = reassemble(run, log)
    return go_on(run, job, checkpoint, log)


def begin(run: Run, job: Job, log: Log, stop: StopRequested | None = None) -> FitReport:
    """Train ``job`` in the new folder of ``run``; what it is made of is written first.

    ``stop`` is asked after each batch whether to end there, state saved; without it Ctrl-C is
    what asks.
    """
    log.to(run.log_path)
    run.write_split(split_rows(job.data.manifest, job.data.split))
    run.write_findings(findings_as_json(job.data.findings))
    if job.choice is not None:
        run.write_recipe(job.choice.as_json())
    machine = job.machine
    run.write_environment(describe_environment(machine.device, machine.precision, machine.workers))
    run.write_model_spec(
        job.spec.as_json()
        | {"weights": vars(job.loaded), "parameters": parameter_count(job.learn.model)}
    )
    return _train(run, job, log, None, stop)


def reassemble(run: Run, log: Log, data: TrainingData | None = None) -> tuple[Job, Checkpoint]:
    """A run's job as it was, and where it stopped; ``data`` if its photos are read already."""
    config = run.read_config()
    if not run.checkpoint_path.exists():
        if run.read_state()["status"] in (FINISHED, EARLY):
            raise RunError(
                f"{run.name} is finished and its last state was deleted: nothing to resume.",
                f"Report on it: fastdefect evaluate {typed(run.folder)}",
            )
        raise RunError(
            f"{run.folder} stopped before its training began: there is nothing to resume.",
            f"Start anew with the same settings: fastdefect fit --config {typed(run.config_path)}",
        )
    checkpoint = load_checkpoint(run.checkpoint_path)
    log.to(run.log_path)
    if not run.read_model_spec().get("weights", {}).get("pretrained", True):
        # One of several trainings keeps the settings that all have in common.
        config = override(config, OF_RANDOM)
    # The first weights don't matter: the checkpoint's take their place.
    blank = replace(config, model=replace(config.model, weights="none"))
    job = assemble(blank, log, data=data, split_file=run.split_path, resumed=True)
    return job, checkpoint


def go_on(
    run: Run, job: Job, checkpoint: Checkpoint, log: Log, stop: StopRequested | None = None
) -> FitReport:
    """Train ``job`` on from ``checkpoint``, or report again if it is finished; see ``begin``."""
    status = run.read_state()["status"]
    if status in (FINISHED, EARLY):
        log(Note(f"{run.name} is finished: nothing to train, reporting again."))
        return conclude(run, job, Fitted(status, checkpoint.history), log)
    run.update_state(status=RUNNING)
    log(Note(f"Resuming after {checkpoint.position.epoch} epochs."))
    if stale := run.forget_decisions():
        log(Note(f"Deleted, as the older model's: {', '.join(stale)}.", "warning"))
    return _train(run, job, log, checkpoint, stop)


def _train(
    run: Run, job: Job, log: Log, checkpoint: Checkpoint | None, stop: StopRequested | None
) -> FitReport:
    train = fit_head if job.config.training.tune == "head" else fit
    try:
        with nullcontext(stop) if stop else stop_on_interrupt() as stop_requested:
            ended = train(
                job.learn,
                job.data,
                job.spec.preprocessing,
                job.config.training,
                run,
                on_event=log,
                stop_requested=stop_requested,
                checkpoint=checkpoint,
            )
        report = conclude(run, job, ended, log)
    except FastdefectError as error:
        status = DIVERGED if isinstance(error, DivergedError) else FAILED
        run.update_state(status=status, error=error.message)
        raise
    run.update_state(
        status=ended.reason, epochs=len(ended.history.rows), best_epoch=ended.history.best_epoch
    )
    return report


def absolute(config: RunConfig) -> RunConfig:
    """Paths that hold from any folder, for the config that the run keeps."""
    weights = config.model.weights
    if weights not in ("auto", "none"):
        weights = Path(weights).resolve().as_posix()
    return replace(
        config,
        data=replace(config.data, data=config.data.data.resolve()),
        model=replace(config.model, weights=weights),
    )
