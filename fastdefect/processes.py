"""The place of this process among those that a launcher started together.

``accelerate launch`` and ``torchrun`` start several processes of one command, and number them in
the environment of each. Nothing here connects them: see ``training/processes.py``.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

# Seconds until a process that does not answer counts as lost.
TIMEOUT_VARIABLE = "FASTDEFECT_PROCESS_TIMEOUT"
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Place:
    """The number of a process, and how many there are, from 0.

    ``rank`` of ``size`` processes in all; ``local_rank`` of ``local_size`` on this host, which is
    number ``host``.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    host: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes and prints; all others only compute."""
        return self.rank == 0


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """The place of this process by the variables of the launcher; alone without them."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    given = [environment.get(name, "") for name in names]
    if not all(value.isdecimal() for value in given[:2]) or int(given[1]) < 2:
        return Place()
    rank, size = int(given[0]), int(given[1])
    on_host = [int(value) if value.isdecimal() else None for value in given[2:]]
    return Place(rank, size, on_host[0] or 0, on_host[1] or 1, on_host[2] or 0)


def timeout_s(environment: Mapping[str, str] = os.environ) -> float:
    """The seconds after which a process that does not answer counts as lost."""
    try:
        seconds = float(environment.get(TIMEOUT_VARIABLE, ""))
    except ValueError:
        return TIMEOUT_S
    return seconds if seconds > 0 else TIMEOUT_S
