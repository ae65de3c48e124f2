"""``fastdefect fit``: from settings to a run on disk, and on again after an interruption."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from fastdefect.config import RunConfig, override
from fastdefect.data.findings import findings_as_json
from fastdefect.data.load import load_training_data, with_scale
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
from fastdefect.run import Run, RunStatus
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
    config = with_scale(config, data.manifest)
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
    log.to(run.path("log.txt"))
    run.write("split.csv", split_rows(job.data.manifest, job.data.split))
    run.write_findings(findings_as_json(job.data.findings))
    if job.choice is not None:
        run.write("recipe.json", job.choice.as_json())
    machine = job.machine
    run.write(
        "environment.json", describe_environment(machine.device, machine.precision, machine.workers)
    )
    run.write(
        "model.json",
        job.spec.as_json()
        | {"weights": vars(job.loaded), "parameters": parameter_count(job.learn.model)},
    )
    return _train(run, job, log, None, stop)


def reassemble(run: Run, log: Log, data: TrainingData | None = None) -> tuple[Job, Checkpoint]:
    """A run's job as it was, and where it stopped; ``data`` if its photos are read already."""
    config = run.read_config()
    if not run.path("checkpoint.safetensors").exists():
        if run.read_state()["status"] in (RunStatus.FINISHED, RunStatus.EARLY_STOPPING):
            raise RunError(
                f"{run.name} is finished and its last state was deleted: nothing to resume.",
                f"Report on it: fastdefect evaluate {typed(run.folder)}",
            )
        raise RunError(
            f"{run.folder} stopped before its training began: there is nothing to resume.",
            "Start anew with the same settings: fastdefect fit --config "
            f"{typed(run.path('config.toml'))}",
        )
    checkpoint = load_checkpoint(run.path("checkpoint.safetensors"))
    log.to(run.path("log.txt"))
    if not run.read("model.json").get("weights", {}).get("pretrained", True):
        # One of several trainings keeps the settings that all have in common.
        config = override(config, OF_RANDOM)
    # The first weights don't matter: the checkpoint's take their place.
    blank = replace(config, model=replace(config.model, weights="none"))
    job = assemble(blank, log, data=data, split_file=run.path("split.csv"), resumed=True)
    return job, checkpoint


def go_on(
    run: Run, job: Job, checkpoint: Checkpoint, log: Log, stop: StopRequested | None = None
) -> FitReport:
    """Train ``job`` on from ``checkpoint``, or report again if it is finished; see ``begin``."""
    status = run.read_state()["status"]
    if status in (RunStatus.FINISHED, RunStatus.EARLY_STOPPING):
        log(Note(f"{run.name} is finished: nothing to train, reporting again."))
        return conclude(run, job, Fitted(RunStatus(status), checkpoint.history), log)
    run.update_state(status=RunStatus.RUNNING)
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
        status = RunStatus.DIVERGED if isinstance(error, DivergedError) else RunStatus.FAILED
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
