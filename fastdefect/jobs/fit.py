"""``fastdefect fit``: from settings to a run on disk, and on again after an interruption."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.learner import Learner
from numpy.typing import NDArray
from safetensors.torch import load_file

from fastdefect.config import ModelConfig, RunConfig, TrainingConfig
from fastdefect.data.findings import findings_as_json
from fastdefect.data.loaders import Preprocessing, build_loaders
from fastdefect.data.split import split_rows
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import FastdefectError, RunError
from fastdefect.evaluation.bench_swap import BenchSwap, bench_swap
from fastdefect.evaluation.predictions import Predictions, predictions_of
from fastdefect.evaluation.targets import MISSION, Target, Verdict, judge, parse_target
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.jobs.calibration import keep_temperature
from fastdefect.jobs.data import load_training_data
from fastdefect.jobs.environment import describe_environment
from fastdefect.jobs.interrupt import stop_on_interrupt
from fastdefect.jobs.log import Log
from fastdefect.metrics import Metrics
from fastdefect.reporting.plots import plot_confusion, plot_curves
from fastdefect.run import EARLY, FAILED, FINISHED, RUNNING, Run
from fastdefect.runs import create_run
from fastdefect.training.backbones import (
    Backbone,
    LoadedWeights,
    build_backbone,
    parameter_count,
)
from fastdefect.training.checkpoint import Checkpoint, load_checkpoint
from fastdefect.training.fit import Fitted, fit
from fastdefect.training.learner import (
    ModelSpec,
    build_learner,
    build_loss,
    choose_device,
    choose_precision,
)
from fastdefect.training.loss import class_weights
from fastdefect.training.predict import class_probabilities


@dataclass(frozen=True)
class FitReport:
    """What a finished or interrupted fit left: for the closing tables."""

    run: Run
    reason: str
    best_epoch: int | None
    metrics: dict[str, Metrics]
    verdicts: list[Verdict]
    n_test: int
    bench_swap: BenchSwap | None


@dataclass(frozen=True)
class Machine:
    """Where the network runs."""

    device: torch.device
    precision: str
    workers: int


@dataclass(frozen=True)
class Job:
    """All that a training needs, put together and known to fit."""

    config: RunConfig
    machine: Machine
    data: TrainingData
    spec: ModelSpec
    loaded: LoadedWeights
    learn: Learner


def choose_machine(training: TrainingConfig) -> Machine:
    """Resolve the settings left to the program."""
    device = choose_device(training.device)
    workers = training.workers
    if workers is None:
        # On a CPU the network takes all cores; augmentation beside it would only compete.
        workers = min(8, max((os.cpu_count() or 1) - 1, 0)) if device.type == "cuda" else 0
    return Machine(device, choose_precision(training.precision, device), workers)


def start(
    config: RunConfig,
    *,
    runs: Path,
    name: str | None,
    command: str,
    on_event: OnEvent,
) -> FitReport:
    """Train a new run. Nothing is written before the data and the model are known to work."""
    parse_targets(config)
    log = Log(on_event)
    job = assemble(config, log)
    run = create_run(runs, name, absolute(config), command)
    return begin(run, job, log)


def resume(run: Run, *, on_event: OnEvent) -> FitReport:
    """Go on with a run, whatever ended it; a finished one is only reported again."""
    log = Log(on_event)
    job, checkpoint = reassemble(run, log)
    return go_on(run, job, checkpoint, log)


def begin(run: Run, job: Job, log: Log) -> FitReport:
    """Train ``job`` in the new folder of ``run``; what it is made of is written first."""
    log.to(run.log_path)
    run.write_split(split_rows(job.data.manifest, job.data.split))
    run.write_findings(findings_as_json(job.data.findings))
    machine = job.machine
    run.write_environment(describe_environment(machine.device, machine.precision, machine.workers))
    run.write_model_spec(
        job.spec.as_json()
        | {"weights": vars(job.loaded), "parameters": parameter_count(job.learn.model)}
    )
    return _train(run, job, log, None)


def reassemble(run: Run, log: Log, data: TrainingData | None = None) -> tuple[Job, Checkpoint]:
    """A run's job as it was, and where it stopped; ``data`` if its photos are read already."""
    config = run.read_config()
    if not run.checkpoint_path.exists():
        raise RunError(
            f"{run.folder} stopped before its training began: there is nothing to resume.",
            f"Start anew with the same settings: fastdefect fit --config {run.config_path}",
        )
    checkpoint = load_checkpoint(run.checkpoint_path)
    log.to(run.log_path)
    # The first weights don't matter: the checkpoint's take their place.
    blank = replace(config, model=ModelConfig(config.model.arch, "none"))
    job = assemble(blank, log, data=data, split_file=run.split_path, resumed=True)
    return job, checkpoint


def go_on(run: Run, job: Job, checkpoint: Checkpoint, log: Log) -> FitReport:
    """Train ``job`` on from ``checkpoint``, or report again if it is finished."""
    status = run.read_state()["status"]
    if status in (FINISHED, EARLY):
        log(Note(f"{run.name} is finished: nothing to train, reporting again."))
        return _report(run, job, Fitted(status, checkpoint.history), log)
    run.update_state(status=RUNNING)
    log(Note(f"Resuming after {checkpoint.position.epoch} epochs."))
    if stale := run.forget_decisions():
        log(Note(f"Deleted, as the older model's: {', '.join(stale)}.", "warning"))
    return _train(run, job, log, checkpoint)


def assemble(
    config: RunConfig,
    on_event: OnEvent,
    *,
    data: TrainingData | None = None,
    split_file: Path | None = None,
    resumed: bool = False,
) -> Job:
    """Read the photos, build the network and the learner; write nothing.

    ``data``: photos that are read and split already. ``split_file`` fixes the split.
    ``resumed``: the weights come from a checkpoint.
    """
    machine = choose_machine(config.training)
    if data is None:
        data = load_training_data(
            config.data,
            seed=config.training.seed,
            workers=machine.workers,
            on_event=on_event,
            split_file=split_file,
        )
    torch.manual_seed(config.training.seed)  # the first weights
    backbone, loaded = build_backbone(
        config.model.arch, config.model.weights, config.data.image_size
    )
    if not resumed:
        _tell_weights(loaded, config.training, on_event)
    preprocessing = Preprocessing(
        config.data.image_size, config.data.resize, backbone.mean, backbone.std
    )
    spec = ModelSpec(config.model.arch, data.manifest.classes, data.manifest.good, preprocessing)
    learn = _learner(config, data, backbone, preprocessing, machine, on_event)
    return Job(config, machine, data, spec, loaded, learn)


def _train(run: Run, job: Job, log: Log, checkpoint: Checkpoint | None) -> FitReport:
    try:
        with stop_on_interrupt() as stop_requested:
            ended = fit(
                job.learn,
                job.data,
                job.spec.preprocessing,
                job.config.training,
                run,
                on_event=log,
                stop_requested=stop_requested,
                checkpoint=checkpoint,
            )
        report = _report(run, job, ended, log)
    except FastdefectError as error:
        run.update_state(status=FAILED, error=error.message)
        raise
    run.update_state(
        status=ended.reason, epochs=len(ended.history.rows), best_epoch=ended.history.best_epoch
    )
    return report


def _report(run: Run, job: Job, ended: Fitted, log: Log) -> FitReport:
    """Measure the best model on training and validation photos, write and plot it all.

    The test photos stay sealed: only an evaluation that names them opens them.
    """
    history = ended.history
    metrics: dict[str, Metrics] = {}
    swap = None
    if history.best_epoch is not None:
        job.learn.model.load_state_dict(load_file(run.model_path))
        for name in ("train", "valid"):
            predictions = _predict(job, name, log)
            metrics[name] = predictions.metrics()
            run.write_predictions(name, predictions.rows(), predictions.columns(), "none")
            run.write_metrics(name, metrics[name].as_json())
        _tell_if_blind(metrics["valid"], job.spec.classes, log)
        keep_temperature(run, "none", predictions)  # the last: those of validation
        swap = _swap_benches(run, job, predictions, log)
        plot_curves(history.rows, run.curves_path, best_epoch=history.best_epoch)
        plot_confusion(
            metrics["valid"].confusion,
            job.spec.classes,
            run.confusion_path,
            title=f"Validation, {metrics['valid'].n} photos",
            good=job.spec.good,
        )
    targets = parse_targets(job.config)
    verdicts = judge(targets, run.read_metrics()) if metrics else []
    n_test = len(job.data.split.test)
    return FitReport(run, ended.reason, history.best_epoch, metrics, verdicts, n_test, swap)


def _tell_if_blind(valid: Metrics, classes: tuple[str, ...], log: Log) -> None:
    """A model that gives one answer to everything can still have a fair F1: say so."""
    given = [name for name, n in zip(classes, valid.confusion.sum(axis=0), strict=True) if n]
    if len(given) == 1:
        log(
            Note(
                f"The best model calls every validation photo {given[0]!r}: it can't tell the "
                "classes apart. Pretrained --weights help most, then more photos and epochs.",
                "warning",
            )
        )


def _swap_benches(run: Run, job: Job, valid: Predictions, log: Log) -> BenchSwap | None:
    """Measure and keep how the validation photos fare on another class's bench."""
    side, classes = job.data.split.valid, job.spec.classes

    def predict(photos: NDArray[np.uint8]) -> NDArray[np.float64]:
        return class_probabilities(
            job.learn.model,
            photos,
            range(len(photos)),
            job.spec.preprocessing,
            device=job.learn.dls.device,
        )

    swap = bench_swap(
        predict,
        job.data.store,
        job.data.rows(side),
        valid.y_true,
        valid.y_prob,
        good=classes.index(job.spec.good) if job.spec.good else None,
        seed=job.config.training.seed,
        on_batch=lambda done: log(Progress("swapping benches", done, len(side))),
    )
    if swap is None:
        only = classes[valid.y_true[0]]
        log(Note(f"No bench swap: all validation photos are {only!r}, none lends another bench."))
    else:
        run.write_bench_swap("valid", swap.as_json())
    return swap


def _predict(job: Job, name: str, log: Log) -> Predictions:
    side = job.data.split.of(name)
    y_prob = class_probabilities(
        job.learn.model,
        job.data.store,
        job.data.rows(side),
        job.spec.preprocessing,
        device=job.learn.dls.device,
        on_batch=lambda done: log(Progress(f"measuring {name}", done, len(side))),
    )
    photos = [job.data.manifest.photos[index] for index in side]
    return predictions_of(photos, job.spec.classes, job.spec.good, y_prob)


def _learner(
    config: RunConfig,
    data: TrainingData,
    backbone: Backbone,
    preprocessing: Preprocessing,
    machine: Machine,
    on_event: OnEvent,
) -> Learner:
    training = config.training
    dls = build_loaders(
        data.manifest,
        data.store,
        data.split.train,
        data.split.valid,
        classes=data.manifest.classes,
        preprocessing=preprocessing,
        augment=config.data.augment,
        balanced=config.data.balance in ("sampler", "both"),
        batch_size=training.batch_size,
        workers=machine.workers,
        seed=training.seed,
        device=machine.device,
        light=config.data.light,
    )
    weights = _class_weights(config.data.balance, data, on_event)
    loss = build_loss(weights, training.label_smoothing, machine.device)
    on_event(
        Note(
            f"{config.model.arch} on {machine.device.type} ({machine.precision}, "
            f"{machine.workers} workers), {len(data.split.train)} photos an epoch, "
            f"augment {config.data.augment}{' and light' if config.data.light else ''}, "
            f"balance {config.data.balance}."
        )
    )
    return build_learner(dls, backbone, loss, training=training, precision=machine.precision)


def _class_weights(balance: str, data: TrainingData, on_event: OnEvent) -> list[float] | None:
    """Weights for the loss, or None; what balances is told either way."""
    classes = data.manifest.classes
    labels = data.manifest.labels[list(data.split.train)]
    counts = [int((labels == index).sum()) for index in range(len(classes))]
    weights = class_weights(counts)
    shown = ", ".join(
        f"{name} {count} x {weight:.3f}"
        for name, count, weight in zip(classes, counts, weights, strict=True)
    )
    on_event(Note(f"Class weights n / (k n_c): {shown}."))
    if balance == "both":
        on_event(
            Note(
                "--balance both corrects twice: the sampler already shows every class equally "
                "often, and the loss then favours the rarer class. Where defects are the "
                "majority this tilts against them.",
                "warning",
            )
        )
    return weights if balance in ("loss", "both") else None


def _tell_weights(loaded: LoadedWeights, training: TrainingConfig, on_event: OnEvent) -> None:
    gave_up = loaded.source == "auto" and not loaded.pretrained
    on_event(Note(f"Weights: {loaded.note}.", "warning" if gave_up else "info"))
    if loaded.pretrained and loaded.unmatched:
        names = ", ".join(loaded.unmatched[:6])
        more = f" and {len(loaded.unmatched) - 6} more" if len(loaded.unmatched) > 6 else ""
        on_event(Note(f"{loaded.matched} tensors loaded; not matched: {names}{more}."))
    if training.freeze_epochs and not loaded.pretrained:
        on_event(
            Note("--freeze-epochs freezes random weights here: they learn nothing.", "warning")
        )


def parse_targets(config: RunConfig) -> list[Target]:
    """What the run is held against; raises ``UsageError`` for what is no target."""
    named = [parse_target(text) for text in config.report.target]
    return [*(MISSION if config.report.targets == "mission" else ()), *named]


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


def as_event_data(report: FitReport) -> dict[str, Any]:
    """The closing event for ``--json``."""
    return {
        "run": str(report.run.folder),
        "reason": report.reason,
        "best_epoch": report.best_epoch,
        "metrics": {split: metrics.as_json() for split, metrics in report.metrics.items()},
        "targets": [
            {
                "metric": verdict.target.metric,
                "split": verdict.target.split,
                "target": verdict.target.low,
                "value": verdict.value,
                "met": verdict.met,
            }
            for verdict in report.verdicts
        ],
        "bench_swap": report.bench_swap.as_json() if report.bench_swap else None,
    }
