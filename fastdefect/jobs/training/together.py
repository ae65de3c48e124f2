"""A training by several processes: the first one prepares it, all train, the first one goes on.

The others get everything from the first process: settings, photos, weights and state. So they need
neither the photos nor the weights, and choose nothing.
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.split import Split
from fastdefect.data.store import PhotoStore
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError, FastdefectError, UsageError
from fastdefect.events import silent
from fastdefect.jobs.training.assemble import Job, assemble
from fastdefect.jobs.training.interrupt import stop_on_interrupt
from fastdefect.run import Run
from fastdefect.text import counted
from fastdefect.training.checkpoint import Checkpoint
from fastdefect.training.fit import FitInputs, fit
from fastdefect.training.processes import Processes, ProcessLostError

# Raised by all processes at the same place of a training; after any other error they differ.
COMMON = (DataError, UsageError)


@dataclass(frozen=True)
class Task:
    """What another process needs to take part in a training; ``network`` are its first weights.

    ``same_photos``: the photos are those of the last task, which it has kept.
    """

    folder: Path
    config: RunConfig
    manifest: Manifest
    split: Split
    same_photos: bool
    network: dict[str, torch.Tensor]
    checkpoint: Checkpoint | None


@contextmanager
def led(
    processes: Processes | None, run: Run, job: Job, checkpoint: Checkpoint | None
) -> Iterator[None]:
    """Train ``job`` in the block together with all ``processes``; None if this one is alone.

    Raises the error of one that can't take part, with its host, before the block begins.
    """
    if processes is None:
        yield
        return
    try:
        _announce(processes, run, job, checkpoint)
        yield
    except (ProcessLostError, *COMMON):
        raise
    except BaseException:
        processes.abandon()
        raise


def _announce(processes: Processes, run: Run, job: Job, checkpoint: Checkpoint | None) -> None:
    data, machine = job.data, job.machine
    config = override(
        job.config,
        {
            "device": machine.device.type,
            "precision": machine.precision,
            "weights": "none",  # the task has them
        },
    )
    state = {name: value.cpu() for name, value in job.learn.model.state_dict().items()}
    same = processes.has(data.store)
    task = Task(run.folder, config, data.manifest, data.split, same, state, checkpoint)
    processes.message(task)
    if not same:
        processes.photos(data.store)
    _all_ready(processes, _own_gpu(processes, machine.device))


def follow(processes: Processes) -> None:
    """Take part in every training of the first process, until it ends.

    Ctrl-C and SIGTERM reach all processes; the first one decides what they mean. Raises
    ``ProcessLostError`` if it ends before.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    store: PhotoStore | None = None
    while (task := processes.message()) is not None:
        if store is None or not task.same_photos:
            store = processes.photos(None)
        try:
            _take_part(processes, task, store)
        except COMMON:
            continue  # the first process reports it


def _take_part(processes: Processes, task: Task, store: PhotoStore) -> None:
    data = TrainingData(task.manifest, store, task.split)
    try:
        job = assemble(task.config, silent, data=data, resumed=True)
        failed = _own_gpu(processes, job.machine.device)
    except FastdefectError as error:
        failed = error.message
    _all_ready(processes, failed)
    job.learn.model.load_state_dict(task.network)
    inputs = FitInputs(job.learn, data, job.spec.preprocessing, job.config.training)
    with stop_on_interrupt() as stop_requested:
        fit(
            inputs,
            Run(task.folder),
            on_event=silent,
            stop_requested=stop_requested,
            checkpoint=task.checkpoint,
            processes=processes,
        )


def _all_ready(processes: Processes, failed: str | None) -> None:
    """Raise ``UsageError`` in all processes if one can't take part."""
    own = f"Process {processes.place.rank} on {socket.gethostname()}: {failed}"
    if found := [each for each in processes.of_all(failed and own) if each]:
        raise UsageError(
            found[0],
            "All processes need the same version of fastdefect and of its packages, and on GPUs "
            "one each.",
        )


def _own_gpu(processes: Processes, device: torch.device) -> str | None:
    here, gpus = processes.place, torch.cuda.device_count()
    if device.type == "mps":
        return "several processes can't train on MPS. Use --device cpu."
    if device.type != "cuda" or here.local_rank < gpus:
        return None
    return (
        f"expected a GPU for each of the {here.local_size} processes on this host, but found "
        f"{counted(gpus, 'GPU')}."
    )
