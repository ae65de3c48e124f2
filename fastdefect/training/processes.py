"""The processes that train one network together: how they find each other, and what they exchange.

The first process does all the work of a command, and is the only one that prints and writes. The
others wait for a training to take part in, and again after it (``jobs/training/together.py``). So
whatever is chosen is chosen once, and a figure can't depend on the process.

Messages and figures are exchanged on the CPU with gloo, gradients on CUDA with NCCL. If a process
ends, its connections close, and each exchange of the others fails at once.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_start_method
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from fastdefect.data.sampling import share_of_batches
from fastdefect.data.store import PhotoStore
from fastdefect.errors import FastdefectError, UsageError
from fastdefect.processes import TIMEOUT_VARIABLE, Place, place, timeout_s

# An audit of many photos takes hours, in which the other processes wait for the first one.
_WAITING = timedelta(days=7)
_CHUNK = 64 * 1024 * 1024  # bytes of photos sent at once
_REPORTED = "fastdefect/reported"


class ProcessLostError(FastdefectError):
    """A process of this training ended, or does not answer."""


class Processes:
    """This process, connected to all others of the launcher; see ``join``.

    A method is an exchange, which all processes have to call in the same order, unless it says
    otherwise.
    """

    def __init__(self, here: Place, store: Any, waiting: Any, hosts: Any) -> None:
        """``store`` has what all can read, ``waiting`` and ``hosts`` are groups; see ``join``."""
        self.place, self._store, self._waiting, self._hosts = here, store, waiting, hosts
        self.healthy = True
        self._source: PhotoStore | None = None

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.place.first

    @property
    def size(self) -> int:
        """The number of processes."""
        return self.place.size

    def sum(self, values: Tensor) -> Tensor:
        """Return the sums over all processes of ``values``, which they replace."""
        with self.watched():
            dist.all_reduce(values)
        return values

    def to_each(self, rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        """Send the first ``sent[0]`` rows to process 0, and so on; return the rows that come.

        ``received`` is the number of rows from each process, in whose order they come.
        """
        rows = rows.contiguous()
        result = rows.new_empty((sum(received), *rows.shape[1:]))
        with self.watched():
            dist.all_to_all_single(result, rows, received, sent)
        return result

    def from_first(self, value: Any) -> Any:
        """Return the ``value`` of the first process, which can be pickled."""
        held = [value]
        with self.watched():
            dist.broadcast_object_list(held, src=0)
        return held[0]

    def of_all(self, value: Any) -> list[Any]:
        """Return the ``value`` of every process, by rank."""
        values: list[Any] = [None] * self.size
        with self.watched():
            dist.all_gather_object(values, value)
        return values

    def whole(self, own: Tensor, n: int, batch: int) -> Tensor:
        """Return the rows of all ``n`` photos in order; ``own`` has those of this process.

        They are in the order of ``share_of_batches``. A repeated photo after them is left out.
        """
        parts = self.of_all(own.cpu())
        result = own.new_empty((n, *own.shape[1:]))
        for rank, part in enumerate(parts):
            places = torch.from_numpy(share_of_batches(n, batch, rank, self.size))
            result[places] = part[: len(places)].to(result.device)
        return result

    def message(self, value: Any = None) -> Any:
        """Return what the first process has to say, however long the others wait for it."""
        held = [value]
        with self.watched():
            dist.broadcast_object_list(held, src=0, group=self._waiting)
        return held[0]

    def photos(self, store: PhotoStore | None) -> PhotoStore:
        """Return the photos of the first process, on every host in a file that its processes map.

        Only the first process has a ``store``.
        """
        mine = store.on_file() if store is not None else None
        copied: PhotoStore | None = None
        shape = self.from_first(None if mine is None else (len(mine), mine.frame))
        if mine is None and self.place.local_rank == 0:
            n, frame = shape
            mine = PhotoStore(n, frame.size, frame.resize, tiles=frame.tiles, limit_mb=-1)
        if mine is not None and self._hosts is not None:
            self._send(mine)
        handles = self.of_all((self.place.host, pickle.dumps(mine)) if mine is not None else None)
        if mine is None:
            on_host = dict(handle for handle in handles if handle is not None)
            mine = pickle.loads(on_host[self.place.host])
        elif mine is not store and get_start_method() == "fork":
            copied = mine
        self.of_all(None)  # all have mapped the file
        if copied is not None:
            copied.delete_file()  # so that none is left behind, however the process ends
        self._photos, self._source = mine, store
        return mine

    def has(self, store: PhotoStore) -> bool:
        """Whether the other processes already have these photos of the first one; no exchange."""
        return self._source is store

    def _send(self, store: PhotoStore) -> None:
        """Copy the photos of the first process to this host's file; by one process of each host."""
        step = max(1, _CHUNK // max(store[0].nbytes, 1))
        for row in range(0, len(store), step):
            chunk = torch.from_numpy(store[row : row + step].copy())
            with self.watched():
                dist.broadcast(chunk, src=0, group=self._hosts)
            if not self.first:
                store.fill(row, chunk.numpy())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Turn the loss of another process in the block into a ``ProcessLostError``."""
        try:
            yield
        except RuntimeError as error:
            if not _is_loss(error):
                raise
            self.healthy = False
            if self.first:
                self.reports()  # so that no other process does
            raise ProcessLostError(
                f"One of the {self.size} processes {_end(error)}.",
                "The launcher reports how each process ended. Remove the cause and resume the run, "
                "with any number of processes.",
            ) from error

    def abandon(self) -> None:
        """Leave the others where they are, after an error that only this process has; no exchange.

        They fail when its connections close, and know that it reports the reason.
        """
        self.healthy = False
        self.reports()

    def reports(self) -> bool:
        """Whether this process is the first to ask, and so has to report a loss; no exchange."""
        try:
            return int(self._store.add(_REPORTED, 1)) == 1
        except RuntimeError:  # the launcher ended, too
            return self.place.local_rank == 0

    def end(self) -> None:
        """Let the other processes end; called by the first process."""
        if self.healthy:
            self.message()


# A collective of torch fails with one of these; gloo's have only the text in common.
_LATE = ("timed out", "timeout")
_LOSSES = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe", *_LATE)


def _is_loss(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, dist.DistError) or any(known in text for known in _LOSSES)


def _end(error: RuntimeError) -> str:
    late = any(known in str(error).lower() for known in _LATE)
    if late:
        return f"did not answer for {timeout_s():g} seconds ({TIMEOUT_VARIABLE})"
    return "ended"


_JOINED: list[Processes] = []  # at most one


def join(here: Place) -> Processes:
    """Connect to all processes of the launcher; raises ``ProcessLostError`` if one is missing."""
    if here.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(here.local_rank)  # from now on "cuda" is this process's own GPU
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        timeout = timedelta(seconds=timeout_s())
        store, rank, size = next(rendezvous("env://", timeout=timeout))
        store.set_timeout(timeout)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
        waiting = dist.new_group(backend="gloo", timeout=_WAITING)
        places: list[Any] = [None] * here.size
        dist.all_gather_object(places, here)
        leaders = [each.rank for each in places if each.local_rank == 0]
        hosts = dist.new_group(leaders, backend="gloo") if len(leaders) > 1 else None
    except (RuntimeError, ValueError) as error:
        raise ProcessLostError(
            f"Expected {here.size} processes, but process {here.rank} can't reach the others: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            "Check the address, the port and the number of processes given to the launcher.",
        ) from error
    processes = Processes(here, store, waiting, hosts)
    _JOINED[:] = [processes]
    return processes


def joined() -> Processes | None:
    """Return the processes that train together with this one; None if it is alone.

    Raises ``UsageError`` if a launcher started several that are not connected.
    """
    if not _JOINED and place().size > 1:
        raise UsageError(
            f"A launcher started {place().size} processes of a program that trains in one.",
            "Start the command: accelerate launch -m fastdefect fit ...",
        )
    return _JOINED[0] if _JOINED else None
