"""Several connected processes for a test: one in this process, or some started for it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from fastdefect.config import TrainingConfig
from fastdefect.processes import Place
from fastdefect.run import Run
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.fit import FitInputs, Fitted, fit
from fastdefect.training.processes import Processes, join
from helpers.learners import TRAINING, made_data, made_learner
from helpers.photos import PREPROCESSING


@contextmanager
def alone_together() -> Iterator[Processes]:
    """A group of one process: all exchanges, without another process."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield Processes(Place(), dist.HashStore(), waiting=None, hosts=None)
    finally:
        dist.destroy_process_group()


def on_ranks(size: int, port: int, do: Callable[..., None], *arguments: Any) -> None:
    """Call ``do(processes, *arguments)`` in ``size`` new processes; raises if one of them fails."""
    mp.spawn(_connected, (size, port, do, arguments), nprocs=size)


def _connected(rank: int, size: int, port: int, do: Callable[..., None], arguments: Any) -> None:
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update({"RANK": str(rank), "WORLD_SIZE": str(size), **address})
    torch.set_num_threads(1)
    processes = join(Place(rank, size, rank, size))
    do(processes, *arguments)
    if rank == 0:
        processes.message()
    else:
        assert processes.message() is None
    dist.destroy_process_group()


def fit_with(
    processes: Processes | None,
    run: Run,
    training: TrainingConfig,
    stop: Callable[[], bool] = lambda: False,
) -> Fitted:
    """The fit of ``helpers.fits.fit_once``, with the other processes."""
    path, data = run.path("checkpoint.safetensors"), made_data()
    checkpoint = load_checkpoint(path) if path.exists() else None
    inputs = FitInputs(made_learner(data, training), data, PREPROCESSING, training)
    if processes:
        processes.of_all(None)  # nobody writes before all have read
    return fit(
        inputs,
        run,
        on_event=lambda event: None,
        stop_requested=stop,
        checkpoint=checkpoint,
        processes=processes,
    )


def fit_on_ranks(processes: Processes, folder: Path, changes: dict[str, Any]) -> None:
    """A fit of ``helpers.learners.TRAINING`` with ``changes``, in the run of ``folder``."""
    fit_with(processes, Run(folder), replace(TRAINING, **changes))
