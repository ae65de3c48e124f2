"""What a failed training leaves in its run, and the error that says how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep

from fastdefect.errors import DivergedError, FastdefectError
from fastdefect.machine import MachineError, machine_error
from fastdefect.run import Run, RunStatus

_WAIT_FOR_REPORT = 2.0  # s


@contextmanager
def failing_run(run: Run) -> Iterator[None]:
    """An error in the block becomes the status of ``run``.

    One of the machine, such as a full disk, becomes a ``MachineError`` with the command that goes
    on from the last state. Any other error is raised as it is.
    """
    go_on = run.whole.resume_command
    try:
        yield
    except FastdefectError as error:
        _note(run, error)
        raise
    except Exception as error:
        reason = _end_of_worker(error)
        known = machine_error(reason)
        if known is None:
            raise
        _note(run, known)
        hint = f"{known.hint} Then continue from the last state: {go_on}"
        raise MachineError(known.message, hint) from reason


def _end_of_worker(error: Exception) -> Exception:
    """The error that names the data worker that ended, if ``error`` is a broken connection to it.

    The connection to a killed worker can fail before the system reports its end. For this report
    torch has a signal handler, which raises in the main thread at any point. Without waiting, it
    would interrupt the handling of ``error``. Returns ``error`` if there is no report in time.
    """
    if isinstance(error, OSError | EOFError) and machine_error(error) is None:
        try:
            sleep(_WAIT_FOR_REPORT)
        except RuntimeError as reported:
            return reported
    return error


def _note(run: Run, error: FastdefectError) -> None:
    with suppress(OSError, FastdefectError):  # the disk may be full, or gone
        diverged = isinstance(error, DivergedError) and not run.members()
        status = RunStatus.DIVERGED if diverged else RunStatus.FAILED
        photos = {"photos": error.photos} if isinstance(error, DivergedError) else {}
        run.update_state(status=status, error=error.message, **photos)
