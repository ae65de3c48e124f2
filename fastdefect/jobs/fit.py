"""``fastdefect fit``: train a run from its settings, or resume it after an interruption."""

from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.data.describe import describe, tell
from fastdefect.data.findings import findings_as_json
from fastdefect.data.load import load_training_data
from fastdefect.data.settle import as_read
from fastdefect.data.splitting.split import read_split, run_rows
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import RunError
from fastdefect.events import Note, OnEvent
from fastdefect.files import finite, typed
from fastdefect.jobs.report import leave_report
from fastdefect.jobs.trained.good_point import keep_good_point
from fastdefect.jobs.trained.run_photos import read_to_resume
from fastdefect.jobs.training.assemble import Job, assemble, choose_machine
from fastdefect.jobs.training.environment import describe_environment
from fastdefect.jobs.training.failing import failing_run
from fastdefect.jobs.training.interrupt import StopRequested, stop_on_interrupt
from fastdefect.jobs.training.joint import keep_joint_point, with_memory
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.one_epoch import check_one_epoch
from fastdefect.jobs.training.parent import (
    earlier_sides,
    record_parent,
    warn_of_seen,
    with_parent,
)
from fastdefect.jobs.training.recipe import OF_RANDOM
from fastdefect.jobs.training.report import FitReport, conclude, parse_targets
from fastdefect.jobs.training.steps import with_enough_steps
from fastdefect.jobs.training.together import led
from fastdefect.run import Run, RunStatus
from fastdefect.run_registry import create_run
from fastdefect.training.backbones import parameter_count
from fastdefect.training.checkpoint import Checkpoint, load_checkpoint
from fastdefect.training.fit import FitInputs, Fitted, fit
from fastdefect.training.fit_head import fit_head
from fastdefect.training.fit_memory import fit_memory
from fastdefect.training.processes import joined


def start(config: RunConfig, new_run: NewRun, *, on_event: OnEvent) -> FitReport:
    """Train a new run; nothing is written before the data and the model are checked."""
    log = Log(on_event)
    config = with_parent(config, new_run.runs)
    job = _prepare(config, log)
    run = create_run(new_run.runs, new_run.name, absolute(job.config), new_run.command)
    with run.held():
        return _begin_first(run, job, config, log)


def resume(run: Run, *, on_event: OnEvent) -> FitReport:
    """Resume a run, however it ended; a finished one is only reported again."""
    log = Log(on_event)
    with run.held():
        if _has_begun(run):
            job, checkpoint = reassemble(run, log)
            return _with_page(go_on(run, job, checkpoint, log), log)
        log(Note(f"{run.name} stopped before its training began: it begins now."))
        config = run.read_config()
        return _begin_first(run, _prepare(config, log), config, log)


def _prepare(config: RunConfig, log: Log) -> Job:
    """Read the photos and build the network, as ``start`` does; write nothing."""
    check_one_epoch(config)
    parse_targets(config)
    data = load_training_data(
        config.data,
        seed=config.training.seed,
        workers=choose_machine(config.training).workers,
        on_event=log,
        earlier=earlier_sides(config),
    )
    config = as_read(config, data.manifest)
    warn_of_seen(config, data, log)
    config = with_enough_steps(config, len(data.split.train), log)
    return assemble(config, log, data=data)


def _begin_first(run: Run, job: Job, config: RunConfig, log: Log) -> FitReport:
    record_parent(run, config)
    return _with_page(begin(run, job, log), log)


def _has_begun(run: Run) -> bool:
    """Whether there is a state to continue, or has been one."""
    ended = run.read_state()["status"] in (RunStatus.FINISHED, RunStatus.EARLY_STOPPING)
    return ended or run.path("checkpoint.safetensors").exists()


def _with_page(report: FitReport, log: Log) -> FitReport:
    """The report, with the path of its page for people if one could be written."""
    return replace(report, page=leave_report(report.run, log))


def begin(run: Run, job: Job, log: Log, stop: StopRequested | None = None) -> FitReport:
    """Train ``job`` in the new folder of ``run``; its split, findings and settings come first.

    ``stop`` is called after each batch; if true, the training saves its state and ends. Without
    ``stop``, Ctrl-C ends it in the same way.
    """
    with failing_run(run):
        log.to(run.path("log.txt"))
        run.write("split.csv", run_rows(job.data.manifest, job.data.split))
        run.write_findings(findings_as_json(job.data.findings))
        if job.choice is not None:
            run.write("recipe.json", job.choice.as_json())
        if job.floor is not None:
            run.write("floor.json", finite(asdict(job.floor)))
        machine = job.machine
        run.write(
            "environment.json",
            describe_environment(machine.device, machine.precision, machine.workers),
        )
        run.write(
            "model.json",
            job.spec.as_json()
            | {"weights": vars(job.loaded), "parameters": parameter_count(job.learn.model)},
        )
        return _train(run, job, log, None, stop)


def reassemble(run: Run, log: Log, data: TrainingData | None = None) -> tuple[Job, Checkpoint]:
    """A run's job and its checkpoint; ``data``: its photos, if they are read already."""
    config = run.read_config()
    if not run.path("checkpoint.safetensors").exists():
        raise RunError(
            f"{run.name} is finished and its checkpoint was deleted: there is nothing to resume.",
            f"Evaluate it instead: fastdefect evaluate {typed(run.folder)}",
        )
    checkpoint = load_checkpoint(run.path("checkpoint.safetensors"))
    log.to(run.path("log.txt"))
    if not run.read("model.json").get("weights", {}).get("pretrained", True):
        # The config of a series member holds the settings common to all members.
        config = override(config, OF_RANDOM)
    # The first weights don't matter: those of the checkpoint replace them.
    blank = replace(config, model=replace(config.model, weights="none"))
    job = assemble(blank, log, data=data or _read_again(run, config, log), resumed=True)
    return job, checkpoint


def _read_again(run: Run, config: RunConfig, log: Log) -> TrainingData:
    """The photos of an interrupted training, split as before."""
    workers = choose_machine(config.training).workers
    manifest, store = read_to_resume(run, config.data, workers=workers, on_event=log)
    split = read_split(run.path("split.csv"), manifest)
    tell(describe(manifest, split), log)
    log(Note(f"Decoded once and kept: {store.where}."))
    return TrainingData(manifest, store, split, manifest.findings)


def go_on(
    run: Run, job: Job, checkpoint: Checkpoint, log: Log, stop: StopRequested | None = None
) -> FitReport:
    """Continue ``job`` from ``checkpoint``, or report again if it is finished; see ``begin``."""
    with failing_run(run):
        status = run.read_state()["status"]
        if status in (RunStatus.FINISHED, RunStatus.EARLY_STOPPING):
            log(Note(f"{run.name} is finished: nothing to train, reporting again."))
            return conclude(run, job, Fitted(RunStatus(status), checkpoint.history), log)
        run.update_state(status=RunStatus.RUNNING)
        log(Note(f"Resuming after {checkpoint.position.epoch} epochs."))
        if stale := run.forget_decisions():
            names = ", ".join(stale)
            log(Note(f"Deleted, as they belong to the older model: {names}.", "warning"))
        return _train(run, job, log, checkpoint, stop)


def _train(
    run: Run, job: Job, log: Log, checkpoint: Checkpoint | None, stop: StopRequested | None
) -> FitReport:
    processes = joined()
    train = {"memory": fit_memory, "stages": fit_head}.get(
        job.spec.head, partial(fit, processes=processes)
    )
    with (
        nullcontext(stop) if stop else stop_on_interrupt() as stop_requested,
        led(processes, run, job, checkpoint),
    ):
        inputs = FitInputs(job.learn, job.data, job.spec.preprocessing, job.config.training)
        classify = partial(
            train,
            inputs,
            run,
            on_event=log,
            stop_requested=stop_requested,
            checkpoint=checkpoint,
        )
        if job.spec.memory:
            resumed = checkpoint is not None
            ended = with_memory(job, run, classify, log, stop_requested, resumed=resumed)
        else:
            ended = classify()
    report = conclude(run, job, ended, log)
    if job.spec.head == "memory" and report.best_epoch is not None:
        keep_good_point(run, job.config.training.device, "fastdefect fit", log)
    if job.spec.memory and report.best_epoch is not None:
        keep_joint_point(run, job, log)
    run.update_state(
        status=ended.reason, epochs=len(ended.history.rows), best_epoch=ended.history.best_epoch
    )
    return report


def absolute(config: RunConfig) -> RunConfig:
    """``config`` with absolute paths, as the run stores it."""
    weights = config.model.weights
    if weights not in ("auto", "none"):
        weights = Path(weights).resolve().as_posix()
    return replace(
        config,
        data=replace(config.data, data=config.data.data.resolve()),
        model=replace(config.model, weights=weights),
    )
