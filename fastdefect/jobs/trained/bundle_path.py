"""Whether MODEL of a command is a bundle, which decides by its own rule."""

from pathlib import Path

from fastdefect.errors import UsageError
from fastdefect.inference.bundle import SUFFIX
from fastdefect.jobs.trained.request import Request

_OF_A_RUN = ("views", "threshold", "decide", "part_rule", "device", "data_root")


def bundle_path(model: str, request: Request) -> Path | None:
    """The path of the bundle ``model``; None if it is the name or folder of a run.

    Raises ``UsageError`` for options in ``request`` that only a run has.
    """
    path = Path(model)
    if path.suffix != SUFFIX and not path.is_file():
        return None
    for name in _OF_A_RUN:
        if getattr(request, name) != getattr(Request, name):
            raise UsageError(
                f"--{name.replace('_', '-')} applies to a run, but {model} is a bundle, which has "
                "its own.",
                "Remove the option, or export the run again with it.",
            )
    return path
