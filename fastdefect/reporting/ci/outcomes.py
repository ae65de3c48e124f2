"""The outcomes of the checks of one command, as plain values for every format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fastdefect import __version__

State = Literal["passed", "warned", "failed"]


@dataclass(frozen=True)
class Outcome:
    """One check: a limit of ``gate``, or a kind of finding of ``audit``.

    ``failed`` sets the exit code of the command; ``warned`` does not. ``message`` is one sentence.
    ``details`` say what was expected, what was found, where, and what to do.
    """

    name: str
    state: State
    message: str = ""
    details: Mapping[str, str] | None = None

    @property
    def text(self) -> str:
        """The message, and each detail on its own line."""
        lines = [f"{key}: {value}" for key, value in (self.details or {}).items()]
        return "\n".join([self.message, *lines])


@dataclass(frozen=True)
class Outcomes:
    """All checks of one call of ``command``; ``about`` names what was checked, and how."""

    command: str
    checks: tuple[Outcome, ...]
    about: Mapping[str, str]

    @property
    def suite(self) -> str:
        """The name of the command, as typed."""
        return f"fastdefect {self.command}"

    @property
    def properties(self) -> dict[str, str]:
        """``about``, and the version of fastdefect."""
        return {"version": __version__, **self.about}
