"""Shards on a Ray cluster, by Ray Data; the only module that imports ray.

Each worker is a process that opens the model once. A worker that is killed loses the shard that it
works on, and Ray gives this shard to another. Rows come back to this process, which alone writes.
"""

import logging
import os
import secrets
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from fastdefect.errors import FastdefectError, UsageError
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.predicting.shards import Shard, ShardWork
from fastdefect.machine import MachineError
from fastdefect.scratch import Scratch

_MOST_STARTS = 5  # of a shard: a photo may end every process that decodes it
_MEMORY = 256 << 20  # bytes that all processes share, of a local cluster: photos never go there
_LONGEST = 40  # characters of a folder for Ray's sockets, whose paths have 107 at most
# Before the import: no statistics leave the machine, and Ray prints nothing between the results.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "(?s).*",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@dataclass(frozen=True)
class RayEngine:
    """Does shards in ``workers`` processes of the connected cluster, with ``cpus`` for each."""

    workers: int
    cpus: float
    on_event: OnEvent

    def __call__(self, shards: Sequence[Shard], work: ShardWork) -> Iterator[tuple[int, bytes]]:
        """The index of each shard and the result of ``work``, as they come.

        Raises ``FastdefectError`` for what a worker raised, and ``MachineError`` if workers end
        again and again.
        """
        import ray
        import ray.data

        # A list, because Ray would otherwise fetch the model for its own arguments.
        shared = [ray.put(work), ray.remote(_Starts).options(num_cpus=0).remote()]
        todo = [{"shard": each.as_text()} for each in shards]
        workers = min(self.workers, len(shards))
        done = ray.data.from_items(todo, override_num_blocks=len(todo)).map(
            _Worker,
            fn_constructor_args=(shared,),
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            num_cpus=self.cpus,
        )
        try:
            # Without prefetching: else a shard comes when the next one is ready.
            for batch in done.iter_batches(
                batch_size=None, prefetch_batches=0, batch_format="pyarrow"
            ):
                for row in batch.to_pylist():
                    yield self._taken(row)
        except (ray.exceptions.RayActorError, ray.exceptions.RaySystemError) as error:
            raise MachineError(
                f"The workers of the cluster end: {error!s:.300}",
                "Check the computers of the cluster, then continue with --resume.",
            ) from error

    def _taken(self, row: dict[str, Any]) -> tuple[int, bytes]:
        """The index and the content of what a worker gave. Raises what it has raised."""
        if row["message"]:
            raise FastdefectError(f"On {row['host']}: {row['message']}", row["hint"])
        if row["starts"] > 1:
            text = f"A worker ended during shard {row['index']}, which was done again."
            self.on_event(Note(text, "warning"))
        return row["index"], row["content"]


class _Worker:
    """A process of the cluster. Errors that a user can fix are part of its result."""

    def __init__(self, shared: list[Any]) -> None:
        self._sent, self._starts = shared
        self._work: ShardWork | None = None

    def __call__(self, row: dict[str, str]) -> dict[str, Any]:
        import ray

        shard = Shard.from_text(row["shard"])
        starts = ray.get(self._starts.begin.remote(shard.index))
        found = {"index": shard.index, "starts": starts, "host": socket.gethostname()}
        try:
            if starts > _MOST_STARTS:
                raise _ended_always(shard)
            if self._work is None:
                self._work = ray.get(self._sent)
            return found | {"content": self._work(shard), "message": "", "hint": ""}
        except FastdefectError as error:
            return found | {"content": b"", "message": error.message, "hint": error.hint}


class _Starts:
    """Counts how often each shard was begun: once, unless its worker was killed.

    Ray would begin a shard again without end.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def begin(self, index: int) -> int:
        """Count a begin of this shard; how many there were."""
        self._counts[index] += 1
        return self._counts[index]


def _ended_always(shard: Shard) -> FastdefectError:
    names = [each.name for each in shard.candidates()]
    return MachineError(
        f"Workers ended {_MOST_STARTS} times during shard {shard.index}: {names[0]} to "
        f"{names[-1]}.",
        "Mostly the memory is used up: use fewer --workers, and continue with --resume. Or one of "
        "these photos ends every process that reads it: --engine local finds it.",
    )


def check_ray() -> None:
    """Raise ``UsageError`` if the extra is not installed."""
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise UsageError(
            "--engine ray needs Ray, which is not installed.",
            'Install it: python -m pip install "fastdefect[ray]", or use --engine local.',
        )


@contextmanager
def connected(
    address: str | None, workers: int | None, threads: int, on_event: OnEvent
) -> Iterator[RayEngine]:
    """An engine on the cluster at ``address``, or on one of this computer for this command.

    ``workers`` processes; None for as many as there are CPUs, with ``threads`` CPUs for each. A
    cluster of a program that has connected already is used as it is. Raises ``UsageError`` if
    there is no cluster at ``address``.
    """
    _settle_environment(own=address is None)
    import ray

    with Scratch() as scratch:
        was_there = ray.is_initialized()
        if not was_there:
            with _no_log():
                if address is None:
                    _start(workers, threads, scratch)
                else:
                    _connect(address)
        try:
            cpus = int(ray.cluster_resources().get("CPU", 1))
            hosts = len([node for node in ray.nodes() if node["Alive"]])
            engine = RayEngine(workers or max(1, cpus // threads), threads, on_event)
            _silence()
            on_event(Note(f"Ray {ray.__version__}: {engine.workers} workers on {hosts} host(s)."))
            yield engine
        finally:
            if not was_there:
                ray.shutdown()


def _settle_environment(*, own: bool) -> None:
    """Set what Ray reads when it is imported, unless the user has set it.

    A cluster of its ``own`` listens on all networks, so it gets a token that nobody else has.
    """
    settings = dict(_QUIET)
    if own and "RAY_AUTH_MODE" not in os.environ:
        settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    if "ray" not in sys.modules:
        os.environ.update({n: value for n, value in settings.items() if n not in os.environ})


def _start(workers: int | None, threads: int, scratch: Scratch) -> None:
    """Start a cluster of this computer."""
    import ray

    place = str(scratch.folder)
    ray.init(
        address="local",
        num_cpus=workers * threads if workers else None,
        object_store_memory=_MEMORY,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=place if len(place) <= _LONGEST else None,
    )


def _connect(address: str) -> None:
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"--address {address}: expected a Ray cluster, but got: {error!s:.300}",
            "Start one with ray start --head, or leave out --address for one of this computer.",
        ) from error


@contextmanager
def _no_log() -> Iterator[None]:
    """Ray's own log says on standard error that it logs nothing; what fails is an exception."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _silence() -> None:
    """Leave the terminal to this program: errors come as exceptions."""
    import ray.data

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    ray.data.DataContext.get_current().enable_progress_bars = False
