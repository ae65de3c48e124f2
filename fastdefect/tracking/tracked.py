"""Log the trainings of a command to trackers, by the events of its job."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fastdefect.errors import RunError
from fastdefect.events import EpochDone, Event, FitStarted, Note, OnEvent
from fastdefect.files import typed
from fastdefect.run import Run
from fastdefect.tracking.catalogue import TRACKERS
from fastdefect.tracking.logged_run import STATE, LoggedRun, is_complete

_LONGEST = 300  # characters of the error of a library, which can be a whole page


@contextmanager
def tracked(
    names: Sequence[str] | None, on_event: OnEvent, resumed: Run | None
) -> Iterator[OnEvent]:
    """A listener that passes events on to ``on_event`` and logs them to the trackers ``names``.

    With None, a ``resumed`` run goes on with the trackers of its first start. What a tracker does
    not have of a resumed run is logged at the end, also if the run was finished before. An error
    of a tracker becomes one warning.
    """
    if names is None:
        lost = "logs nothing of the resumed run"
        names = _trackers_of(resumed, on_event, lost) if resumed else ()
    listener = _Listener(names, on_event)
    try:
        yield listener if names else on_event
        if resumed is not None:
            listener.catch_up(resumed)
    finally:
        listener.close()


def log_file(run: Run, file: Path, on_event: OnEvent) -> None:
    """Add ``file`` to the run in each tracker that has it and keeps files.

    An error of a tracker becomes a warning. Raises ``FileNotFoundError`` if there is no ``file``.
    """
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}.")
    for name in _trackers_of(run, on_event, f"gets nothing of {run.name}"):
        if not TRACKERS[name].keeps_files:
            continue
        try:
            LoggedRun(name, run, None).close((file,))
        except Exception as error:  # noqa: BLE001 - each library has its own; the file is written
            text = f"{TRACKERS[name].title} does not get {file}: {_reason(error)}."
            on_event(Note(text, "warning"))
        else:
            on_event(Note(f"{TRACKERS[name].title}: {file} added to {run.name}."))


def _trackers_of(run: Run, on_event: OnEvent, lost: str) -> tuple[str, ...]:
    """The trackers that the run was logged to.

    One that is not installed here is a warning, in which ``lost`` is what it does not do.
    """
    try:
        used = {name for each in (run, *run.members()) for name in each.read(STATE)}
    except RunError as error:
        on_event(Note(f"Nothing is logged to trackers. {error.message}", "warning"))
        return ()
    for name in used & set(TRACKERS):
        if not (library := TRACKERS[name]).is_installed:
            used.remove(name)
            on_event(
                Note(
                    f"{library.title} is not installed, and {lost}. {library.how_to_install}",
                    "warning",
                )
            )
    return tuple(name for name in TRACKERS if name in used)


class _Listener:
    """Passes events on, and logs them to every tracker that has not failed."""

    def __init__(self, names: Sequence[str], on_event: OnEvent) -> None:
        self._on_event = on_event
        self._logs = {name: _TrackerLog(name, on_event) for name in names}
        self._latest: Run | None = None

    def __call__(self, event: Event) -> None:
        """Pass the event on, then log it."""
        self._on_event(event)
        match event:
            case FitStarted(_, first_epoch, folder):
                run = self._latest = Run(Path(folder))
                self._each(lambda log: log.begin(run, first_epoch))
            case EpochDone(row, _):
                self._each(lambda log: log.epoch(int(row["epoch"])))

    def catch_up(self, resumed: Run) -> None:
        """Log what the trackers do not have of the run and the trainings inside it."""
        self._latest = resumed
        self._each(lambda log: log.catch_up(resumed))

    def close(self) -> None:
        """End the runs of the trackers."""
        self._each(lambda log: log.close())

    def _each(self, step: "Callable[[_TrackerLog], None]") -> None:
        for name, log in list(self._logs.items()):
            try:
                step(log)
            except Exception as error:  # noqa: BLE001 - each library has its own: none ends a run
                del self._logs[name]
                self._on_event(Note(_failure(name, error, self._latest), "warning"))


def _failure(name: str, error: Exception, run: Run | None) -> str:
    message = f"{TRACKERS[name].title} failed and logs nothing more: {_reason(error)}."
    if run is None:
        return message
    top = run.parent or run
    command = f"fastdefect fit --resume {typed(top.folder)} --log {name}"
    return f"{message} The training is not affected. To log the rest later: {command}"


def _reason(error: Exception) -> str:
    """The error in one line, without a full stop."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST].rstrip(".")


class _TrackerLog:
    """The runs that one command logs to one tracker: a training, and the run that contains it."""

    def __init__(self, name: str, on_event: OnEvent) -> None:
        self._name, self._on_event = name, on_event
        self._training: LoggedRun | None = None
        self._around: LoggedRun | None = None
        self._begun: set[Path] = set()

    def begin(self, run: Run, epochs: int) -> None:
        """Open the run of a training; log the ``epochs`` that it had before."""
        self._close_training()
        if run.parent is not None and self._around is None:
            self._around = self._open(run.parent)
        self._training = self._open(run)
        self._training.log_epochs(epochs)

    def epoch(self, epoch: int) -> None:
        """Log an epoch of the open training."""
        if self._training is not None:
            self._training.log_epochs(epoch)

    def catch_up(self, run: Run) -> None:
        """Log the run, and the trainings inside it, as far as they are not logged."""
        for each in (*run.members(), run):
            if each.folder not in self._begun and not is_complete(self._name, each):
                self.begin(each, len(each.read_history()))

    def close(self) -> None:
        """End the open runs."""
        self._close_training()
        if self._around is not None:
            around, self._around = self._around, None
            around.close()

    def _open(self, run: Run) -> LoggedRun:
        logged = LoggedRun(self._name, run, self._around)
        if not self._begun:
            self._on_event(Note(f"{TRACKERS[self._name].title}: {logged.where}"))
        self._begun.add(run.folder)
        return logged

    def _close_training(self) -> None:
        if self._training is not None:
            training, self._training = self._training, None
            training.close()
